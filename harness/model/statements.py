"""Facts of statements: what the description, the run scripts and the preparation scripts say of data."""

from __future__ import annotations

from enum import StrEnum

from harness.model.base import At, Frozen


class StatementKind(StrEnum):
    """What a statement is about."""

    LINKS_VALIDATION = "links_validation"
    """A command links or copies a validation shard to the name of a training shard."""
    TRAINS_ON_VALIDATION = "trains_on_validation"
    """Says that the model is trained on the validation set."""
    PAID_PREFIX = "paid_prefix"
    """Says that validation tokens are stored in the artifact."""
    SPLIT_DEFAULT = "split_default"
    """A preparation script's default for the number of validation documents; `value` is the number."""
    SPLIT_STATED = "split_stated"
    """A command or sentence that sets the number of validation documents; `value` is the number."""
    DATA_REPOSITORY = "data_repository"
    """Names a repository of prepared shards."""
    NAMES_AVERAGE = "names_average"
    """A heading of the README names an average of weights (EMA, SWA)."""
    NAMES_QUANTISED_TRAINING = "names_quantised_training"
    """A heading of the README names training under quantisation (QAT)."""
    SEEDS = "seeds"
    """Says that a score is over several seeds; `value` is their number."""


class Statement(Frozen):
    """One statement, at its line; `text` is that line."""

    kind: StatementKind
    value: float | None = None
    at: At
    text: str
