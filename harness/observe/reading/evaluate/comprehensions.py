"""Comprehensions and generator expressions."""

from __future__ import annotations

import ast
from typing import Any

from harness.observe.reading.evaluate.machine import Frame, Loop, Machine
from harness.observe.reading.evaluate.values import UNKNOWN, Container, Scope, Value, hashable, is_scalar, raw

MAX_UNROLL = 4096
"""Most items of a comprehension that are evaluated one by one."""

Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


class Comprehensions(Machine):
    """Comprehensions are evaluated at once, also those that Python evaluates when asked for items."""

    def comprehension(self, node: Comprehension, frame: Frame) -> Value:
        """A list, set or dict; its content is unknown where an item or a condition is."""
        scope = Scope(self.heap.new_slots(scope=True), "comprehension", frame.scope.module, frame.scope)
        inner = Frame(scope, frame.source, frame.function, frame.receiver, frame.mark, forks=1)
        keys: list[Value] = []
        values: list[Value] = []
        first = self.evaluate(node.generators[0].iter, frame)
        exact = self._generate(node, 0, inner, first, keys, values)
        if isinstance(node, ast.DictComp):
            plain = [raw(key) for key in keys]
            known = exact and all(hashable(key) for key in plain)
            return self._collected(self.heap.new_dict(dict(zip(plain, values, strict=True)) if known else None), values)
        if isinstance(node, ast.SetComp):
            known = exact and all(is_scalar(value) for value in values)
            return self.heap.new_set({raw(value) for value in values} if known else None)
        return self._collected(self.heap.new_list(values if exact else None), values)

    def _collected(self, container: Container, values: list[Value]) -> Container:
        if container.items is None:
            for value in values:
                self.heap.lose(value)
        return container

    def _generate(
        self, node: Any, depth: int, frame: Frame, iterable: Value, keys: list[Value], values: list[Value]
    ) -> bool:
        """Evaluate generator `depth` over `iterable` and those inside it; whether all items are known one by one."""
        generator = node.generators[depth]
        items = self.iterate(iterable, frame)
        exact = items is not None and len(items) <= MAX_UNROLL

        def inside() -> bool:
            if depth + 1 < len(node.generators):
                more = self.evaluate(node.generators[depth + 1].iter, frame)
                return self._generate(node, depth + 1, frame, more, keys, values)
            if isinstance(node, ast.DictComp):
                keys.append(self.evaluate(node.key, frame))
                values.append(self.evaluate(node.value, frame))
            else:
                values.append(self.evaluate(node.elt, frame))
            return True

        def one() -> bool:
            for condition in generator.ifs:
                known, _ = self.test(condition, generator, frame)
                if known is False:
                    return True
                if known is None:
                    self.perhaps(frame, inside)
                    return False
            return inside()

        if exact:
            for item in items or ():
                self.assign(generator.target, item, frame)
                exact = one() and exact
            return exact

        def body(_: Loop) -> bool:
            self.assign(generator.target, UNKNOWN, frame)
            one()
            return True

        self.repeat(frame, body)
        return False
