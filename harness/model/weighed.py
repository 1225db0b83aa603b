"""Facts of weight: what a run printed of sizes, beside the files that it ran, wrote and read. Sizes in bytes."""

from __future__ import annotations

from harness.model.base import Fact, Frozen


class CodeFile(Frozen):
    """A file of the submission that the run executed."""

    path: str
    size: int
    """As submitted."""
    read_as: int
    """Read as text, where line ends of two bytes become one."""


class ShippedFile(Frozen):
    """A file of the submission that the run opened, and that is no Python source."""

    path: str
    size: int
    read: int
    """When it was last opened, in the order of all openings."""


class Weighed(Frozen):
    """The sizes that a run printed last, and the files of the submission that it used."""

    total: Fact[int] | None = None
    """Of code and packed model together."""
    code: Fact[int] | None = None
    """Of the code as it is billed: packed, where the run prints both."""
    model: Fact[int] | None = None
    """Of the packed model."""
    program: tuple[CodeFile, ...] = ()
    shipped: tuple[ShippedFile, ...] = ()
    artifact: str | None = None
    """The shipped artifact that the launch evaluates instead of training one."""
