"""The core that all parts of the evaluator share: fuel, frames, forks and loops whose course is not known."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.observe.reading.evaluate.environment import VARYING
from harness.observe.reading.evaluate.heap import CONTENT, START, Cell, Changes, Heap, Mark, same
from harness.observe.reading.evaluate.trace import Trace
from harness.observe.reading.evaluate.values import (
    NO_DEPS,
    UNKNOWN,
    ClassValue,
    Container,
    Deps,
    Function,
    ModuleValue,
    Scope,
    Source,
    Unknown,
    Value,
    hidden,
    truth,
)

FUEL = 400_000
"""Steps (nodes of the tree, items of native loops) that one evaluation may take: about a second."""
MAX_DEPTH = 40
"""Deepest chain of calls between functions of the submission."""
PATIENCE = 4
"""Passes over a loop body before what it still changes is given up as unknown."""
MAX_PASSES = 16
"""Passes over a loop body before the evaluation is called incomplete."""


class Exhausted(Exception):  # noqa: N818  a limit, not an error of the evaluated program
    """The evaluation ran out of fuel."""


class Raised(Exception):  # noqa: N818  an exception of the evaluated program, certain to be raised
    """The evaluated program raises here."""

    def __init__(self, name: str, node: ast.AST | None) -> None:
        super().__init__(name)
        self.name = name
        self.line = getattr(node, "lineno", None)


@dataclass(eq=False)
class Loop:
    """A loop in progress. Paths that leave its body early are kept as changes since its marks."""

    base: int
    """`Frame.forks` inside the loop when no fork is in progress there."""
    mark: Mark
    iteration: Mark
    """Mark of the iteration in progress."""
    broke: bool = False
    """The body certainly broke out, with the present state."""
    breaks: list[Changes] = field(default_factory=list)
    continues: list[Changes] = field(default_factory=list)


@dataclass(eq=False)
class Frame:
    """A function, module or class body in progress."""

    scope: Scope
    source: Source
    function: Function | None = None
    receiver: Value = None
    mark: Mark = START
    forks: int = 0
    """Constructs in progress from which another path may go on; a `return` is final only at 0."""
    done: bool = False
    """The body certainly returned `returned`, with the present state."""
    returned: Value = None
    exits: list[tuple[Value, Changes]] = field(default_factory=list)
    """Values returned on some path, with the changes made there."""
    yields: list[Value] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    deps: Deps = NO_DEPS
    """Settings that decided which `return` is taken."""


class Machine(ABC):
    """State of one evaluation, and the operations that all parts use."""

    def __init__(self, sources: Mapping[str, Source], environment: Mapping[str, str], fuel: int = FUEL) -> None:
        """`sources` maps module names to files of the submission; `environment` holds the variables that are set."""
        self.sources = sources
        self.fuel = fuel
        self.heap = Heap()
        self.environment = self.heap.new_slots()
        for name, text in environment.items():
            self.environment[name] = Unknown(frozenset({"rank"})) if name in VARYING else text
        self.trace = Trace()
        self.modules: dict[str, ModuleValue] = {}
        self.control: Deps = NO_DEPS
        """Settings that decided that the present code runs."""
        self.risks = 0
        """Operations so far whose outcome is not known and that may therefore raise."""
        self.unknown_attrs: dict[str, None] = {}
        """Attributes that were set through an Unknown, in order: any object may have them, with any value."""
        self.depth = 0
        self.active: list[ast.AST] = []
        """Nodes of the functions in progress."""
        self.constructing = 0
        """Constructors of torch modules in progress."""
        self.leaked: dict[tuple[int, ...], Value] = {}
        """Callables that may be called at any time, by identity."""
        self.natives: dict[str, ClassValue] = {}
        self.properties: dict[str, list[Function]] = {}
        """Properties of the submission's classes by name."""
        self.classes: list[ClassValue] = []
        """Classes of the submission, in order of definition."""
        self.kept: list[Value] = []
        """Objects whose identity the trace names."""

    @abstractmethod
    def evaluate(self, node: ast.expr, frame: Frame) -> Value:
        """Value of an expression."""

    @abstractmethod
    def block(self, body: list[ast.stmt], frame: Frame) -> bool:
        """Execute statements; whether control reaches the end."""

    @abstractmethod
    def test(self, node: ast.expr, owner: ast.AST, frame: Frame) -> tuple[bool | None, Deps]:
        """Truth of a condition, noted in the trace."""

    @abstractmethod
    def assign(self, target: ast.expr, value: Value, frame: Frame) -> None:
        """Bind `value` to an assignment target."""

    @abstractmethod
    def call(self, function: Value, args: list[Value], kwargs: dict[str, Value], node: ast.AST, frame: Frame) -> Value:
        """Call anything. The key None in `kwargs` is not used; unknown star arguments are given as `**`."""

    @abstractmethod
    def call_function(self, function: Function, args: list[Value], kwargs: dict[str, Value], frame: Frame) -> Value:
        """Call a function of the submission."""

    @abstractmethod
    def attribute(self, value: Value, name: str, frame: Frame) -> Value:
        """Read an attribute."""

    @abstractmethod
    def set_attribute(self, value: Value, name: str, new: Value, frame: Frame) -> None:
        """Write an attribute."""

    @abstractmethod
    def iterate(self, value: Value, frame: Frame) -> list[Value] | None:
        """Items of an iterable, None when unknown or too many."""

    @abstractmethod
    def leak(self, value: Value, frame: Frame) -> None:
        """Let unknown code have `value`: what can be called is called once with unknown arguments."""

    @abstractmethod
    def load(self, name: str) -> ModuleValue | None:
        """The submission's own module of that name, evaluated once."""

    def spend(self, steps: int) -> None:
        """Use fuel for work outside the tree."""
        self.fuel -= steps
        if self.fuel < 0:
            raise Exhausted

    def truth(self, value: Value) -> tuple[bool | None, Deps]:
        """Truth of a value, None when unknown, and what it depends on."""
        if isinstance(value, Container):
            self.heap.content(value)  # so that a recorded call knows that it was looked at
        return truth(value)

    def risky(self, value: Value = UNKNOWN) -> Value:
        """Note that the operation that gave `value` may raise."""
        self.risks += 1
        return value

    def caught(self) -> None:
        """Note that a path ended in an exception while others go on."""
        self.risks += 1
        self.heap.escaped()

    def flush(self, frame: Frame) -> None:
        """Leak what joins have lost."""
        while self.heap.leaks:
            lost, self.heap.leaks = self.heap.leaks, []
            for value in lost:
                self.leak(value, frame)

    def fork(self, frame: Frame, *branches: Callable[[], bool]) -> bool:
        """Run alternatives from the same state and join where they end; whether any reaches its end."""
        heap = self.heap
        mark = heap.begin()
        frame.forks += 1
        outcomes: list[Changes] = []
        raised: Raised | None = None
        left = False
        try:
            for branch in branches:
                try:
                    falls = branch()
                    left = left or not falls
                except Raised as error:
                    raised, falls = error, False
                    self.caught()
                changes = heap.rollback(mark)
                if falls:
                    outcomes.append(changes)
        finally:
            frame.forks -= 1
            heap.end()
        if outcomes:
            heap.merge(outcomes)
            self.flush(frame)
            return True
        if raised is not None and not left:
            raise raised
        return False

    def fork_values(self, frame: Frame, *branches: Callable[[], Value]) -> Value:
        """Evaluate alternatives from the same state; the join of their values."""
        values: list[Value] = []

        def runner(branch: Callable[[], Value]) -> Callable[[], bool]:
            def run() -> bool:
                values.append(branch())
                return True

            return run

        self.fork(frame, *(runner(branch) for branch in branches))
        result = self.heap.join_all(values, scope=True)
        self.flush(frame)
        return result

    def perhaps(self, frame: Frame, action: Callable[[], Any]) -> None:
        """Do something that may or may not happen; an exception it raises goes no further."""

        def run() -> bool:
            action()
            return True

        self.fork(frame, lambda: True, run)

    def repeat(self, frame: Frame, body: Callable[[Loop], bool], *, endless: bool = False) -> bool:
        """Run a loop body any number of times, until the state no longer changes; whether the loop can end.

        `body` runs one iteration and says whether it reaches its end. An `endless` loop ends by `break` only.
        """
        heap = self.heap
        breaks: list[Changes] = []
        for turn in range(MAX_PASSES):
            attrs, exposed = len(self.unknown_attrs), len(heap.exposed)
            recorder = heap.record()
            mark = heap.begin()
            frame.forks += 1
            forks = frame.forks
            loop = Loop(base=-1, mark=mark, iteration=mark)
            frame.loops.append(loop)
            try:
                try:
                    falls = body(loop)
                except Raised:
                    falls = False
                    self.caught()
                changes = heap.rollback(mark)
            finally:
                frame.loops.pop()
                frame.forks = forks - 1
                heap.end()
                heap.stop(recorder)
            breaks = loop.breaks
            outcomes = loop.continues + ([changes] if falls else [])
            changed = self._widen(outcomes, giving_up=turn >= PATIENCE)
            # What an iteration changed but did not look at before makes no difference to the next.
            settled = changed.isdisjoint(recorder.reads)
            self.flush(frame)
            older = any(born <= mark.clock for born in heap.exposed[exposed:])
            if settled and attrs == len(self.unknown_attrs) and not older:
                break
        else:
            self.trace.incomplete("a loop did not settle")
        self.flush(frame)
        exits = breaks if endless else [*breaks, {}]
        if not exits:
            return False
        if breaks:
            heap.merge(exits)
            self.flush(frame)
        return True

    def _widen(self, outcomes: list[Changes], *, giving_up: bool) -> set[Cell]:
        """Join the states after an iteration into the state before it; the cells that this changed."""
        heap = self.heap
        changed: set[Cell] = set()
        for outcome in outcomes:
            for cell, (slots, key, value) in outcome.items():
                present = heap.read(slots, key)
                joined = heap.join(present, value, scope=slots.scope)
                if same(present, joined):
                    continue
                changed.add(cell)
                if giving_up:
                    heap.lose(present)
                    content = key in CONTENT
                    joined = None if content else Unknown(NO_DEPS, None, hidden(present) or hidden(value))
                heap.write(slots, key, joined)
        return changed
