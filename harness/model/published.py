"""The organisers' published table, row by row as printed."""

from __future__ import annotations

from harness.model.base import Frozen


class Quoted(Frozen):
    """A p-value printed beside a published row, and the convention that gives it."""

    printed: str
    against: int | None
    """Pull request that it says it was tested against; None where the text names none."""
    convention: str | None = None
    """The first convention tried that gives the printed digits; None where none does."""
    computed: float | None = None
    """The value under that convention, else under the plain one (Welch, sample deviation, no margin)."""


class PublishedRow(Frozen):
    """A row of the organisers' table, as printed. `line` is that of the README."""

    section: str
    records: bool
    run: str
    score: str
    author: str
    summary: str
    date: str
    prs: tuple[int, ...] = ()
    folders: tuple[str, ...] = ()
    quoted: tuple[Quoted, ...] = ()
    line: int
