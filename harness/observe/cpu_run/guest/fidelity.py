"""What stands in for the real thing, and which of it a run really used.

A stand-in is registered when it is installed, once, before any fork; a run that uses one says so by its name. What
cannot be provided faithfully raises `NotSupported` at the moment it is used.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


class NotSupported(RuntimeError):  # noqa: N818  reads as a statement where it is raised
    """Something that the CPU run cannot provide faithfully: `what` was asked for, and `why` it is refused."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")
        self.what = what
        self.why = why


@dataclass(frozen=True)
class StandIn:
    """Something provided in place of the real thing.

    `exact` means that a test shows it equal to a reference; otherwise what it computes counts as not examined.
    """

    name: str
    exact: bool
    reason: str


_registered: dict[str, StandIn] = {}
_used: set[str] = set()


def stand_in(what: StandIn) -> StandIn:
    """Register a stand-in under its name; the same one may be registered again. ValueError when a name means two."""
    if _registered.setdefault(what.name, what) != what:
        raise ValueError(f"two stand-ins are called {what.name!r}")
    return what


def used(name: str) -> None:
    """Note that this run used the stand-in of that name."""
    _used.add(name)


def taken() -> frozenset[str]:
    """The names of all stand-ins used since the fork."""
    return frozenset(_used)


def known(name: str) -> StandIn:
    """The registered stand-in of that name. KeyError when there is none."""
    return _registered[name]


def all_known() -> tuple[StandIn, ...]:
    """Every registered stand-in, by name."""
    return tuple(_registered[name] for name in sorted(_registered))


os.register_at_fork(after_in_child=_used.clear)
