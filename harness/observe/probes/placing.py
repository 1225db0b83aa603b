"""Which token each score of a run is of: as it was followed, or else told by where two runs part.

A program that scores the stream once, in order, gives the same scores up to the parting and others after it. If two
partings lie as far apart among the scores as they do in the stream, or in its text where every byte has a score of its
own, every score in between has its token, and so have the others by counting on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from harness.observe.cpu_run.inputs.stream import Stream
from harness.observe.cpu_run.rows import Rows

SLACK = 64
"""Tokens before the first score, or left out before it, up to which counting is believed."""
_LEAST = 2
"""Partings that must agree."""
_MOST = 0.5
"""Share of the scores whose tokens are known from which on the others are left out, rather than all inferred."""


class Layout(Enum):
    """What the scores of a run are of, one after the other."""

    TOKENS = auto()
    TEXT = auto()
    """The bytes of the text."""
    SURFACE = auto()
    """The bytes of the tokens: a space that begins a document is one of them."""

    WORDS = auto()
    """The bytes of the text, but for tokens that are a space alone: programs that strip the space leave nothing."""

    def begins(self, stream: Stream) -> NDArray[np.int64]:
        """For each token, and after the last, how many scores those before it have."""
        surface = stream.tokenizer.surface_bytes[stream.tokens]
        spaces = (surface == 1) & stream.tokenizer.begins_with_space[stream.tokens]
        sizes = {
            Layout.TOKENS: np.ones(len(stream.tokens), np.int64),
            Layout.TEXT: stream.text_bytes,
            Layout.SURFACE: surface,
            Layout.WORDS: np.where(spaces, 0, stream.text_bytes),
        }[self]
        return np.concatenate([[0], np.cumsum(sizes)])


@dataclass(frozen=True)
class Alignment:
    """Scores that follow upon each other as the stream does; `left_out` is how many there would be before the first."""

    layout: Layout
    left_out: int
    end: int
    """The token before which it is believed: the last windows may score some again."""
    whole: int | None = None
    """The token that would be scored next after the last, where every byte has a score: what a program counts of a
    token that was put into the stream may be another number of bytes than it has."""

    def of(self, rows: Rows, stream: Stream) -> Rows | None:
        """The scores of a run on a stream with their tokens; None where there are too few, or not one for each byte."""
        begins = self.layout.begins(stream)
        if self.whole is not None and len(rows) != begins[self.whole] - self.left_out:
            return None
        at = np.repeat(np.arange(self.end), np.diff(begins)[: self.end])[self.left_out :]
        if len(rows) < len(at):
            return None
        found = rows[: len(at)].copy()
        found["at"] = at
        return found


class How(Enum):
    """How it is known which token each score is of."""

    FOLLOWED = auto()
    PARTLY = auto()
    """Of some it is not known; they are left out."""
    BY_PARTING = auto()


@dataclass(frozen=True)
class Placing:
    """Gives the scores of the runs of one program their tokens."""

    how: How
    alignment: Alignment | None = None

    def of(self, rows: Rows | None, stream: Stream) -> Rows | None:
        """The scores of a run on a stream, with their tokens; None where those are not known."""
        if rows is None or self.how is not How.BY_PARTING:
            return rows
        return None if self.alignment is None else self.alignment.of(rows, stream)

    def whole(self, rows: Rows | None) -> bool:
        """Whether the token of each score is known, in the first run and in another."""
        if self.how is How.FOLLOWED and rows is not None:
            return bool((rows["at"] >= 0).all())
        return self.how is How.BY_PARTING


def placed(rows: Rows, stream: Stream, others: Sequence[tuple[int, Rows | None]]) -> tuple[Rows, Placing]:
    """The scores with their tokens, none of them where those are not known; `others` are of runs on streams that part
    after a position.
    """
    known = rows["at"] >= 0
    if known.all():
        return rows, Placing(How.FOLLOWED)
    if known.mean() >= _MOST:
        return rows[known], Placing(How.PARTLY)
    found = aligned(rows, stream, [(at, rows[:0] if other is None else other) for at, other in others])
    own = found.of(rows, stream) if found is not None else None
    return (rows[:0] if own is None else own), Placing(How.BY_PARTING, found)


def parted(first: Rows, second: Rows) -> int | None:
    """Index of the first score that differs, up to where one of the runs has no more; None where all are the same."""
    size = min(len(first), len(second))
    differs = np.flatnonzero(first["value"][:size].view(np.int64) != second["value"][:size].view(np.int64))
    return int(differs[0]) if len(differs) else None


def aligned(base: Rows, stream: Stream, others: Sequence[tuple[int, Rows]]) -> Alignment | None:
    """How scores lie in a stream; `others` are those of runs on streams that part after a position.

    None where the partings do not agree: scores in another order, or scores that know later tokens. The last windows
    may score some tokens again, so a parting there need only agree roughly, and the last scores are left out.
    """
    found = (_aligned(base, stream, others, layout) for layout in Layout)
    return next((one for one in found if one is not None), None)


def _aligned(base: Rows, stream: Stream, others: Sequence[tuple[int, Rows]], layout: Layout) -> Alignment | None:
    begins = layout.begins(stream)
    last = int(np.searchsorted(begins, len(base), side="right")) - 1
    shifts: list[int] = []
    for at, rows in others:
        if layout is Layout.TOKENS and len(rows) != len(base):
            return None
        index = parted(base, rows)
        sure = at < last - 2 * SLACK
        if index is None and not sure:
            continue  # scored were only tokens before it
        if index is None or abs(at + 1 - int(np.searchsorted(begins, index, side="right"))) > SLACK:
            return None
        if sure:
            shifts.append(int(begins[at + 1]) - index)
    agreeing = len(others) if layout is Layout.TOKENS else len(shifts)
    if agreeing < _LEAST or len(set(shifts)) != 1:
        return None
    left_out = shifts[0]
    after = int(np.searchsorted(begins, left_out + len(base), side="right")) - 1
    end = after - 2 * SLACK
    if left_out < 0 or begins[max(0, end)] <= left_out:
        return None
    return Alignment(layout, left_out, end, None if layout is Layout.TOKENS else after)
