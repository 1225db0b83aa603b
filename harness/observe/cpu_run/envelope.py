"""What came through the descriptor on which a child reports: its own lines, and what is none of them.

The lines of our code in the child begin with a word that nobody else was told (`guest.seal`). Everything else was
written by the submission.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Envelope:
    """The lines of one child, by kind; `foreign` are bytes that are in none of them."""

    reports: tuple[bytes, ...] = ()
    seen: tuple[bytes, ...] = ()
    foreign: int = 0
    last: bool = False
    """Whether the only report is the last thing that was written."""
    so_far: bytes = b""
    """The last telling of what was seen so far; its lines are taken out on the way."""

    @property
    def report(self) -> bytes:
        """The report, where there is one and only one; empty otherwise."""
        return self.reports[0] if len(self.reports) == 1 else b""


def opened(data: bytes, word: str) -> Envelope:
    """The envelope of these bytes. Whatever they are, it raises nothing."""
    found: dict[bytes, list[bytes]] = {b"report": [], b"seen": []}
    foreign, last = 0, b""
    for line in data.splitlines(keepends=True):
        cut = word and line.startswith(word.encode()) and not line.endswith(b"\n")
        if cut or not line.strip():  # the end came into one of ours: it says nothing
            continue
        start, _, rest = line.partition(b" ")
        kind, _, content = rest.partition(b" ")
        if word and start == word.encode() and kind in found and content.endswith(b"\n"):
            found[kind].append(content)
            last = kind
        else:
            foreign += len(line)
            last = b""
    return Envelope(tuple(found[b"report"]), tuple(found[b"seen"]), foreign, last == b"report")
