"""The cells of an analysis with a journal: paths are undone, and joined at the price of what they changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from harness.observe.reading.flow.labels import Labels, join

Value = Labels | tuple[Any, ...]
"""Atoms, or a tuple of values: what a function returns together stays apart."""


class Cell:
    """What can change: a variable, an attribute of an object, or the content of one. None where nothing is stored."""

    __slots__ = ("kind", "value")

    def __init__(self, kind: Literal["variable", "attribute", "content"]) -> None:
        self.kind = kind
        self.value: Value | None = None


Changes = dict[Cell, Value | None]
"""Cells and the values they end with."""


class Journal:
    """Changes of cells that can be taken back to an earlier mark."""

    def __init__(self) -> None:
        self._log: list[tuple[Cell, Value | None]] = []
        """Each change with the value before it."""

    def set(self, cell: Cell, value: Value | None) -> None:
        """Replace what a cell holds."""
        old = cell.value
        if old is not value:
            self._log.append((cell, old))
            cell.value = value

    def mark(self) -> int:
        """The present point, to come back to."""
        return len(self._log)

    def before(self, mark: int) -> Changes:
        """What has changed since a mark, as it then stood."""
        return dict(reversed(self._log[mark:]))  # of several changes of a cell the first one is the last to be kept

    def changes(self, mark: int) -> Changes:
        """What has changed since a mark, as it now stands."""
        if len(self._log) == mark:
            return {}
        return {cell: cell.value for cell, old in self.before(mark).items() if cell.value is not old}

    def rollback(self, mark: int) -> None:
        """Undo everything since a mark."""
        for cell, old in reversed(self._log[mark:]):
            cell.value = old
        del self._log[mark:]

    def condense(self, mark: int) -> None:
        """Forget the values that cells had between a mark and now: nobody comes back to them."""
        self._log[mark:] = [(cell, old) for cell, old in self.before(mark).items() if cell.value is not old]

    def meet(self, ends: list[Changes], change: Callable[[Value], Value] | None = None) -> None:
        """Make the present state the join of several ends, each given as changes to it.

        `change` is applied to the values that the join brings.
        """
        for cell in ends[0] if len(ends) == 1 else dict.fromkeys([cell for end in ends for cell in end]):
            present = cell.value
            joined: Value | None = None
            for end in ends:
                value = end.get(cell, present)
                if value is not None:
                    joined = value if joined is None else merged(joined, value)
            if joined is not present:
                self.set(cell, joined if change is None or joined is None else change(joined))


def flat(value: Value) -> Labels:
    """The atoms of a value, those of a tuple's items together."""
    return join([flat(item) for item in value]) if isinstance(value, tuple) else value


def merged(left: Value, right: Value) -> Value:
    """A value that may be either."""
    if left is right:
        return left
    if isinstance(left, tuple) and isinstance(right, tuple) and len(left) == len(right):
        return tuple(merged(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return left if right <= left else left | right
    return flat(left) | flat(right)
