"""Execution of statements: assignments, definitions, branches, loops, `try`."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from harness.observe.reading.evaluate.definitions import Definitions
from harness.observe.reading.evaluate.heap import Changes
from harness.observe.reading.evaluate.machine import Attempt, Exhausted, Frame, Loop, Raised
from harness.observe.reading.evaluate.values import MISSING, NO_DEPS, UNKNOWN, External, Unknown, Value, tag, union

UNROLL_STEPS = 30_000
"""Nodes that unrolling one loop may visit; beyond it the loop is taken as running any number of times."""
UNROLL_ITEMS = 512
UNROLL_WHILE = 64


class Statements(Definitions):
    """The statement half of the evaluator."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sizes: dict[int, int] = {}
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
            ast.For: self._for,
            ast.AsyncFor: self._for,
            ast.While: self._while,
            ast.Break: self._break,
            ast.Continue: self._continue,
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
        for statement in body:
            self.fuel -= 1
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
            for read in list(self.trace.reads.values())[known:]:
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
        if isinstance(target, ast.Name):
            scope = frame.scope
            slots = scope.exported.get(target.id, scope.slots) if scope.exported else scope.slots
            self.heap.write(slots, target.id, tag(value, self.control))
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
            middle = self.heap.list(list(items[star : len(items) - after]))
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
            self._returns[id(node)] = any(isinstance(child, ast.Return) for child in ast.walk(node))
        return self._returns[id(node)]

    def _size(self, node: ast.AST) -> int:
        """Number of nodes below `node`."""
        if id(node) not in self._sizes:
            self._sizes[id(node)] = sum(1 for _ in ast.walk(node))
        return self._sizes[id(node)]

    def _for(self, node: ast.For | ast.AsyncFor, frame: Frame) -> bool:
        iterable = self.evaluate(node.iter, frame)
        items = self.iterate(iterable, frame)
        if items is not None and len(items) <= UNROLL_ITEMS and len(items) * self._size(node) <= UNROLL_STEPS:
            return self._unrolled(node, iter(items), frame)
        if items is not None:
            for item in items:
                self.heap.lose(item)
            self.flush(frame)
        target: Value = UNKNOWN
        if items:
            target = self.heap.join_all(items, scope=True)
        elif items == []:
            return self.block(node.orelse, frame) if node.orelse else True

        def body(_: Loop) -> bool:
            self.assign(node.target, target, frame)
            return self.block(node.body, frame)

        return self.repeat(frame, body) and self._orelse(node, frame)

    def _orelse(self, node: ast.For | ast.AsyncFor | ast.While, frame: Frame) -> bool:
        if not node.orelse:
            return True
        return self.fork(frame, lambda: True, lambda: self.block(node.orelse, frame))

    def _unrolled(self, node: ast.For | ast.AsyncFor | ast.While, items: Any, frame: Frame) -> bool:
        """Run the iterations one by one, as long as each is known to happen (or not to)."""
        heap = self.heap
        base = frame.forks
        mark = heap.begin()
        loop = Loop(base=base, mark=mark)
        frame.loops.append(loop)
        falls = True
        try:
            for item in items:
                if isinstance(node, ast.While):
                    if not item():
                        break
                else:
                    self.assign(node.target, item, frame)
                falls = self._iteration(node.body, loop, frame)
                if not falls:
                    break
        finally:
            frame.loops.pop()
            frame.forks = base
            heap.end()
        if falls and node.orelse and not loop.broke:
            falls = self.block(node.orelse, frame) if not loop.breaks else self._orelse(node, frame)
        return self._leave(loop, mark, frame, falls=falls or loop.broke)

    def _iteration(self, body: list[ast.stmt], loop: Loop, frame: Frame) -> bool:
        """One unrolled iteration; whether the next may follow from the present state."""
        heap = self.heap
        loop.iteration = heap.begin()
        loop.continues = []
        try:
            falls = self.block(body, frame)
            if loop.broke or frame.done:
                return False
            if not loop.continues:
                return falls
            outcomes = loop.continues + ([heap.changes(loop.iteration)] if falls else [])
            heap.rollback(loop.iteration)
        finally:
            heap.end()
        frame.forks = loop.base + len(loop.breaks)
        heap.merge(outcomes)
        self.flush(frame)
        return True

    def _leave(self, loop: Loop, mark: int, frame: Frame, *, falls: bool) -> bool:
        """Join the states in which a loop was left."""
        if not loop.breaks:
            return falls
        heap = self.heap
        outcomes: list[Changes] = list(loop.breaks)
        if falls:
            outcomes.append(heap.changes(mark))
        heap.rollback(mark)
        heap.merge(outcomes)
        self.flush(frame)
        return True

    def _while(self, node: ast.While, frame: Frame) -> bool:
        endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        if not endless and self._size(node) * 8 <= UNROLL_STEPS:
            return self._while_known(node, frame)
        return self._while_unknown(node, frame, endless=endless)

    def _while_known(self, node: ast.While, frame: Frame) -> bool:
        """Unroll while the test is certain; go on as an unknown loop where it is not."""
        budget = min(UNROLL_WHILE, UNROLL_STEPS // self._size(node))
        uncertain = False

        def goes_on() -> bool:
            nonlocal budget, uncertain
            known, _ = self.test(node.test, node, frame)
            budget -= 1
            uncertain = known is None or (known and budget < 0)
            return bool(known) and not uncertain

        def rounds() -> Any:
            while True:
                yield goes_on

        # The unknown rest runs inside `orelse` position: after certain iterations that did not break.
        plain = ast.While(test=node.test, body=node.body, orelse=[])
        ended = self._unrolled(plain, rounds(), frame)
        if uncertain:
            return self._while_unknown(node, frame, endless=False) if ended else False
        return ended and (self._orelse(node, frame) if node.orelse else True)

    def _while_unknown(self, node: ast.While, frame: Frame, *, endless: bool) -> bool:
        def body(_: Loop) -> bool:
            known, _names = (True, NO_DEPS) if endless else self.test(node.test, node, frame)
            return False if known is False else self.block(node.body, frame)

        return self.repeat(frame, body, endless=endless) and self._orelse(node, frame)

    def _break(self, _: ast.Break, frame: Frame) -> bool:
        if frame.loops:
            loop = frame.loops[-1]
            if frame.forks == loop.base:
                loop.broke = True
            else:
                loop.breaks.append(self.heap.changes(loop.mark))
                frame.forks += 1
        return False

    def _continue(self, _: ast.Continue, frame: Frame) -> bool:
        if frame.loops:
            loop = frame.loops[-1]
            loop.continues.append(self.heap.changes(loop.iteration))
            if loop.base >= 0 and frame.forks != loop.base:
                frame.forks += 1
        return False

    def _try(self, node: ast.Try | ast.TryStar, frame: Frame) -> bool:
        try:
            falls = self._guarded(node, frame) if node.handlers else self.block(node.body, frame)
        except Raised:
            if node.finalbody:
                self.block(node.finalbody, frame)
            raise
        if not node.finalbody:
            return falls
        if falls:
            return self.block(node.finalbody, frame)
        # Every path has left already; the clause still runs on the way out.
        self.perhaps(frame, lambda: self.block(node.finalbody, frame))
        return False

    def _guarded(self, node: ast.Try | ast.TryStar, frame: Frame) -> bool:
        heap = self.heap
        mark = heap.begin()
        attempt = Attempt(mark)
        self.attempts.append(attempt)
        frame.forks += 1
        risks = self.risks
        raised: Raised | None = None
        falls = False
        try:
            falls = self.block(node.body, frame)
        except Raised as error:
            raised = error
            attempt.raises.append(heap.changes(mark))
        finally:
            self.attempts.pop()
            frame.forks -= 1
            if raised is None and not attempt.raises and self.risks == risks:
                heap.end()
                mark = -1
        if mark < 0:
            return self.block(node.orelse, frame) if falls else False
        middle = self._intermediate(mark)
        after = heap.rollback(mark)
        heap.end()

        def normal() -> bool:
            heap.merge([after])
            return self.block(node.orelse, frame)

        def handler(clause: ast.ExceptHandler) -> Callable[[], bool]:
            def run() -> bool:
                heap.merge([*attempt.raises, *middle])
                self.flush(frame)
                if clause.name:
                    heap.write(frame.scope.slots, clause.name, UNKNOWN)
                return self.block(clause.body, frame)

            return run

        branches = [normal] if falls else []
        branches += [handler(clause) for clause in node.handlers]
        return self.fork(frame, *branches)

    def _intermediate(self, mark: int) -> list[Changes]:
        """The states that cells had on the way through a `try` body, each on its own, with the last."""
        heap = self.heap
        rounds: list[Changes] = [{}, heap.changes(mark)]
        for slots, key, old in heap.journal[mark:]:
            cell = (id(slots), key)
            for one in rounds:
                if cell not in one or one[cell][2] is old:
                    one.setdefault(cell, (slots, key, old))
                    break
            else:
                rounds.append({cell: (slots, key, old)})
        return rounds[:32]

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
