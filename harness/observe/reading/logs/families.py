"""A line family shows one value: a size, a clock, a device. Each is a pattern with an example that it reads.

Several families may feed one field of `RunFacts`: the family of lowest `rank` wins, and among lines of equal rank the
first or the last, as `keep` says. Patterns carry named groups: `n` (the value), `unit` (of a time), `codec`. Every
quantifier is bounded, because the text is hostile.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.observe.reading.logs.lines import Line
from harness.observe.reading.logs.numbers import integer, real, seconds

Value = int | float | str

SEP = r"[\"']?\s{0,16}[:=]\s{0,16}"
"""Between a name and its value."""
INT = r"(?P<n>\d[\d,_]{0,24})"
DECIMAL = r"(?P<n>\d[\d,]{0,15}(?:\.\d{1,12})?)"


@dataclass(frozen=True)
class Family:
    """Lines that show one value of field `field`; `hints` are pieces of lower-case text: every such line has one."""

    field: str
    rank: int
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    convert: Callable[[re.Match[str]], Value | None]
    example: str
    keep: Literal["first", "last"]

    def read(self, line: Line) -> tuple[Value, str | None] | None:
        """The value on `line` and the codec it names; None when the line is of another family."""
        match = self.pattern.search(line.text)
        if match is None:
            return None
        value = self.convert(match)
        return None if value is None else (value, match.groupdict().get("codec"))


def _maker(
    convert: Callable[[re.Match[str]], Value | None], keep: Literal["first", "last"]
) -> Callable[[str, int, str, str, str], Family]:
    def make(field: str, rank: int, hints: str, example: str, pattern: str) -> Family:
        return Family(field, rank, tuple(hints.split("|")), re.compile(pattern, re.IGNORECASE), convert, example, keep)

    return make


def _integer(match: re.Match[str]) -> Value | None:
    return integer(match["n"])


first_integer = _maker(_integer, "first")
last_integer = _maker(_integer, "last")
last_real = _maker(lambda match: real(match["n"].replace(",", "")), "last")
last_seconds = _maker(lambda match: seconds(match["n"], match["unit"]), "last")
last_milliseconds = _maker(lambda match: seconds(match["n"], "ms"), "last")
first_text = _maker(lambda match: match["n"].strip() or None, "first")
