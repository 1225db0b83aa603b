"""Facts of the launched source that decide what a score divides by, and what calibrates the artifact."""

from __future__ import annotations

from harness.model.base import At, Fact, Frozen


class ByteTable(Frozen):
    """A function that builds the table of bytes per piece of a SentencePiece vocabulary (U+2581 marks a space)."""

    at: At
    text: str
    mark_kept: bool
    """The mark stays in the text whose bytes are counted: three bytes for one."""
    space_in_table: At | None = None
    """Where the length of the unmarked text plus one is stored."""
    space_at_evaluation: At | None = None
    """Where evaluation adds one byte by a mask of two look-ups: leading space, and no boundary before it."""


class Calibration(Frozen):
    """A call of a function that collects statistics of activations (forward hooks that sum x^T x).

    `data` says what its batches are made of, as far as the arguments tell: `train`, `validation`, `generated` (drawn
    from the model or at random); empty where nothing tells.
    """

    at: At
    collector: At
    data: tuple[str, ...] = ()


class AccountingFacts(Frozen):
    """What was read from the launched script."""

    constants: tuple[Fact[float], ...] = ()
    """Constants by which a loss in nats is divided, beside ln 2 and nothing else: a fixed number of bytes per token."""
    tables: tuple[ByteTable, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    raw_shards: tuple[Fact[str], ...] = ()
    """Reads of whole files of 16-bit numbers, where nothing in the program skips a shard's header of 256 integers."""
    random_batches: tuple[Fact[str], ...] = ()
    """Loops without gradients that draw their batches at random and sum losses."""
    overlaps: tuple[Fact[str], ...] = ()
    """Loops that cut overlapping pieces, in functions that count every piece by its whole length; the step as value."""
