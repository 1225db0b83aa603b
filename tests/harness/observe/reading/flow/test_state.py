"""Variables and objects of one analysis."""

from __future__ import annotations

import ast

from harness.observe.reading.flow.labels import Labels, known, thing, tokens, varies
from harness.observe.reading.flow.state import Frame, Memory, Scope

X: Labels = frozenset({tokens("val")})


def test_variables() -> None:
    """A name is the variable of the nearest scope that binds it; what nothing binds is the same everywhere."""
    module = Scope(None, frozenset({"a"}))
    inner = Scope(Scope(module, frozenset({"b"})), frozenset())
    other = Scope(module, frozenset({"a"}))
    assert inner.variable("a") is module.variable("a")
    assert inner.variable("b") is not other.variable("b")
    assert other.variable("a") is not module.variable("a")
    assert inner.variable("print") is other.variable("print")
    assert other.own == {other.variable("a")}


def test_held() -> None:
    """A value holds the contents of its objects, and of theirs; the same labels are given back when that adds none."""
    memory = Memory()
    outer, inner = memory.make("outer", "object"), memory.make("inner", "object")
    memory.put(memory.content(outer), frozenset({thing(inner)}))
    memory.put(memory.content(inner), X | {thing(outer)})
    labels: Labels = frozenset({thing(outer)})
    held = memory.held(labels)
    assert held == X | {thing(outer), thing(inner)}
    assert memory.held(held) is held
    assert memory.held(X) is X
    assert memory.frozen(labels) == X


def test_attributes() -> None:
    """An attribute without atoms is one nevertheless; a variable without atoms is none."""
    memory = Memory()
    scope = Scope(None, frozenset({"x"}))
    site = memory.make("site", "object")
    assert memory.looked_up(site, "x") is None
    memory.put(memory.attribute(site, "x"), frozenset())
    memory.put(scope.variable("x"), frozenset())
    assert memory.looked_up(site, "x") == frozenset()
    assert scope.variable("x").value is None


def test_turns_of_a_loop() -> None:
    """A piece that was learnt is an earlier piece in the next iteration, and every piece once the loop has ended."""
    memory = Memory()
    cell, counter = memory.content(memory.make("model", "module")), memory.attribute(memory.make("c", "object"), "n")
    mark = memory.mark()
    memory.learnt = True
    memory.put(cell, frozenset({known(0, frozenset({7}))}))
    memory.put(counter, X)
    memory.stepped.append(counter)
    assert not memory.settled(mark)
    memory.turn(7, 0, mark)
    assert cell.value == {known(0, frozenset(), frozenset({7}))}
    assert counter.value == X | {varies(7)}
    memory.finish(7, mark, [memory.changes(mark), {}])
    assert cell.value == {known(0)}
    assert counter.value == X


def test_calls_end() -> None:
    """What a call changed outside stays, of all its ends together; its own variables leave no trace."""
    memory = Memory()
    module = Scope(None, frozenset({"x"}))
    outer = module.variable("x")
    frame = Frame(Scope(module, frozenset({"n"})), ast.Pass(), memory.mark(), len(memory.stepped))
    own = frame.scope.variable("n")
    memory.put(own, X)
    memory.stepped += [own, outer]
    memory.put(outer, X)
    frame.exits.append(memory.changes(frame.mark))
    memory.put(outer, frozenset({varies(7)}))
    memory.close(frame, falls=True)
    assert memory.changes(frame.mark) == {outer: X | {varies(7)}}
    assert own.value is None
    assert memory.stepped == [outer]


def test_calls_that_define_functions() -> None:
    """Variables of a call in which functions were defined outlive it; without a `return` the state stays as it is."""
    memory = Memory()
    kept, lost = (Scope(None, frozenset({"n"}), closed_over=closed) for closed in (True, False))
    for scope in (kept, lost):
        frame = Frame(scope, ast.Pass(), memory.mark(), len(memory.stepped))
        memory.put(scope.variable("n"), X)
        memory.close(frame, falls=True)
    assert kept.variable("n").value == X
    assert lost.variable("n").value is None
    assert memory.mark() == 1
