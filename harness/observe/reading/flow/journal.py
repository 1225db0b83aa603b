"""The cells of an analysis with a journal: paths are undone, and joined at the price of what they changed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

from harness.observe.reading.flow.labels import Labels, join

Value = Labels | tuple[Any, ...]
"""Atoms, or a tuple of values: what a function returns together stays apart."""
Cell = tuple[Any, ...]
"""`("var", scope, name)`, or `("of", site, attribute)`; the attribute None is the content of an object."""
Changes = dict[Cell, Value | None]
"""Cells and the values they end with; None for a cell that is gone."""


class Journal:
    """Cells that can be taken back to an earlier mark."""

    def __init__(self) -> None:
        self.cells: dict[Cell, Value] = {}
        self._log: list[tuple[Cell, Value | None]] = []
        """Each change with the value before it."""

    def set(self, cell: Cell, value: Value | None) -> None:
        """Replace a cell; None removes it."""
        old = self.cells.get(cell)
        if old is value:
            return
        self._log.append((cell, old))
        self._restore(cell, value)

    def _restore(self, cell: Cell, value: Value | None) -> None:
        if value is None:
            self.cells.pop(cell, None)
        else:
            self.cells[cell] = value

    def mark(self) -> int:
        """The present point, to come back to."""
        return len(self._log)

    def changes(self, mark: int) -> Changes:
        """What has changed since a mark, as it now stands."""
        return {cell: self.cells.get(cell) for cell, _ in self._log[mark:]}

    def before(self, mark: int) -> Changes:
        """What has changed since a mark, as it then stood."""
        old: Changes = {}
        for cell, value in self._log[mark:]:
            old.setdefault(cell, value)
        return old

    def rollback(self, mark: int) -> None:
        """Undo everything since a mark."""
        for cell, old in reversed(self._log[mark:]):
            self._restore(cell, old)
        del self._log[mark:]

    def meet(self, ends: Iterable[Changes]) -> None:
        """Make the present state the join of several ends, each given as changes to it."""
        ends = list(ends)
        for cell in dict.fromkeys(cell for end in ends for cell in end):
            present = self.cells.get(cell)
            values = [value for end in ends if (value := end.get(cell, present)) is not None]
            self.set(cell, reduce(merged, values) if values else None)


def flat(value: Value) -> Labels:
    """The atoms of a value, those of a tuple's items together."""
    return join(flat(item) for item in value) if isinstance(value, tuple) else value


def merged(left: Value, right: Value) -> Value:
    """A value that may be either."""
    if left is right:
        return left
    if isinstance(left, tuple) and isinstance(right, tuple) and len(left) == len(right):
        return tuple(merged(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return left | right if right else left
    return flat(left) | flat(right)
