"""Statements: the course of the program. Loops are followed twice: an iteration meets what the last one has left."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from harness.observe.reading.evaluate.trace import Trace
from harness.observe.reading.flow.journal import Changes, Value, flat
from harness.observe.reading.flow.labels import NONE, Labels, after_loop, chosen, thing, things, varies
from harness.observe.reading.flow.names import bound_names
from harness.observe.reading.flow.records import Records
from harness.observe.reading.flow.state import Exhausted, Frame, Loop, Memory, Scope, mapped

PASSES = 2
"""Passes over a loop body: the second meets what the first has learnt."""
CONTEXT = 6
"""Calls of the chain in progress that tell objects and loops apart."""


class Statements:
    """The statement half of the analysis."""

    def __init__(self, trace: Trace, tree: ast.Module) -> None:
        """`tree` is the launched file, `trace` what was seen of it."""
        self.trace = trace
        self.tree = tree
        self.executed = trace.executed if trace.complete else None
        """Statements that run; None where that is not known of all."""
        self.memory = Memory()
        self.records = Records()
        self.scopes: dict[int, Scope] = {}
        """The scope around each function, by its node."""
        self.calls: list[int] = []
        """Nodes of the calls in progress."""

    @property
    def context(self) -> list[int]:
        """The last calls of the chain in progress: objects and loops of different chains are different ones."""
        return self.calls[-CONTEXT:]

    @abstractmethod
    def value(self, node: ast.expr, frame: Frame) -> Value:
        """What an expression gives."""

    @abstractmethod
    def store(self, target: ast.expr, value: Value, frame: Frame) -> None:
        """Bind a value to a target."""

    @abstractmethod
    def run(self, node: ast.AST, function: Any, args: list[Value], named: list[tuple[str | None, Value]]) -> Value:
        """Follow the body of a function with these arguments."""

    @abstractmethod
    def accumulate(self, node: ast.AugAssign, frame: Frame) -> None:
        """`target op= value`."""

    def labels(self, node: ast.expr, frame: Frame) -> Labels:
        """The atoms of an expression."""
        value = self.value(node, frame)
        return flat(value) if isinstance(value, tuple) else value

    def together(self, nodes: Iterable[ast.expr], frame: Frame) -> Labels:
        """The atoms of several expressions."""
        result = NONE
        for node in nodes:
            labels = self.labels(node, frame)
            if labels:
                result = result | labels if result else labels
        return result

    def block(self, body: list[ast.stmt], frame: Frame) -> bool:
        """Follow statements; whether control reaches the end."""
        for node in body:  # noqa: SIM110  a generator would take one more frame for every block that is open
            if not self.statement(node, frame):
                return False
        return True

    def statement(self, node: ast.stmt, frame: Frame) -> bool:
        """Follow one statement; whether control reaches the next. Dead ones are passed over."""
        memory = self.memory
        memory.fuel -= 1
        if memory.fuel < 0:
            raise Exhausted
        if self.executed is not None and id(node) not in self.executed:
            return True
        handler = _HANDLERS.get(type(node))
        return True if handler is None else handler(self, node, frame)

    def _expr(self, node: ast.Expr, frame: Frame) -> bool:
        self.value(node.value, frame)
        return True

    def _assign(self, node: ast.Assign, frame: Frame) -> bool:
        value = self.value(node.value, frame)
        for target in node.targets:
            self.store(target, value, frame)
        return True

    def _annassign(self, node: ast.AnnAssign, frame: Frame) -> bool:
        if node.value is not None:
            self.store(node.target, self.value(node.value, frame), frame)
        return True

    def _augassign(self, node: ast.AugAssign, frame: Frame) -> bool:
        self.accumulate(node, frame)
        return True

    def _return(self, node: ast.Return, frame: Frame) -> bool:
        value = self.value(node.value, frame) if node.value is not None else NONE
        for loop in reversed(frame.loops):
            self.memory.leave(loop.id, loop.mark)
            value = mapped(value, after_loop, loop.id)
        frame.returned.append(value)
        frame.exits.append(self.memory.changes(frame.mark))
        return False

    def _raise(self, node: ast.Raise, frame: Frame) -> bool:
        if node.exc is not None:
            self.value(node.exc, frame)
        return False

    def _assert(self, node: ast.Assert, frame: Frame) -> bool:
        self.value(node.test, frame)
        return True

    def _delete(self, node: ast.Delete, frame: Frame) -> bool:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.store(target, NONE, frame)
        return True

    def _if(self, node: ast.If, frame: Frame) -> bool:
        self.value(node.test, frame)
        decided = self.decided(node.test)
        if decided is not None:
            return self.block(node.body if decided else node.orelse, frame)
        return self.memory.branch(lambda: self.block(node.body, frame), lambda: self.block(node.orelse, frame))

    def decided(self, test: ast.expr) -> bool | None:
        """The one truth value that a condition has under the launch, if it has one."""
        if isinstance(test, ast.Constant):
            return bool(test.value)
        trace = self.trace.tests.get(id(test))
        return trace.decided if trace is not None else None

    def _with(self, node: ast.With | ast.AsyncWith, frame: Frame) -> bool:
        for item in node.items:
            value = self.value(item.context_expr, frame)
            if item.optional_vars is not None:
                self.store(item.optional_vars, value, frame)
        return self.block(node.body, frame)

    def _try(self, node: ast.Try | ast.TryStar, frame: Frame) -> bool:
        falls = self.block(node.body, frame) and self.block(node.orelse, frame)

        def handled(handler: ast.ExceptHandler) -> Callable[[], bool]:
            return lambda: self.block(handler.body, frame)

        handlers = [handled(handler) for handler in node.handlers if self._alive(handler.body)]
        if handlers:
            ended = falls
            falls = self.memory.branch(lambda: ended, *handlers)
        return self.block(node.finalbody, frame) and falls

    def _alive(self, body: list[ast.stmt]) -> bool:
        return self.executed is None or any(id(statement) in self.executed for statement in body)

    def _match(self, node: ast.Match, frame: Frame) -> bool:
        self.value(node.subject, frame)

        def case(body: list[ast.stmt]) -> Callable[[], bool]:
            return lambda: self.block(body, frame)

        return self.memory.branch(lambda: True, *(case(one.body) for one in node.cases))

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> bool:
        self.define(node, frame)
        defaults = [*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None)]
        values = [self.labels(default, frame) for default in defaults]
        self.store(ast.Name(node.name, ast.Store()), NONE.union(*values) if values else NONE, frame)
        return True

    def define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, frame: Frame) -> None:
        """Remember the scope around a function."""
        self.scopes[id(node)] = frame.scope
        frame.scope.closed_over = True

    def _classdef(self, node: ast.ClassDef, frame: Frame) -> bool:
        memory = self.memory
        site = memory.make(("class", id(node)), "class")
        body = Frame(Scope(frame.scope, frozenset()), node)
        defined = (ast.FunctionDef, ast.AsyncFunctionDef)
        body.scope.locals = bound_names([child for child in node.body if not isinstance(child, defined)])
        for statement in node.body:
            if isinstance(statement, defined):
                self.define(statement, frame)
            else:
                self.statement(statement, body)
        for name in body.scope.locals:
            variable = body.scope.variable(name)
            memory.put(memory.attribute(site, name), variable.value or NONE)
            memory.put(variable, NONE)
        own = frozenset({thing(site)})
        self.store(ast.Name(node.name, ast.Store()), own, frame)
        for statement in node.body:
            # A data class that others hold by its factory is never seen constructed: the class stands for its objects.
            if isinstance(statement, ast.FunctionDef) and statement.name == "__post_init__":
                self.run(node, statement, [own], [])
        return True

    def _for(self, node: ast.For | ast.AsyncFor, frame: Frame) -> bool:
        value = flat(self.value(node.iter, frame))
        loop = self.memory.loop_id((id(node), *self.context))

        def step() -> None:
            self.store(node.target, self.item_of(value, loop), frame)

        length = self.trace.lengths.get(id(node))
        if length == 0 and self.trace.complete:
            return self.block(node.orelse, frame)
        if length is not None:
            self.memory.lengths[loop] = length
        passes = 1 if length == 1 else PASSES
        falls = self.repeat(loop, step, node.body, frame, certain=True, passes=passes)
        return self.block(node.orelse, frame) if falls and node.orelse else falls

    def _while(self, node: ast.While, frame: Frame) -> bool:
        if self.decided(node.test) is False:
            return self.block(node.orelse, frame)
        loop = self.memory.loop_id((id(node), *self.context))
        endless = self.decided(node.test) is True
        return self.repeat(loop, lambda: self.value(node.test, frame), node.body, frame, endless=endless)

    def repeat(
        self,
        number: int,
        step: Callable[[], object],
        body: list[ast.stmt],
        frame: Frame,
        *,
        endless: bool = False,
        certain: bool = False,
        passes: int = PASSES,
    ) -> bool:
        """Follow a loop: not at all, once, and once more with what the first iteration left; whether it can end.

        A `certain` loop runs at least once: loops over data and parameters are taken to have some.
        """
        memory = self.memory
        loop = Loop(number, memory.mark())
        frame.loops.append(loop)
        memory.running.append(number)
        ends: list[Changes] = [] if endless or certain else [{}]
        since = len(memory.stepped)
        for remaining in reversed(range(passes)):
            step()
            falls = self.block(body, frame)
            states = [*loop.continues, *([memory.changes(loop.mark)] if falls else [])]
            loop.continues = []
            if not states:
                break
            state = states[0]
            if not falls or len(states) > 1:
                memory.rollback(loop.mark)
                memory.meet(states)
                state = memory.changes(loop.mark)
            if not endless:
                ends.append(state)
            if not remaining:
                break
            memory.turn(number, since, loop.mark)
            if memory.settled(loop.mark):
                break
        frame.loops.pop()
        memory.running.pop()
        ends += loop.breaks
        memory.finish(number, loop.mark, ends)
        return bool(ends)

    def _break(self, _: ast.Break, frame: Frame) -> bool:
        if frame.loops:
            self._leave_early(frame.loops[-1].breaks, frame)
        return False

    def _continue(self, _: ast.Continue, frame: Frame) -> bool:
        if frame.loops:
            self._leave_early(frame.loops[-1].continues, frame)
        return False

    def _leave_early(self, paths: list[Changes], frame: Frame) -> None:
        paths.append(self.memory.changes(frame.loops[-1].mark))

    def item_of(self, iterated: Labels, loop: int) -> Labels:
        """What a loop's target is bound to: an item of what is iterated, which varies with the loop."""
        memory = self.memory
        sites = things(iterated)
        keys = bool(sites) and all(memory.kinds.get(site) == "dict" for site in sites)
        return chosen(NONE if keys else memory.held(iterated), frozenset({varies(loop)}))


_HANDLERS: dict[type[ast.stmt], Callable[[Statements, Any, Frame], bool]] = {
    ast.Expr: Statements._expr,
    ast.Assign: Statements._assign,
    ast.AnnAssign: Statements._annassign,
    ast.AugAssign: Statements._augassign,
    ast.Return: Statements._return,
    ast.Raise: Statements._raise,
    ast.Assert: Statements._assert,
    ast.Delete: Statements._delete,
    ast.If: Statements._if,
    ast.With: Statements._with,
    ast.AsyncWith: Statements._with,
    ast.Try: Statements._try,
    ast.TryStar: Statements._try,
    ast.Match: Statements._match,
    ast.FunctionDef: Statements._functiondef,
    ast.AsyncFunctionDef: Statements._functiondef,
    ast.ClassDef: Statements._classdef,
    ast.For: Statements._for,
    ast.AsyncFor: Statements._for,
    ast.While: Statements._while,
    ast.Break: Statements._break,
    ast.Continue: Statements._continue,
}
