"""Cells that are undone and joined."""

from __future__ import annotations

from harness.observe.reading.flow.journal import Cell, Journal, Value, flat, merged
from harness.observe.reading.flow.labels import Labels

A: Labels = frozenset({("a",)})
B: Labels = frozenset({("b",)})
X: Cell = ("var", 1, "x")
Y: Cell = ("var", 1, "y")


def test_changes_and_rollback() -> None:
    """Changes say what differs from the mark, however often it changed since; a rollback leaves nothing of it."""
    journal = Journal()
    journal.set(X, A)
    mark = journal.mark()
    journal.set(X, B)
    journal.set(Y, A)
    journal.set(Y, None)
    assert journal.before(mark) == {X: A, Y: None}
    assert journal.changes(mark) == {X: B}
    journal.set(X, None)
    assert journal.changes(mark) == {X: None}
    journal.rollback(mark)
    assert journal.cells == {X: A}
    assert journal.changes(mark) == {}


def test_condense() -> None:
    """What happened between is forgotten, not how it began."""
    journal = Journal()
    journal.set(X, A)
    mark = journal.mark()
    journal.set(X, B)
    journal.set(X, A | B)
    journal.set(Y, A)
    journal.set(Y, None)
    journal.condense(mark)
    assert journal.mark() == mark + 1
    assert journal.changes(mark) == {X: A | B}
    journal.rollback(mark)
    assert journal.cells == {X: A}


def test_meet() -> None:
    """An end that says nothing of a cell leaves it as it was; only what the join brings is changed."""
    journal = Journal()
    journal.set(X, A)
    journal.set(Y, A)
    journal.meet([{X: B}, {}, {Y: A}])
    assert journal.cells == {X: A | B, Y: A}

    def emptied(_: Value) -> Value:
        return frozenset()

    journal.meet([{X: None, Y: A}], emptied)
    assert journal.cells == {Y: A}
    journal.meet([{X: A, Y: A}], emptied)
    assert journal.cells == {X: frozenset(), Y: A}


def test_merged() -> None:
    """Tuples of one length are joined item by item, all else by its atoms; what holds the other already stays."""
    both = A | B
    assert merged(both, A) is both
    assert merged((A, B), (B, B)) == (both, B)
    assert merged((A, B), A) == both
    assert flat((A, (B,))) == both
