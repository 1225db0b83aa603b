"""Text of a log as numbered lines: bounded in number and length, without the prefixes that launchers add."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from harness.observe.reading.text import strip_ansi

MAX_LINES = 200_000
"""Lines that are read: half from the start, half from the end, where the final scores stand."""
MAX_LENGTH = 2_000
"""Characters of a line that patterns see: it bounds their cost."""

_STAMP = re.compile(
    r"(?:\d{9,10}\.\d{1,9}"  # 1776144156.999
    r"|\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?"
    r"(?: (?:DEBUG|INFO|WARNING|ERROR)\b:?)?"
    r"|\[(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w{3} [ \d]\d \d\d:\d\d:\d\d (?:\w{2,5} )?\d{4}\]:?"
    r"|\[\d\d:\d\d:\d\d\]) "
)
_RANK = re.compile(r"\[(?:rank|default) ?\d{1,4}\]:? ?")
_RUN_NAME = re.compile(r"(?=\S{0,100}\d)[A-Za-z][\w.-]{23,100}: (?=[a-z])")
_PROGRESS_BAR = re.compile(r"[^|]{0,60}\d%\|[^|]{0,200}\|[^\]]{0,200}\]")
_NESTED = 3


class Line(NamedTuple):
    """One line of a log: `text` without prefix and trailing blanks (indentation is kept), `low` in lower case."""

    number: int
    text: str
    low: str
    stamped: bool = False
    """A date or clock stood before it."""


def split_lines(text: str) -> tuple[list[tuple[int, str]], int, int]:
    """Numbered lines of `text`, how many it has, and how many in its middle were left out."""
    total = text.count("\n") + (not text.endswith("\n"))
    if total <= MAX_LINES:
        return list(enumerate(text.split("\n")[:total], 1)), total, 0
    half = MAX_LINES // 2
    head = text.split("\n", half)[:half]
    tail = text.removesuffix("\n").rsplit("\n", half)[1:]
    return [*enumerate(head, 1), *enumerate(tail, total - half + 1)], total, total - 2 * half


def clean_lines(numbered: Iterable[tuple[int, str]]) -> Iterator[Line]:
    """`Line` (cut to `MAX_LENGTH`) for each numbered text that is not blank."""
    for number, raw in numbered:
        text = raw[:MAX_LENGTH].rstrip()
        if not text:
            continue
        text, stamped = _unprefix(text)
        if text:
            yield Line(number, text, text.lower(), stamped)


def _unprefix(text: str) -> tuple[str, bool]:
    """`text` without colours, time stamp, rank, name of the run and progress bar; whether a stamp was among them."""
    if "\x1b" in text:
        text = strip_ansi(text).rstrip()
    stamped = False
    for _ in range(_NESTED):
        if text[:1] not in "[0123456789":
            break
        match = _STAMP.match(text)
        stamped = stamped or match is not None
        match = match or _RANK.match(text)
        if match is None:
            break
        text = text[match.end() :]
    if ": " in text[24:104] and (name := _RUN_NAME.match(text)):
        text = text[name.end() :]
    if "%|" in text and (bar := _PROGRESS_BAR.match(text)):
        text = text[bar.end() :]
    return text, stamped
