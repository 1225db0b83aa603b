"""Loops: unrolled where every iteration is certain, otherwise run until the state settles."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from typing import Any

from harness.observe.reading.evaluate.heap import Changes, Mark
from harness.observe.reading.evaluate.machine import Frame, Loop, Machine, Raised
from harness.observe.reading.evaluate.values import NO_DEPS, UNKNOWN, Value

UNROLL_STEPS = 30_000
"""Nodes that unrolling one loop may visit where models and settings are made; beyond it the loop is taken as running
any number of times."""
UNROLL_ELSEWHERE = 8_000
"""The same for loops of training and evaluation, in which single iterations seldom matter."""
UNROLL_FUEL = 4000
"""Fuel after which the rest of an unrolled loop of training or evaluation is taken as running any number of times."""
UNROLL_ITEMS = 512
FEW = 8
"""Items that are unrolled whatever the size of the body."""
SURE = 2
"""Items that are unrolled whatever they cost."""
UNROLL_WHILE = 64


class Loops(Machine):
    """`for`, `while`, `break` and `continue`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sizes: dict[int, int] = {}

    def _allowance(self) -> int:
        return UNROLL_STEPS if self.constructing or not self.depth else UNROLL_ELSEWHERE

    def _size(self, node: ast.AST) -> int:
        """Number of nodes below `node`."""
        if id(node) not in self._sizes:
            self._sizes[id(node)] = sum(1 for _ in ast.walk(node))
        return self._sizes[id(node)]

    def for_statement(self, node: ast.For | ast.AsyncFor, frame: Frame) -> bool:
        """`for`: item by item where the items are known and few, else any number of times."""
        iterable = self.evaluate(node.iter, frame)
        items = self.iterate(iterable, frame)
        self.trace.iterated(node, None if items is None else len(items))
        if items is not None and (
            len(items) <= FEW or (len(items) <= UNROLL_ITEMS and len(items) * self._size(node) <= self._allowance())
        ):
            return self._for_known(node, items, frame)
        return self._for_unknown(node, items, frame)

    def _for_known(self, node: ast.For | ast.AsyncFor, items: list[Value], frame: Frame) -> bool:
        """Unroll while that is cheap: what the body calls may cost far more than its own size tells."""
        start, cheap = self.fuel, self.constructing or not self.depth or node.orelse
        rest: list[Value] = []

        def each() -> Iterator[Value]:
            for index, item in enumerate(items):
                if index >= SURE and not cheap and start - self.fuel > UNROLL_FUEL:
                    rest.extend(items[index:])
                    return
                yield item

        ended = self._unrolled(node, each(), frame)
        return self._for_unknown(node, rest, frame) if ended and rest else ended

    def _for_unknown(self, node: ast.For | ast.AsyncFor, items: list[Value] | None, frame: Frame) -> bool:
        for item in items or ():
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
        # Objects that one iteration made are changed by the next: they are undone and joined like older ones.
        mark = heap.begin()._replace(clock=sys.maxsize)
        loop = Loop(base=base, mark=mark, iteration=mark)
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
        except Raised:
            if not loop.breaks:
                raise
            falls = False
            self.caught()
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
            try:
                falls = self.block(body, frame)
            except Raised:
                if not loop.continues:
                    raise
                falls = False
                self.caught()
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

    def _leave(self, loop: Loop, mark: Mark, frame: Frame, *, falls: bool) -> bool:
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

    def while_statement(self, node: ast.While, frame: Frame) -> bool:
        """`while`: round by round as long as the test is certain, else any number of times."""
        endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        if not endless and self._size(node) * 8 <= self._allowance():
            return self._while_known(node, frame)
        return self._while_unknown(node, frame, endless=endless)

    def _while_known(self, node: ast.While, frame: Frame) -> bool:
        """Unroll while the test is certain; go on as an unknown loop where it is not."""
        budget = min(UNROLL_WHILE, self._allowance() // self._size(node))
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

    def break_statement(self, _: ast.Break, frame: Frame) -> bool:
        """`break`: certain, or kept as one of the states in which the loop may end."""
        if frame.loops:
            loop = frame.loops[-1]
            if frame.forks == loop.base:
                loop.broke = True
            else:
                loop.breaks.append(self.heap.changes(loop.mark))
                frame.forks += 1
        return False

    def continue_statement(self, _: ast.Continue, frame: Frame) -> bool:
        """`continue`: kept as one of the states in which the iteration may end."""
        if frame.loops:
            loop = frame.loops[-1]
            loop.continues.append(self.heap.changes(loop.iteration))
            if loop.base >= 0 and frame.forks != loop.base:
                frame.forks += 1
        return False
