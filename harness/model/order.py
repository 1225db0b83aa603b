"""Facts of order: what learnt from validation tokens, what was scored, and what the score knew. By reading alone."""

from __future__ import annotations

from enum import StrEnum

from harness.model.base import At, Frozen


class UpdateKind(StrEnum):
    """How something came to know validation tokens."""

    STEP = "step"
    """An optimizer step, or a change in place, after a loss on them was differentiated."""
    TABLE = "table"
    """A store under a key made of them: a count, a cache, an n-gram."""
    CHOICE = "choice"
    """A value picked by what it scored on them."""


class Update(Frozen):
    """One place where something learns from validation tokens."""

    kind: UpdateKind
    at: At
    learnt_at: At | None = None
    """The backward pass or the loss that it learns through."""
    model: bool = False
    """Whether a module learns; otherwise loose tensors, a table or a setting."""
    passes: int | None = None
    """How often it learns from the same tokens: the iterations of the loops around it that do not choose them.

    None where one of them is not counted, or where it does not learn through a backward pass.
    """


class Exposure(Frozen):
    """A score whose predictor had learnt from the tokens scored."""

    update: int
    """Index in `OrderFacts.updates`."""
    same_piece: bool
    """Whether it had learnt from the very piece being scored, within one iteration; else from the whole stretch."""


class Score(Frozen):
    """One place where losses of validation tokens are added to a reported sum."""

    at: At
    exposures: tuple[Exposure, ...] = ()


class Mixture(Frozen):
    """One place where the model's probability of the realised token alone is mixed with something from a table."""

    at: At


class ArtifactFact(Frozen):
    """One place where something that knows validation tokens is written to a file."""

    at: At
    updates: tuple[int, ...] = ()
    tokens: bool = False
    """Whether values computed from validation tokens without learning, or the tokens themselves, are written."""


class OrderFacts(Frozen):
    """What reading tells of the order of scoring and learning under the launch."""

    script: str
    complete: bool = True
    """False when reading could not follow everything; then what is missing here proves nothing."""
    notes: tuple[str, ...] = ()
    validation_at: At | None = None
    """Where validation tokens are first read."""
    updates: tuple[Update, ...] = ()
    scores: tuple[Score, ...] = ()
    mixtures: tuple[Mixture, ...] = ()
    artifacts: tuple[ArtifactFact, ...] = ()
