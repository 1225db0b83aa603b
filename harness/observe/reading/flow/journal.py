"""The cells of an analysis with a journal: paths are undone, and joined at the price of what they changed."""

from __future__ import annotations

from collections.abc import Callable
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
        if value is None:
            del self.cells[cell]
        else:
            self.cells[cell] = value

    def mark(self) -> int:
        """The present point, to come back to."""
        return len(self._log)

    def changes(self, mark: int) -> Changes:
        """What has changed since a mark, as it now stands."""
        if len(self._log) == mark:
            return {}
        now = self.cells.get
        return {cell: value for cell, old in self.before(mark).items() if (value := now(cell)) is not old}

    def before(self, mark: int) -> Changes:
        """What has changed since a mark, as it then stood."""
        return dict(reversed(self._log[mark:]))  # of several changes of a cell the first one is the last to be kept

    def rollback(self, mark: int) -> None:
        """Undo everything since a mark."""
        if len(self._log) == mark:
            return
        cells = self.cells
        for cell, old in self.before(mark).items():
            if old is not None:
                cells[cell] = old
            else:
                cells.pop(cell, None)
        del self._log[mark:]

    def condense(self, mark: int) -> None:
        """Forget the values that cells had between a mark and now: nobody comes back to them."""
        now = self.cells.get
        self._log[mark:] = [(cell, old) for cell, old in self.before(mark).items() if now(cell) is not old]

    def meet(self, ends: list[Changes], change: Callable[[Value], Value] | None = None) -> None:
        """Make the present state the join of several ends, each given as changes to it.

        `change` is applied to the values that the join brings.
        """
        for cell in ends[0] if len(ends) == 1 else dict.fromkeys([cell for end in ends for cell in end]):
            present = self.cells.get(cell)
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
