"""The vocabulary of judgement: outcome, severity, strength, and a finding with its evidence."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from harness.model.base import Frozen, Scalar


class Outcome(StrEnum):
    """What a rule says of a submission."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not_applicable"
    SKIPPED = "skipped"
    ERROR = "error"
    """The rule itself failed: the harness's fault, never the submission's."""


class Severity(StrEnum):
    """What a failure would mean."""

    VIOLATION = "violation"
    """Breaks a ruled rule of the competition."""
    DEFECT = "defect"
    """The author can mend it: a missing file, a claim that no log shows."""
    DECISION = "decision"
    """Contested and never ruled: people must decide."""
    ADVICE = "advice"


class Strength(StrEnum):
    """How much a finding can carry. Only the first two can accuse."""

    PROVEN = "proven"
    """A counter-example that can be replayed."""
    DERIVED = "derived"
    """Arithmetic on bytes, logs or code."""
    SUSPECTED = "suspected"
    """A pattern that reading met."""


class Evidence(Frozen):
    """What a finding rests on: a place, the text seen there, and the numbers taken from it."""

    path: str
    line: int | None = None
    end_line: int | None = None
    snippet: str | None = None
    sha256: str | None = None
    measured: dict[str, Scalar] = Field(default_factory=dict)


class Shows(StrEnum):
    """What a counter-example consists of."""

    MOVED = "moved"
    """Scores that are others when tokens that they must not know are."""
    REMADE = "remade"
    """The numbers that a token was scored from are others when the token itself is."""
    SUM = "sum"
    """Tokens put in one place in turn are given more than 1 together."""
    ROW = "row"
    """The row that a token was scored from sums to more than 1."""
    CHOSEN = "chosen"
    """Two tokens at one place are scored from two distributions."""


class Proof(Frozen):
    """A counter-example: the position, the tokens put there, the values that moved, and how to see it again."""

    shows: Shows = Shows.MOVED
    position: int
    tokens: tuple[int, ...] = ()
    """`sum`: those put there in turn, the stream's own first; `chosen`: its own and the other; else those around it."""
    values: tuple[float, ...] = ()
    """In nats. `sum` and `row`: what each token was given; else what the position's own token was given as it is and
    with the tokens changed.
    """
    total: float | None = None
    """What the row sums to, of `row`."""
    rows_compared: int
    replay: str
    parted: int | None = None
    """The last token that both streams share; `position` is the score that moved most."""
    changed: tuple[int, int] | None = None
    """The first and last token that were changed, where those after them were not."""
    stream: int = 0
    """Tokens of the stream."""
    moved: int = 0
    """Scores that moved."""
    spans: tuple[tuple[int, int], ...] = ()
    """Where they lie, first and last of each stretch; the first stretches where they are many."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Raises ValueError where what a counter-example of its kind consists of is missing."""
        least = {Shows.SUM: 1, Shows.ROW: 1, Shows.CHOSEN: 2}.get(self.shows, 0)
        if min(len(self.tokens), len(self.values)) < least or (self.shows is Shows.ROW and self.total is None):
            raise ValueError(f"a proof that shows a {self.shows.value} lacks its tokens or values")
        return self


class Basis(Frozen):
    """The rule text or ruling that a rule stands on."""

    title: str
    url: str
    date: str


class Finding(Frozen):
    """One rule's word on one submission (or on the diff as a whole)."""

    rule: str
    title: str
    outcome: Outcome
    severity: Severity
    strength: Strength
    violation_class: str | None = None
    message: str
    remedy: str | None = None
    evidence: tuple[Evidence, ...] = ()
    proof: Proof | None = None
    basis: tuple[Basis, ...] = ()
    tolerated: str | None = None
    """Id of the dated tolerance that keeps this finding from counting against the submission; it stays listed."""
