"""Facts of which validation tokens entered the printed score of a run, and of the bytes that they stand for."""

from __future__ import annotations

from harness.model.base import At, Frozen


class Span(Frozen):
    """Neighbouring positions of the validation stream, counted from 0, the last included."""

    first: int
    last: int
    times: int
    """How often each of them was added up."""


class Covered(Frozen):
    """The positions that one sum has added up, where all of them are known."""

    at: At
    target: str
    spans: tuple[Span, ...]
    """The first of them where they are many."""
    once: int
    several: int
    """Positions that were added up more than once."""
    tokens: int
    """Additions of positions in all."""
    elsewhere: int
    """Further elements added up that are no tokens of the stream: padding."""
    looked: int = 0
    """Additions whose values were not followed: their positions are those of the tokens that the program looked at for
    them, one after the other, each once and none left out."""


class Coverage(Frozen):
    """Of one printed score: its losses, and what they are divided by."""

    label: str
    val_bpb: float
    stream: int
    """Tokens of the validation stream."""
    documents: int
    sequence: int | None = None
    """Tokens of the longest sequence of training or evaluation, as planned."""
    untold: int = 0
    """Additions of losses of which it is not known what they speak of. Where there are any, the rest is None."""
    losses: Covered | None = None
    counts: Covered | None = None
    """Of the sum below the line; None where that is not known."""
    left_out: tuple[Span, ...] = ()
    """Stretches of positions between the first and the last scored one that were not scored, first tokens of documents
    aside; the first of them where they are many."""
    missing: int | None = None
    """How many positions those are in all."""
    head: int | None = None
    """Tokens before the first one that was scored, the very first of the stream aside: nothing can predict it."""
    tail: int | None = None
    """Tokens after the last one that was scored."""
    again: tuple[int, int] | None = None
    """First and last position that was scored more than once."""
    starts: int | None = None
    """First tokens of documents that were not scored."""
    differ: int | None = None
    """Positions with bytes that one of the two sums has added up more often than the other."""
    bytes_stream: int | None = None
    """Bytes that the whole stream stands for."""
    bytes_true: int | None = None
    """Bytes that the scored positions stand for, each as often as it was scored."""
    bytes_counted: float | None = None
    """What the score divides by."""
