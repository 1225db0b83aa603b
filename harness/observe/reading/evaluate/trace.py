"""What an evaluation saw: which way tests went, which functions were entered, which settings were read."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from harness.observe.reading.evaluate.values import NO_DEPS, Deps, Scope, Source, Value, union

MAX_CALLEES = 6
"""Most different values that are kept for one call expression."""


@dataclass(eq=False)
class TestTrace:
    """One condition and the truth values that it took."""

    __test__ = False

    node: ast.expr
    owner: ast.AST
    """The statement or expression that branches on it."""
    source: Source
    true: bool = False
    false: bool = False
    deps: Deps = NO_DEPS

    @property
    def decided(self) -> bool | None:
        """The one truth value that the condition always had, or None."""
        return self.true if self.true != self.false else None


@dataclass(eq=False)
class EnvTrace:
    """One environment variable read, where, and what the value was bound to."""

    name: str
    default: Value
    has_default: bool
    line: int
    source: Source
    target: str | None = None
    """The variable or attribute that takes the value, when one assignment holds the read."""
    expression: ast.expr | None = None
    scope: Scope | None = None
    folded: Value = None


@dataclass(eq=False)
class ModelTrace:
    """A torch module of the submission, as it stood when its constructor ended or its parameters were first listed."""

    identity: int
    class_name: str
    source: Source
    line: int
    tensors: list[tuple[str, tuple[int | None, ...] | None, int]]
    """Name, shape and number of further names."""
    children: frozenset[int]
    reason: str | None = None
    listed: bool = False
    saved: bool = False
    """Its `state_dict` was asked for: what is written into the artifact."""


@dataclass
class Trace:
    """The record of one evaluation."""

    tests: dict[int, TestTrace] = field(default_factory=dict)
    entered: set[int] = field(default_factory=set)
    """Identities of function nodes whose body was evaluated."""
    executed: set[int] = field(default_factory=set)
    """Identities of statements that were evaluated."""
    callees: dict[int, list[Value]] = field(default_factory=dict)
    """What each call expression called, by the identity of its node: the first few different values."""
    lengths: dict[int, int | None] = field(default_factory=dict)
    """Most items that each `for` went over, by the identity of its node; None where that is not known."""
    reads: dict[tuple[str, int, int], EnvTrace] = field(default_factory=dict)
    models: list[ModelTrace] = field(default_factory=list)
    complete: bool = True
    ended: str | None = None
    """The exception that the launch would certainly end in."""
    notes: list[str] = field(default_factory=list)

    def test(self, node: ast.expr, owner: ast.AST, source: Source, outcome: tuple[bool | None, Deps]) -> None:
        """Note one outcome of a condition: its truth (None counts as both) and what it depended on."""
        value, deps = outcome
        trace = self.tests.get(id(node))
        if trace is None:
            trace = self.tests[id(node)] = TestTrace(node, owner, source)
        if value is not False:
            trace.true = True
        if value is not True:
            trace.false = True
        if deps and trace.deps is not deps:
            trace.deps = union(trace.deps, deps)

    def called(self, node: ast.Call, function: Value) -> None:
        """Note what a call expression called."""
        known = self.callees.get(id(node))
        if known is None:
            self.callees[id(node)] = [function]
        elif function is not known[-1] and len(known) < MAX_CALLEES:
            known.append(function)

    def iterated(self, node: ast.AST, items: int | None) -> None:
        """Note over how many items a loop goes."""
        known = self.lengths.get(id(node), 0)
        self.lengths[id(node)] = None if items is None or known is None else max(known, items)

    def incomplete(self, note: str) -> None:
        """Note that the evaluation could not follow everything."""
        self.complete = False
        self.note(note)

    def note(self, note: str) -> None:
        """Note something worth telling, once, at most twenty."""
        if note not in self.notes and len(self.notes) < 20:
            self.notes.append(note)
