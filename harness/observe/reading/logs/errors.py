"""Failures that a log itself reports: tracebacks, memory, collectives, killed processes, limits passed."""

from __future__ import annotations

import re

from harness.model.base import At, Fact, snippet
from harness.observe.reading.logs.lines import Line

MAX_ERRORS = 50
"""Different errors kept of a log."""

_TRACEBACK_LENGTH = 300
_TRACEBACK = "traceback (most recent call last)"
_EXCEPTION = re.compile(
    r"[\w.]{0,100}(?:Error|Exception|Interrupt|Exit|Failure|Timeout|Unsupported|Iteration)\w{0,20}(?::|$)"
)
_WARNING = re.compile(r"\[W\d{3,4} |W\d{4} |.{0,80}\[WARNING\]|.{0,120}[Ww]arning:|Exception ignored in")
_FAILURES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"CUDA out of memory|OutOfMemoryError|\bOOM(?:-?kill|ed| )",
        r"NCCL (?:error|timeout)|ncclInternalError|ncclSystemError|Watchdog caught collective",
        r"\bOVER[ _]TIME\b",
        r"\bNEEDS[ _]FIX\b",
        r"^\W{0,4}Killed$|got signal: ?\d|received by PID|\bSIG(?:KILL|SEGV|ABRT|TERM)\b",
        r"^\S{1,200}\.py FAILED$|exitcode\s{0,2}: ?-?[1-9]|^\W{0,4}ERROR\b[:\]]",
        r"\bAssertionError\b|\bassertion failed\b",
        r"exceeds (?:the )?(?:16|limit|budget|cap)|over (?:the )?16 ?MB|(?-i:\bOVER (?:LIMIT|BUDGET|SIZE)\b)",
        r"(?-i:\bTIMEOUT\b)|\btimed out\b|hit its timeout",
    )
)
_HINTS = (
    "memory", "oom", "nccl", "watchdog", "kill", "sig", "fail", "exitcode", "error", "assert", "exceed", "needs",
    "over ", "over_time", "timeout", "timed out",
)  # fmt: skip
"""Pieces of lower-case text of which every failure has one."""


class ErrorReader:
    """Collects errors line by line, each different text once."""

    def __init__(self, path: str) -> None:
        self.errors: list[Fact[str]] = []
        self.omitted = 0
        self._path = path
        self._seen: set[str] = set()
        self._traceback: Line | None = None

    def add(self, value: str, line: Line) -> None:
        """Note error `value` seen on `line`."""
        value = snippet(value)
        if value in self._seen or not value:
            return
        if len(self.errors) >= MAX_ERRORS:
            self.omitted += 1
            return
        self._seen.add(value)
        self.errors.append(Fact(value=value, at=At(path=self._path, line=line.number), text=snippet(line.text)))

    def read(self, line: Line) -> None:
        """Take the error that `line` reports, if it reports one."""
        if self._traceback is not None and self._end_traceback(line):
            return
        if _TRACEBACK in line.low:
            if not _WARNING.match(line.text):
                self._traceback = line
            return
        if not any(map(line.low.__contains__, _HINTS)) or _WARNING.match(line.text):
            return
        if any(pattern.search(line.text) for pattern in _FAILURES):
            self.add(line.text, line)

    def finish(self) -> tuple[Fact[str], ...]:
        """All errors; a traceback that the log breaks off counts too."""
        if self._traceback is not None:
            self.add("Traceback without its last line", self._traceback)
            self._traceback = None
        return tuple(self.errors)

    def _end_traceback(self, line: Line) -> bool:
        """Whether `line` is the last one of the open traceback: the exception."""
        opened = self._traceback
        if opened is None:
            return False
        if line.number - opened.number > _TRACEBACK_LENGTH:
            self._traceback = None
            self.add("Traceback without its last line", opened)
            return False
        text = line.text
        if text[:1].isspace() or not _EXCEPTION.match(text):
            return False
        self._traceback = None
        self.add(text, line)
        return True
