"""The directives of a plan, applied to the text that is about to run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from harness.model.plan import Directive


class MisplacedError(ValueError):
    """A directive does not fit the text: the old text is not where it should be."""


def rewritten(text: str, directives: Iterable[Directive]) -> str:
    """`text` with the directives applied; they must not overlap.

    Raises MisplacedError where the old text is not found.
    """
    by_line: defaultdict[int, list[Directive]] = defaultdict(list)
    for directive in directives:
        by_line[directive.at.line or 0].append(directive)
    lines = text.split("\n")
    for number, here in by_line.items():
        if not 0 < number <= len(lines):
            raise MisplacedError(f"line {number} is beyond the text's {len(lines)} lines")
        raw = lines[number - 1].encode()
        end = len(raw) + 1
        for directive in sorted(here, key=lambda one: one.column, reverse=True):
            old = raw[directive.column : directive.end_column]
            if old != directive.old.encode() or directive.end_column > end:
                raise MisplacedError(
                    f"line {number} column {directive.column}: {directive.old!r} expected, {old!r} found"
                )
            raw = raw[: directive.column] + directive.new.encode() + raw[directive.end_column :]
            end = directive.column
        lines[number - 1] = raw.decode()
    return "\n".join(lines)
