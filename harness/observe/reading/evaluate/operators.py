"""Operators, comparisons and membership."""

from __future__ import annotations

import ast

from harness.observe.reading.evaluate import arithmetic, tensors
from harness.observe.reading.evaluate.environment import VARYING, presence, setting_name
from harness.observe.reading.evaluate.machine import Frame, Machine
from harness.observe.reading.evaluate.values import (
    NO_DEPS,
    UNKNOWN,
    ClassValue,
    Container,
    Dep,
    DictValue,
    External,
    Function,
    Instance,
    ListValue,
    SetValue,
    TensorValue,
    Unknown,
    Value,
    deps,
    flat,
    hidden,
    is_scalar,
    plain_tuple,
    raw,
    tag,
    union,
)

_SPECIAL = {
    ast.Add: "__add__", ast.Sub: "__sub__", ast.Mult: "__mul__", ast.Div: "__truediv__", ast.FloorDiv: "__floordiv__",
    ast.Mod: "__mod__", ast.Pow: "__pow__", ast.MatMult: "__matmul__", ast.BitOr: "__or__", ast.BitAnd: "__and__",
}  # fmt: skip


class Operators(Machine):
    """What `a op b`, `not a`, `a and b`, `a < b`, `a in b` give."""

    def operate(self, op: ast.operator, left: Value, right: Value, node: ast.AST, frame: Frame) -> Value:
        """`left op right`."""
        names = union(deps(left), deps(right))
        a = left.value if type(left) is Dep else left
        b = right.value if type(right) is Dep else right
        if type(a) is Unknown or type(b) is Unknown:
            other = b if type(a) is Unknown else a
            if isinstance(other, Instance):
                self.heap.lose(other)
                self.flush(frame)
            self.risks += 1
            return Unknown(names) if names else UNKNOWN
        if is_scalar(a) and is_scalar(b):
            result = arithmetic.binary(op, a, b)
            return tag(result if result is not UNKNOWN else self.risky(), names)
        if type(a) is tuple and (type(b) is tuple or isinstance(b, int)):
            return arithmetic.binary(op, a, b)
        if isinstance(a, TensorValue) or isinstance(b, TensorValue):
            return tensors.broadcast(self, op, a, b)
        if isinstance(a, Instance) or isinstance(b, Instance):
            special = _SPECIAL.get(type(op), "")
            if isinstance(a, Instance) and self.defines(a, special):
                return self.call(self.attribute(a, special, frame), [b], {}, node, frame)
            self.heap.lose(a)
            self.heap.lose(b)
            self.flush(frame)
            return self.risky()
        return self._containers(op, a, b)

    def defines(self, instance: Instance, name: str) -> bool:
        """Whether a class of the submission gives `instance` the method `name`."""
        return any(isinstance(cls, ClassValue) and name in cls.slots for cls in instance.cls.mro)

    def _containers(self, op: ast.operator, a: Value, b: Value) -> Value:
        content = self.heap.content
        if isinstance(a, ListValue) and isinstance(b, ListValue) and isinstance(op, ast.Add):
            left, right = content(a), content(b)
            short = left is not None and right is not None and len(left) + len(right) <= arithmetic.MAX_ITEMS
            return self.heap.new_list(left + right if short else None)
        if isinstance(op, ast.Mult):
            many, times = (a, b) if isinstance(a, ListValue) else (b, a)
            if isinstance(many, ListValue) and isinstance(times, int):
                items = content(many)
                small = items is not None and len(items) * max(times, 0) <= arithmetic.MAX_ITEMS
                return self.heap.new_list(items * times if small else None)
        if isinstance(a, DictValue) and isinstance(b, DictValue) and isinstance(op, ast.BitOr):
            first, second = content(a), content(b)
            short = first is not None and second is not None and len(first) + len(second) <= arithmetic.MAX_ITEMS
            return self.heap.new_dict({**first, **second} if short else None)
        if isinstance(a, SetValue) and isinstance(b, SetValue):
            one, two = content(a), content(b)
            result = arithmetic.binary(op, one, two) if one is not None and two is not None else UNKNOWN
            return self.heap.new_set(result if isinstance(result, set) else None)
        return self.risky()

    def unary(self, node: ast.UnaryOp, frame: Frame) -> Value:
        """`not a`, `-a`, `~a`."""
        value = self.evaluate(node.operand, frame)
        if isinstance(node.op, ast.Not):
            known, names = self.truth(value)
            return Unknown(names) if known is None else tag(not known, names)
        if isinstance(value, TensorValue):
            return self.heap.new_tensor(value.shape)
        plain = raw(value)
        return tag(arithmetic.unary(node.op, plain), deps(value)) if is_scalar(plain) else self.risky()

    def boolean(self, node: ast.BoolOp, frame: Frame) -> Value:
        """`and` / `or`: operands after one that decides are not evaluated; after an unknown one perhaps."""
        stop = isinstance(node.op, ast.Or)
        names: frozenset[str] = NO_DEPS
        for index, operand in enumerate(node.values):
            value = self.evaluate(operand, frame)
            known, more = self.truth(value)
            names = union(names, more)
            if not isinstance(operand, ast.Constant):
                self.trace.test(operand, node, frame.source, (known, more))
            if index == len(node.values) - 1 or known is stop:
                # The operand that decides may alone carry the reason; those before it are needed only when it is last.
                return tag(value, more if known is stop else names)
            if known is None:
                return self._bool_rest(node, index, value, names, frame)
        return UNKNOWN

    def _bool_rest(self, node: ast.BoolOp, index: int, value: Value, names: frozenset[str], frame: Frame) -> Value:
        rest = ast.BoolOp(op=node.op, values=node.values[index + 1 :])
        single = rest.values[0] if len(rest.values) == 1 else None
        stop = isinstance(node.op, ast.Or)

        def evaluate_rest() -> Value:
            if single is None:
                return self.boolean(rest, frame)
            last = self.evaluate(single, frame)
            known, more = self.truth(last)
            if not isinstance(single, ast.Constant):
                self.trace.test(single, node, frame.source, (known, more))
            return last

        results: list[Value] = []

        def run() -> bool:
            results.append(evaluate_rest())
            return True

        self.fork(frame, lambda: True, run)
        if not results:
            return Unknown(names)
        known, more = self.truth(results[0])
        if known is stop:
            # Whatever the unknown operand is, the whole has this truth; keep it when only truth can matter.
            return tag(stop, union(names, more)) if raw(results[0]) is stop else Unknown(union(names, more))
        return Unknown(union(names, more), None, hidden(value) or hidden(results[0]))

    def comparison(self, node: ast.Compare, frame: Frame) -> Value:
        """`a < b <= c`, `a is b`, `a in b`."""
        left = self.evaluate(node.left, frame)
        names: frozenset[str] = NO_DEPS
        verdict: bool | None = True
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.evaluate(comparator, frame)
            names = union(names, union(deps(left), deps(right)))
            if isinstance(right, External) and right.path == "os.environ" and isinstance(raw(left), str):
                present = "world_size" if raw(left) in VARYING else setting_name(raw(left))
                names = union(names, frozenset({present}))
            one = self._compare_one(op, left, right, frame)
            if one is False:
                return tag(value=False, names=names)
            verdict = None if one is None else verdict
            left = right
        return Unknown(names) if verdict is None else tag(value=True, names=names)

    def _compare_one(self, op: ast.cmpop, left: Value, right: Value, frame: Frame) -> bool | None:
        a, b = raw(left), raw(right)
        if isinstance(op, (ast.Is, ast.IsNot)):
            same = self._identical(a, b)
            return None if same is None else same is isinstance(op, ast.Is)
        if isinstance(op, (ast.In, ast.NotIn)):
            held = self.contains(b, left, frame)
            return None if held is None else held is isinstance(op, ast.In)
        if is_scalar(a) and is_scalar(b):
            return arithmetic.compare(op, a, b)
        if type(a) is tuple and type(b) is tuple:
            return arithmetic.compare(op, plain_tuple(a), plain_tuple(b)) if flat(a) and flat(b) else None
        if isinstance(op, (ast.Eq, ast.NotEq)):
            if isinstance(a, Container) and isinstance(b, Container):
                return self._equal_containers(op, a, b)
            # A constant equals no function, class or module object; user-defined equality is left open.
            for one, other in ((a, b), (b, a)):
                if is_scalar(one) and isinstance(other, (Function, ClassValue, Container)):
                    return isinstance(op, ast.NotEq)
        if type(a) in (Instance, Unknown) or type(b) in (Instance, Unknown):
            self.risks += 1
        return None

    def _equal_containers(self, op: ast.cmpop, a: Container, b: Container) -> bool | None:
        left, right = self.heap.content(a), self.heap.content(b)
        if type(left) is not type(right) or left is None:
            return None
        values = [*left, *right] if type(left) is list else []
        if type(left) is set or (type(left) is list and flat(tuple(values))):
            plain = ([raw(v) for v in left], [raw(v) for v in right]) if type(left) is list else (left, right)
            return (plain[0] == plain[1]) is isinstance(op, ast.Eq)
        return None

    def _identical(self, a: Value, b: Value) -> bool | None:
        if type(a) in (Unknown, External) or type(b) in (Unknown, External):
            return True if isinstance(a, External) and isinstance(b, External) and a.path == b.path else None
        if a is None or b is None or isinstance(a, bool) or isinstance(b, bool):
            return a is b
        if is_scalar(a) and is_scalar(b):
            return a == b if type(a) is type(b) else False
        return a is b

    def contains(self, container: Value, item: Value, frame: Frame) -> bool | None:
        """`item in container`."""
        plain = raw(item)
        if isinstance(container, str):
            return plain in container if isinstance(plain, str) else None
        if isinstance(container, range) and isinstance(plain, int):
            return plain in container
        if isinstance(container, External) and container.path == "os.environ":
            return presence(self, plain) if isinstance(plain, str) else None
        if isinstance(container, Instance) and "_items" in container.slots:
            content = self.heap.read(container.slots, "_items")
            return plain in content if isinstance(content, dict) and is_scalar(plain) else None
        if isinstance(container, Instance) and self.defines(container, "__contains__"):
            method = self.attribute(container, "__contains__", frame)
            return self.truth(self.call(method, [item], {}, ast.Pass(), frame))[0]
        content = container if type(container) is tuple else None
        if isinstance(container, Container):
            content = self.heap.content(container)
        if content is None or not is_scalar(plain):
            return None
        if type(content) in (dict, set):
            return plain in content
        if any(is_scalar(value) and raw(value) == plain for value in content):
            return True
        return False if all(is_scalar(value) for value in content) else None
