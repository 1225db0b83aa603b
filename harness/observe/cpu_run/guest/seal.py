"""What a run says to the host: lines that begin with a word which the job brought and only this code was told.

The submission can write to the same descriptor, since it shares the process. It does not know the word; what it writes
is told apart by the host (`harness.observe.cpu_run.envelope`). Lines are written when something happens, so what has
been said cannot be taken back.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from json import JSONEncoder
from typing import Any

SEEN, SO_FAR, REPORT = "seen", "so_far", "report"
"""The kinds of lines: something noticed on the way, all that was seen until now, and the report, which comes last."""
Tell = Callable[[str, Any], None]
"""Called with a kind and something that is JSON."""


def seal(descriptor: int, word: str) -> Tell:
    """A function that writes lines to the descriptor. Nothing but its own closure holds the word."""
    write, encode = os.write, JSONEncoder(ensure_ascii=False).encode  # as they are now: the submission may replace them

    def tell(kind: str, content: Any) -> None:
        line = f"\n{word} {kind} {encode(content)}\n"  # on a line of its own, whatever was there
        view = memoryview(line.encode(errors="replace"))  # names of files may be no text
        while view:
            view = view[write(descriptor, view) :]

    return tell
