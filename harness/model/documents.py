"""Facts of document boundaries inside the model: where attention ends with a document, and what still looks over it."""

from __future__ import annotations

from harness.model.base import At, Frozen


class Shift(Frozen):
    """One place of a module where a position takes in the one before it."""

    at: At
    masked: bool = False
    """Whether a comparison or a mask goes into it, such as `input_ids != BOS`."""
    live: bool = True


class DocumentFacts(Frozen):
    """What the launched script says of packed documents."""

    apart: At
    """Where attention is told the bounds of the documents, so that none looks into another."""
    shifts: tuple[Shift, ...] = ()
