"""What every model shares: immutability, strict fields, and a position for every fact."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")

Scalar = bool | int | float | str | None
"""A value that a setting can have once it is folded to a constant."""


class Frozen(BaseModel):
    """Base of all data that leaves a process: immutable, no unknown fields, finite numbers only."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        serialize_by_alias=True,
        validate_by_name=True,
        validate_by_alias=True,
    )


class At(Frozen):
    """Where a fact was read.

    `path` is relative to the submission folder (or to the repository for facts about the diff); lines count from 1.
    `layer` is 0 for the file itself and n for the text that came out of its n-th unpacked wrapper.
    """

    path: str
    line: int | None = None
    end_line: int | None = None
    layer: int = 0


class Fact(Frozen, Generic[T]):
    """A value, the place that shows it, and the text seen there (at most `SNIPPET` characters)."""

    value: T
    at: At
    text: str | None = None


SNIPPET = 240
"""Longest piece of a submission's own text that a fact or finding carries."""


def snippet(text: str, limit: int = SNIPPET) -> str:
    """`text` on one line, without control characters, cut to `limit` characters."""
    seen = text[: 4 * limit]
    plain = seen if seen.isprintable() else "".join(c if c.isprintable() else " " for c in seen)
    flat = " ".join(plain.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
