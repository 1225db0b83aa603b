"""Execution of statements: assignments, definitions, branches, loops, `try`."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from harness.observe.reading.evaluate.definitions import Definitions
from harness.observe.reading.evaluate.heap import CONTENT, Changes
from harness.observe.reading.evaluate.loops import Loops
from harness.observe.reading.evaluate.machine import Exhausted, Frame, Raised
from harness.observe.reading.evaluate.tree import returns
from harness.observe.reading.evaluate.values import (
    MISSING,
    NO_DEPS,
    UNKNOWN,
    External,
    Unknown,
    Value,
    hidden,
    tag,
    union,
)

CHARGE = 64
"""Steps of joining and copying that cost as much as one node."""


class Statements(Loops, Definitions):
    """The statement half of the evaluator."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._returns: dict[int, bool] = {}
        self._statements: dict[type[ast.AST], Callable[[Any, Frame], bool]] = {
            ast.Expr: self._expr,
            ast.Assign: self._assign,
            ast.AnnAssign: self._ann_assign,
            ast.AugAssign: self._aug_assign,
            ast.Delete: self._delete,
            ast.Return: self._return,
            ast.Raise: self._raise,
            ast.Assert: self._assert,
            ast.If: self._if,
            ast.For: self.for_statement,
            ast.AsyncFor: self.for_statement,
            ast.While: self.while_statement,
            ast.Break: self.break_statement,
            ast.Continue: self.continue_statement,
            ast.Try: self._try,
            ast.TryStar: self._try,
            ast.With: self._with,
            ast.AsyncWith: self._with,
            ast.Match: self._match,
            ast.FunctionDef: self.define_function,
            ast.AsyncFunctionDef: self.define_function,
            ast.ClassDef: self.define_class,
            ast.Import: self.import_modules,
            ast.ImportFrom: self.import_names,
            ast.Global: self._global,
            ast.Nonlocal: self._nonlocal,
        }

    def block(self, body: list[ast.stmt], frame: Frame) -> bool:
        """Execute statements in order; whether control reaches the end of the block."""
        heap = self.heap
        for statement in body:
            self.fuel -= 1
            if heap.work > CHARGE:
                self.fuel -= heap.work // CHARGE
                heap.work = 0
            if self.fuel < 0:
                raise Exhausted
            self.trace.executed.add(id(statement))
            handler = self._statements.get(type(statement))
            if handler is not None and not handler(statement, frame):
                return False
        return True

    def _expr(self, node: ast.Expr, frame: Frame) -> bool:
        self.evaluate(node.value, frame)
        return True

    def _assign(self, node: ast.Assign, frame: Frame) -> bool:
        value = self._watched(node.value, node.targets[0], frame)
        for target in node.targets:
            self.assign(target, value, frame)
        return True

    def _ann_assign(self, node: ast.AnnAssign, frame: Frame) -> bool:
        if node.value is not None:
            self.assign(node.target, self._watched(node.value, node.target, frame), frame)
        return True

    def _watched(self, expression: ast.expr, target: ast.expr, frame: Frame) -> Value:
        """Evaluate the right side; environment variables first read in it are noted as feeding the target."""
        known = len(self.trace.reads)
        value = self.evaluate(expression, frame)
        if len(self.trace.reads) > known and isinstance(target, (ast.Name, ast.Attribute)):
            # Defaults are evaluated before the read that they are for: the last one is what feeds the target.
            read = list(self.trace.reads.values())[-1]
            if read.target is None and not self.active_call(frame):
                read.target = target.id if isinstance(target, ast.Name) else target.attr
                read.expression, read.scope, read.folded = expression, frame.scope, value
        return value

    def active_call(self, frame: Frame) -> bool:
        """Whether `frame` is a helper function that itself reads the environment for its caller."""
        return (
            frame.function is not None and len(frame.function.node.args.args) > 0 and frame.function.name != "__init__"
        )

    def assign(self, target: ast.expr, value: Value, frame: Frame) -> None:
        """Bind `value` to an assignment target."""
        if type(target) is ast.Name:
            scope = frame.scope
            slots = scope.exported.get(target.id, scope.slots) if scope.exported else scope.slots
            self.heap.write(slots, target.id, tag(value, self.control) if self.control else value)
        elif isinstance(target, ast.Attribute):
            self.set_attribute(self.evaluate(target.value, frame), target.attr, tag(value, self.control), frame)
        elif isinstance(target, ast.Subscript):
            container = self.evaluate(target.value, frame)
            key = self.evaluate(target.slice, frame)
            self.set_item(container, key, tag(value, self.control), frame)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, UNKNOWN, frame)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target.elts, value, frame)

    def _unpack(self, targets: list[ast.expr], value: Value, frame: Frame) -> None:
        items = self.iterate(value, frame)
        star = next((i for i, target in enumerate(targets) if isinstance(target, ast.Starred)), None)
        if items is not None and star is not None and len(items) >= len(targets) - 1:
            after = len(targets) - star - 1
            middle = self.heap.new_list(list(items[star : len(items) - after]))
            items = [*items[:star], middle, *items[len(items) - after :]]
        if items is None or len(items) != len(targets):
            self.risks += 1
            self.heap.lose(value)
            items = [UNKNOWN] * len(targets)
        for target, item in zip(targets, items, strict=True):
            self.assign(target.value if isinstance(target, ast.Starred) else target, item, frame)

    def _aug_assign(self, node: ast.AugAssign, frame: Frame) -> bool:
        target = node.target
        if isinstance(target, ast.Name):
            old = self.lookup(target.id, frame.scope)
            self.assign(target, self._augmented(node, UNKNOWN if old is MISSING else old, frame), frame)
        elif isinstance(target, ast.Attribute):
            owner = self.evaluate(target.value, frame)
            new = self._augmented(node, self.attribute(owner, target.attr, frame), frame)
            self.set_attribute(owner, target.attr, tag(new, self.control), frame)
        else:
            container, key = self.evaluate(target.value, frame), self.evaluate(target.slice, frame)
            new = self._augmented(node, self.item(container, key, node, frame), frame)
            self.set_item(container, key, tag(new, self.control), frame)
        return True

    def _augmented(self, node: ast.AugAssign, old: Value, frame: Frame) -> Value:
        right = self.evaluate(node.value, frame)
        return self.augment(node.op, old, right, node, frame)

    def _delete(self, node: ast.Delete, frame: Frame) -> bool:
        for target in node.targets:
            if isinstance(target, ast.Name):
                scope = frame.scope
                self.heap.write(scope.exported.get(target.id, scope.slots), target.id, MISSING)
            elif isinstance(target, ast.Attribute):
                self.set_attribute(self.evaluate(target.value, frame), target.attr, MISSING, frame)
            elif isinstance(target, ast.Subscript):
                container, key = self.evaluate(target.value, frame), self.evaluate(target.slice, frame)
                self.set_item(container, key, MISSING, frame)
        return True

    def _return(self, node: ast.Return, frame: Frame) -> bool:
        value = None if node.value is None else self.evaluate(node.value, frame)
        value = tag(value, union(frame.deps, self.control))
        if frame.forks == 0 and not frame.exits:
            frame.done, frame.returned = True, value
        else:
            frame.exits.append((value, self.heap.changes(frame.mark)))
        return False

    def _raise(self, node: ast.Raise, frame: Frame) -> bool:
        name = "exception"
        if node.exc is not None:
            value = self.evaluate(node.exc, frame)
            callee = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            name = callee.id if isinstance(callee, ast.Name) else "exception"
            self.heap.lose(value)
        raise Raised(name, node)

    def _assert(self, node: ast.Assert, frame: Frame) -> bool:
        known, _ = self.test(node.test, node, frame)
        if known is False:
            raise Raised("AssertionError", node)
        self.risks += known is None
        return True

    def _if(self, node: ast.If, frame: Frame) -> bool:
        known, names = self.test(node.test, node, frame)
        if known is None:
            return self.fork(frame, lambda: self.block(node.body, frame), lambda: self.block(node.orelse, frame))
        if not names:
            return self.block(node.body if known else node.orelse, frame)
        if self._has_return(node):
            frame.deps = union(frame.deps, names)
        before, self.control = self.control, union(self.control, names)
        try:
            return self.block(node.body if known else node.orelse, frame)
        finally:
            self.control = before

    def _has_return(self, node: ast.AST) -> bool:
        if id(node) not in self._returns:
            self._returns[id(node)] = returns(node)
        return self._returns[id(node)]

    def _try(self, node: ast.Try | ast.TryStar, frame: Frame) -> bool:
        if not node.finalbody:
            return self._guarded(node, frame) if node.handlers else self.block(node.body, frame)
        heap = self.heap
        captured = [frame.exits, *((frame.loops[-1].breaks, frame.loops[-1].continues) if frame.loops else ())]
        known = [len(one) for one in captured]
        risks = self.risks
        mark = heap.begin()
        heap.watch()
        frame.forks += 1  # so that whatever leaves is kept, and the clause can be added to it
        raised: Raised | None = None
        falls = False
        try:
            falls = self._guarded(node, frame) if node.handlers else self.block(node.body, frame)
        except Raised as error:
            raised = error
        finally:
            frame.forks -= 1
            seen = heap.witnessed(mark)
            heap.end()
        left = [entry for one, count in zip(captured, known, strict=True) for entry in one[count:]]
        if left or raised is not None or self.risks != risks:
            self._finally_on_the_way_out(node, frame, [e[1] if isinstance(e, tuple) else e for e in left], seen)
        if raised is not None:
            self.block(node.finalbody, frame)
            raise raised
        return falls and self.block(node.finalbody, frame)

    def _finally_on_the_way_out(
        self, node: ast.Try | ast.TryStar, frame: Frame, left: list[Changes], seen: Changes
    ) -> None:
        """Run the clause for the paths that leave or raise: what it changes is unknown in the states that left."""
        heap = self.heap
        mark = heap.begin()
        heap.merge([{}, seen, *left])
        inner = heap.begin()
        forks, frame.forks = frame.forks, frame.forks + 1
        try:
            self.block(node.finalbody, frame)
        except Raised:
            self.risks += 1
        finally:
            frame.forks = forks
            changed = heap.changes(inner)
            heap.end()
            heap.rollback(mark)
            heap.end()
        for state in left:
            for cell, (slots, key, value) in changed.items():
                heap.lose(value)
                state[cell] = (slots, key, None if key in CONTENT else Unknown(NO_DEPS, None, hidden(value)))

    def _guarded(self, node: ast.Try | ast.TryStar, frame: Frame) -> bool:
        """A `try` body and its handlers; these start from any state that the body may have been in."""
        heap = self.heap
        mark = heap.begin()
        heap.watch()
        frame.forks += 1
        risks = self.risks
        falls = raised = False
        try:
            falls = self.block(node.body, frame)
        except Raised:
            raised = True
        finally:
            frame.forks -= 1
            seen = heap.witnessed(mark)
            certain = not raised and self.risks == risks
            after = {} if certain else heap.rollback(mark)
            heap.end()
        if certain:
            return self.block(node.orelse, frame) if falls else False

        def normal() -> bool:
            heap.merge([after])
            return self.block(node.orelse, frame)

        def handler(clause: ast.ExceptHandler) -> Callable[[], bool]:
            def run() -> bool:
                heap.merge([{}, seen])
                self.flush(frame)
                if clause.name:
                    heap.write(frame.scope.slots, clause.name, UNKNOWN)
                return self.block(clause.body, frame)

            return run

        branches = [normal] if falls else []
        branches += [handler(clause) for clause in node.handlers]
        return self.fork(frame, *branches)

    def _with(self, node: ast.With | ast.AsyncWith, frame: Frame) -> bool:
        swallows = False
        for item in node.items:
            manager = self.evaluate(item.context_expr, frame)
            swallows = swallows or (
                isinstance(item.context_expr, ast.Call) and self._suppresses(item.context_expr, frame)
            )
            entered = self.enter(manager, frame)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, entered, frame)
        if swallows:
            return self.fork(frame, lambda: True, lambda: self.block(node.body, frame))
        return self.block(node.body, frame)

    def _suppresses(self, call: ast.Call, frame: Frame) -> bool:
        function = self.evaluate(call.func, frame)
        return isinstance(function, External) and function.path.endswith("suppress")

    def _match(self, node: ast.Match, frame: Frame) -> bool:
        self.heap.lose(self.evaluate(node.subject, frame))
        self.flush(frame)

        def case(clause: ast.match_case) -> Callable[[], bool]:
            def run() -> bool:
                for part in ast.walk(clause.pattern):
                    name = getattr(part, "name", None) or getattr(part, "rest", None)
                    if isinstance(name, str):
                        self.heap.write(frame.scope.slots, name, Unknown())
                if clause.guard is not None:
                    self.test(clause.guard, clause, frame)
                return self.block(clause.body, frame)

            return run

        return self.fork(frame, lambda: True, *(case(clause) for clause in node.cases))

    def _global(self, node: ast.Global, frame: Frame) -> bool:
        for name in node.names:
            frame.scope.exported[name] = frame.scope.module.slots
        return True

    def _nonlocal(self, node: ast.Nonlocal, frame: Frame) -> bool:
        for name in node.names:
            scope = frame.scope.parent
            while scope is not None and (name not in scope.slots or scope.kind == "class"):
                scope = scope.parent
            if scope is not None:
                frame.scope.exported[name] = scope.slots
        return True
