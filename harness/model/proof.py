"""Facts of the experiments on a run: what moved when the validation stream was changed."""

from __future__ import annotations

import math

from harness.model.base import At, Frozen
from harness.model.plan import Directive

NOISE = 1e-3
"""What a sum of a few probabilities may exceed 1 by for the rounding of single precision."""
ROUGH = 0.1
"""The same where scores are large differences of large numbers, which half precision may round by as much."""
ALIKE = 1e-4
"""Difference in nats that rounding leaves between what two runs give to a token out of the same row."""
SURE = 5
"""Other tokens that must be scored from a row before its sum convicts: a few may share by chance what was taken for a
constant."""


class Moved(Frozen):
    """A token whose score moved although nothing that may have formed it was changed. Values in nats."""

    position: int
    token: int
    before: float | None
    """What was added for it on the stream as it is; None where nothing was."""
    after: float | None


class SharedByte(Frozen):
    """A byte that two tokens begin with, after bytes that are the same, and what it got as part of each."""

    index: int
    """Bytes of the tokens before it."""
    byte: int
    tokens: tuple[int, int]
    values: tuple[float, float]
    """In nats."""

    @property
    def apart(self) -> float:
        """By how many nats they differ."""
        return abs(self.values[0] - self.values[1])


class Swap(Frozen):
    """One token of the stream, with others in its place: the probabilities that the program gave to each of them.

    Where what the program computes for a token could be computed for every other one as well, each run has a whole row.
    """

    position: int
    tokens: tuple[int, ...]
    """The token itself first."""
    values: tuple[float, ...]
    """What was added for each, in nats: minus the logarithm of its probability."""
    totals: tuple[float | None, ...] = ()
    """What the row sums to from which each of them was scored; None where it is not known."""
    foretold: tuple[float | None, ...] = ()
    """What the rows from which the others were scored give to the token itself, in nats."""
    by_bytes: bool = False
    """Whether each score is a sum over the bytes of its token."""
    shared: SharedByte | None = None
    """Of scores by bytes: one that got something else as part of another token."""
    together: float = 0.0
    """Of scores by bytes: what different bytes after the same text got together, at most."""

    @property
    def total(self) -> float:
        """The sum of these probabilities."""
        return math.fsum(math.exp(-value) for value in self.values)

    @property
    def above(self) -> bool:
        """Whether that is more than 1: then the program's numbers are no distribution, whatever the others get.

        Where bytes are scored, tokens that begin alike may each be as good as certain; what their bytes got must show
        that it is no distribution over bytes either.
        """
        over_bytes = self.by_bytes and self.shared is None and self.together <= 1 + NOISE
        return self.total > 1 + NOISE and not over_bytes

    @property
    def one_row(self) -> bool:
        """Whether all these tokens were scored from one row: what each of them was given does not depend on it."""
        known = len(self.foretold) > 1 and None not in (*self.foretold, *self.totals)
        return known and all(abs((one or 0.0) - self.values[0]) <= ALIKE for one in self.foretold)

    @property
    def whole(self) -> bool:
        """Whether that row is a distribution over the whole vocabulary."""
        return self.one_row and all(_is_one(one) for one in self.totals)

    @property
    def most(self) -> float:
        """What that row sums to, where enough tokens were scored from it; 0 where they were not."""
        known = [one for one in self.totals if one is not None]
        return max(known, default=0.0) if self.one_row and len(self.foretold) >= SURE else 0.0

    @property
    def beyond(self) -> float | None:
        """The same, where it is more than 1."""
        return self.most if self.most > 1 + NOISE else None

    @property
    def raised(self) -> bool:
        """Whether the token itself got more than one distribution has for it from which all others were scored."""
        told = [one for one in self.foretold if one is not None]
        if not told or len(told) < len(self.foretold) or self.totals[0] is not None:
            return False
        alike = max(told) - min(told) <= ALIKE and all(_is_one(one) for one in self.totals[1:])
        return alike and min(told) - self.values[0] > ALIKE

    @property
    def convicts(self) -> bool:
        """Whether this shows something that no distribution does."""
        return self.above or self.beyond is not None or self.other is not None

    @property
    def other(self) -> int | None:
        """Number, from 1, of a token that was scored from another distribution than the token itself, so that the
        choice between two of them was made with knowledge of it; None where there is none.

        Where it is not known what the token itself was scored from, several others must have been scored from one
        distribution that gives it less than it got: what they got was theirs as it stood, and it alone was raised.
        """
        if not self.totals or not (_is_one(self.totals[0]) or (self.raised and len(self.foretold) >= SURE)):
            return None
        rows = zip(self.foretold, self.totals[1:], strict=True)
        return next(
            (
                number
                for number, (told, total) in enumerate(rows, 1)
                if told is not None and _is_one(total) and abs(told - self.values[0]) > ALIKE
            ),
            None,
        )


def _is_one(total: float | None) -> bool:
    return total is not None and abs(total - 1) <= NOISE


class RowTotal(Frozen):
    """The row of probabilities that sums to most, of those that scores were taken from."""

    position: int
    token: int
    value: float
    """What was added for the token, in nats: minus the logarithm of what stands in the row for it."""
    total: float
    """The sum of the row."""
    rows: int
    """How many rows sum to more than 1."""


class Divergence(Frozen):
    """A second run on a stream that is equal up to a position, and has other tokens after it.

    Lengths and documents are the same. Everything scored up to the position must be the same to the last bit, but for
    what was scored after a token that differs, as where documents are scored in order of their length.
    """

    position: int
    """The last token that both streams share, counted from 0."""
    tokens: tuple[int, ...] = ()
    """A few tokens around the position as they are, the last shared one in the middle."""
    others: tuple[int, ...] = ()
    """The same of the other stream."""
    failure: str | None = None
    """Why the second run came to no score."""
    rows: int = 0
    """Scores up to the position that were compared."""
    head: int = 0
    """Tokens at the beginning of the stream that have no score, but for the very first."""
    late: int = 0
    """Tokens up to the position that were scored after a later one, and may know it by right: they are left out."""
    moved: int = 0
    """How many of them differ."""
    first: tuple[Moved, ...] = ()
    """The first of those."""
    spans: tuple[tuple[int, int], ...] = ()
    """Where they lie, first and last of each stretch; the first stretches where they are many."""
    largest: Moved | None = None
    """The one that moved most."""
    row_kept: bool | None = None
    """Whether the row of scores from which the first different token was scored is the same in both runs: it was made
    before that token was looked at. None where no row is known."""
    artifact: tuple[str, ...] = ()
    """Files that were written and read back, and differ."""
    artifact_same: bool | None = None
    """Whether all files that were written and read back are the same; None where there is none."""


class Lesson(Frozen):
    """An optimizer step on validation tokens of which some were scored after it."""

    at: At | None
    """The line that made it."""
    first: int
    last: int
    """Its first and its last token."""
    tokens: int
    late: int
    """Tokens among them whose scores, as they enter the result, were taken after it."""
    position: int
    """The first of these."""


class Lessons(Frozen):
    """The optimizer steps of a run on validation tokens, and whether the scores of their tokens came before them."""

    steps: int = 0
    tokens: int = 0
    """Different tokens that were learned from."""
    late: int = 0
    """Steps on tokens of which some were scored after them."""
    first: Lesson | None = None
    """The first of these."""


class Apart(Frozen):
    """A run with other tokens inside one early document, and what became of the scores of later documents."""

    first: int
    last: int
    """The first and the last token that were changed: all but the first token of the document."""
    failure: str | None = None
    """Why the run came to no score."""
    rows: int = 0
    """Scores of later documents that were compared."""
    moved: int = 0
    spans: tuple[tuple[int, int], ...] = ()
    largest: Moved | None = None


class Later(Frozen):
    """A run with other tokens wherever a score was taken after a moment, and what became of the scores up to it."""

    changed: int
    """Tokens that were replaced."""
    failure: str | None = None
    """Why the run came to no score."""
    rows: int = 0
    """Scores up to the moment that were compared."""
    moved: int = 0
    row_kept: bool | None = None
    """Whether the tokens that were scored next were scored from the same rows, although they are others; None where no
    row is known."""


class ProofFacts(Frozen):
    """All experiments on one run."""

    reason: str | None = None
    """Why there was none."""
    label: str | None = None
    """Of the score whose sum was compared."""
    val_bpb: float | None = None
    stream: int = 0
    """Validation tokens."""
    rows: int = 0
    """Scores that entered the sum, each with the token that it is of."""
    unplaced: int = 0
    """Scores beside these of which it is not known which token they are of: of them nothing is said."""
    positions: int = 0
    """Different tokens among them."""
    normalised: int = 0
    """Scores that were taken out of one row over the vocabulary that is a distribution, by construction or because that
    was computed and tried."""
    mixed: int = 0
    """Scores that the program computed for their own token alone, and whose row was computed beside it."""
    repeatable: bool | None = None
    """Whether the run gave the same scores again on the same stream; asked only where some moved."""
    divergences: tuple[Divergence, ...] = ()
    aligned: bool = False
    """Whether the tokens of scores were told by where the two runs part, not by following them."""
    swaps: tuple[Swap, ...] = ()
    """Tried where scores were not taken out of one row over the vocabulary."""
    sharper: tuple[Swap, ...] = ()
    """Tried again where weights that are `sharpness` times as large when they are read back make a row of mixed scores
    that sums to clearly more than 1: a model that has learned for a few steps gives every token nearly the same, so
    that what is wrong by its confidence is hardly wrong yet."""
    sharpness: float = 1.0
    tables: tuple[Directive, ...] = ()
    """Sizes of tables, written out in the text, that were brought to the load of the real validation set for these."""
    above: RowTotal | None = None
    """Where probabilities that were taken out of a row sum to more than 1 in it."""
    lessons: Lessons = Lessons()
    """What the run learned from validation tokens by optimizer steps, and when."""
    later: tuple[Later, ...] = ()
    """Tried where most tokens were scored after later ones."""
    apart: Apart | None = None
    """Tried where the program or its README takes documents for independent."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of the further runs."""

    @property
    def rows_kept(self) -> tuple[bool | None, ...]:
        """What each experiment says of the rows from which tokens were scored that are others in it."""
        return (*(one.row_kept for one in self.divergences), *(one.row_kept for one in self.later))
