"""Cells that are undone and joined."""

from __future__ import annotations

from harness.observe.reading.flow.journal import Cell, Journal, Value, flat, merged
from harness.observe.reading.flow.labels import Labels

A: Labels = frozenset({("a",)})
B: Labels = frozenset({("b",)})


def cells(journal: Journal) -> tuple[Cell, Cell]:
    """Two variables, the first of which holds A."""
    x, y = Cell("variable"), Cell("variable")
    journal.set(x, A)
    return x, y


def test_changes_and_rollback() -> None:
    """Changes say what differs from the mark, however often it changed since; a rollback leaves nothing of it."""
    journal = Journal()
    x, y = cells(journal)
    mark = journal.mark()
    journal.set(x, B)
    journal.set(y, A)
    journal.set(y, None)
    assert journal.before(mark) == {x: A, y: None}
    assert journal.changes(mark) == {x: B}
    journal.set(x, None)
    assert journal.changes(mark) == {x: None}
    journal.rollback(mark)
    assert (x.value, y.value) == (A, None)
    assert journal.changes(mark) == {}


def test_condense() -> None:
    """What happened between is forgotten, not how it began."""
    journal = Journal()
    x, y = cells(journal)
    mark = journal.mark()
    journal.set(x, B)
    journal.set(x, A | B)
    journal.set(y, A)
    journal.set(y, None)
    journal.condense(mark)
    assert journal.mark() == mark + 1
    assert journal.changes(mark) == {x: A | B}
    journal.rollback(mark)
    assert x.value == A


def test_meet() -> None:
    """An end that says nothing of a cell leaves it as it was; only what the join brings is changed."""
    journal = Journal()
    x, y = cells(journal)
    journal.set(y, A)
    journal.meet([{x: B}, {}, {y: A}])
    assert (x.value, y.value) == (A | B, A)

    def emptied(_: Value) -> Value:
        return frozenset()

    journal.meet([{x: None, y: A}], emptied)
    assert (x.value, y.value) == (None, A)
    journal.meet([{x: A, y: A}], emptied)
    assert (x.value, y.value) == (frozenset(), A)


def test_merged() -> None:
    """Tuples of one length are joined item by item, all else by its atoms; what holds the other already stays."""
    both = A | B
    assert merged(both, A) is both
    assert merged((A, B), (B, B)) == (both, B)
    assert merged((A, B), A) == both
    assert flat((A, (B,))) == both
