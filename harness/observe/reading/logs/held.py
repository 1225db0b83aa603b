"""Names of logged settings that no text of the submission holds: the log was made by other code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from harness.model.base import At, Fact, snippet
from harness.model.logs import LogFacts
from harness.observe.reading.source.script import ScriptReading

MAX_NAMES = 200
"""Names kept of one log."""
MAX_BYTES = 1 << 20
MIN_SETTINGS = 8
"""Settings that a run must print before their names say anything of the code."""

_TEXTS = {".py", ".sh", ".bash", ".md", ".json", ".toml", ".yaml", ".yml", ".ipynb", ".cfg", ".c", ".cpp", ".cu", ".h"}
_BETWEEN = bytes(code if chr(code).isascii() and (chr(code).isalnum() or code == 95) else 32 for code in range(256))
"""Blanks for all bytes that no word is made of."""
_DIGITS = b"0123456789"
_NAME = re.compile(r"[a-z][a-z0-9]{0,40}(?:_[a-z0-9]{1,40}){1,12}$")
_FOREIGN = frozenset({"error_file", "local_rank", "exit_code", "traceback_time"})
"""Words that launchers print of a failed process."""


def unheld_settings(
    logs: Sequence[LogFacts], scripts: Sequence[ScriptReading], files: Mapping[str, bytes]
) -> tuple[Fact[str], ...]:
    """Names of settings that stand in a log and in no text of the submission, packed or not.

    Nothing where a script could not be unpacked or no script is there: then the texts are not known.
    """
    if not scripts or any(script.facts.opaque is not None for script in scripts):
        return ()
    wanted = [
        (log, [(setting.name, setting.line) for run in log.runs for setting in run.settings])
        for log in logs
        if log.duplicate_of is None and any(len(run.settings) >= MIN_SETTINGS for run in log.runs)
    ]
    if not wanted:
        return ()
    words = _words(_texts(scripts, files))
    found: list[Fact[str]] = []
    for log, settings in wanted:
        seen: dict[str, int] = {}
        for name, line in settings:
            if _NAME.match(name) and name not in _FOREIGN and name.encode() not in words:
                seen.setdefault(name, line)
        found += [
            Fact[str](value=snippet(name, 80), at=At(path=log.path, line=line))
            for name, line in list(seen.items())[:MAX_NAMES]
        ]
    return tuple(found)


def _texts(scripts: Sequence[ScriptReading], files: Mapping[str, bytes]) -> Iterable[bytes]:
    for path, data in files.items():
        if PurePosixPath(path).suffix.lower() in _TEXTS and len(data) <= MAX_BYTES:
            yield data
    for script in scripts:
        yield from (text.encode("utf-8", "replace") for text in script.texts[1:])
        yield from (data[:MAX_BYTES] for data in script.written.values())
        yield from (layer.text.encode("utf-8", "replace") for layer in script.unwrapped.embedded)


def _words(texts: Iterable[bytes]) -> set[bytes]:
    """All words of the texts, in lower case."""
    words: set[bytes] = set()
    for text in texts:
        words.update(word.lstrip(_DIGITS) for word in set(text.lower().translate(_BETWEEN).split()))
    return words
