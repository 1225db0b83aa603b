"""Evaluation of expressions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from harness.observe.reading.evaluate import arithmetic, tensors
from harness.observe.reading.evaluate.machine import VARYING, Exhausted, Frame, Loop, Machine
from harness.observe.reading.evaluate.values import (
    MISSING,
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
    Scope,
    SetValue,
    TensorValue,
    Unknown,
    Value,
    Wrapped,
    deps,
    hidden,
    is_scalar,
    raw,
    tag,
    truth,
    union,
)

BUILTIN_NAMES = frozenset(dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__)
_SPECIAL = {
    ast.Add: "__add__", ast.Sub: "__sub__", ast.Mult: "__mul__", ast.Div: "__truediv__", ast.FloorDiv: "__floordiv__",
    ast.Mod: "__mod__", ast.Pow: "__pow__", ast.MatMult: "__matmul__", ast.BitOr: "__or__", ast.BitAnd: "__and__",
}  # fmt: skip
MAX_UNROLL = 4096
"""Most items of a comprehension that are evaluated one by one."""

_PROCESS = {"WORLD_SIZE": "world_size", "LOCAL_WORLD_SIZE": "world_size"} | dict.fromkeys(VARYING, "rank")


def setting_name(variable: str) -> str:
    """The name under which dependence on an environment variable is noted; a set rank means several processes."""
    return _PROCESS.get(variable, variable)


class Expressions(Machine):
    """The expression half of the evaluator."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._expressions: dict[type[ast.AST], Callable[[Any, Frame], Value]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Call: self._call,
            ast.BinOp: self._binary,
            ast.UnaryOp: self._unary,
            ast.BoolOp: self._bool,
            ast.Compare: self._compare,
            ast.IfExp: self._ternary,
            ast.Subscript: self._subscript,
            ast.Tuple: self._tuple,
            ast.List: self._list,
            ast.Set: self._set,
            ast.Dict: self._dict,
            ast.JoinedStr: self._joined,
            ast.ListComp: self._comprehension,
            ast.SetComp: self._comprehension,
            ast.GeneratorExp: self._comprehension,
            ast.DictComp: self._comprehension,
            ast.Lambda: self._lambda,
            ast.NamedExpr: self._named,
            ast.Slice: self._slice,
            ast.Starred: self._starred,
            ast.Await: self._starred,
            ast.Yield: self._yield,
            ast.YieldFrom: self._yield_from,
        }

    def evaluate(self, node: ast.expr, frame: Frame) -> Value:
        """Value of an expression; UNKNOWN for what has no rule."""
        self.fuel -= 1
        if self.fuel < 0:
            raise Exhausted
        handler = self._expressions.get(type(node))
        return handler(node, frame) if handler is not None else UNKNOWN

    def test(self, node: ast.expr, owner: ast.AST, frame: Frame) -> tuple[bool | None, frozenset[str]]:
        """Truth of a condition, noted in the trace."""
        value, names = truth(self.evaluate(node, frame))
        names = union(names, self.control)
        if not isinstance(node, ast.Constant):
            self.trace.test(node, owner, frame.source, value, names)
        return value, names

    def lookup(self, name: str, scope: Scope) -> Value:
        """Value of a name; MISSING when nothing defines it."""
        exported = scope.exported.get(name)
        if exported is not None:
            return self.heap.read(exported, name)
        current: Scope | None = scope
        while current is not None:
            if name in current.slots and (current.kind != "class" or current is scope):
                return self.heap.read(current.slots, name)
            current = current.parent
        if name == "__name__":
            return scope.module.name
        if name in BUILTIN_NAMES:
            return External(f"builtins.{name}")
        return MISSING

    def _constant(self, node: ast.Constant, _: Frame) -> Value:
        return node.value

    def _name(self, node: ast.Name, frame: Frame) -> Value:
        value = self.lookup(node.id, frame.scope)
        return self.risky() if value is MISSING else value

    def _attribute(self, node: ast.Attribute, frame: Frame) -> Value:
        return self.attribute(self.evaluate(node.value, frame), node.attr, frame)

    def _call(self, node: ast.Call, frame: Frame) -> Value:
        function = self.evaluate(node.func, frame)
        args: list[Value] = []
        kwargs: dict[str, Value] = {}
        for arg in node.args:
            if isinstance(arg, ast.Starred):
                items = self.iterate(self.evaluate(arg.value, frame), frame)
                if items is None:
                    kwargs["**"] = UNKNOWN
                else:
                    args.extend(items)
            else:
                args.append(self.evaluate(arg, frame))
        for keyword in node.keywords:
            value = self.evaluate(keyword.value, frame)
            if keyword.arg is not None:
                kwargs[keyword.arg] = value
                continue
            content = self.heap.content(value) if isinstance(value, DictValue) else None
            if content is None or not all(isinstance(key, str) for key in content):
                kwargs["**"] = UNKNOWN
            else:
                kwargs.update(content)
        return self.call(function, args, kwargs, node, frame)

    def _binary(self, node: ast.BinOp, frame: Frame) -> Value:
        left, right = self.evaluate(node.left, frame), self.evaluate(node.right, frame)
        return self.operate(node.op, left, right, node, frame)

    def operate(self, op: ast.operator, left: Value, right: Value, node: ast.AST, frame: Frame) -> Value:
        """`left op right`."""
        names = union(deps(left), deps(right))
        a, b = raw(left), raw(right)
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
            return self.heap.list(None if left is None or right is None else left + right)
        if isinstance(op, ast.Mult):
            many, times = (a, b) if isinstance(a, ListValue) else (b, a)
            if isinstance(many, ListValue) and isinstance(times, int):
                items = content(many)
                small = items is not None and len(items) * max(times, 0) <= arithmetic.MAX_LENGTH
                return self.heap.list(items * times if small else None)
        if isinstance(a, DictValue) and isinstance(b, DictValue) and isinstance(op, ast.BitOr):
            first, second = content(a), content(b)
            return self.heap.dict(None if first is None or second is None else {**first, **second})
        if isinstance(a, SetValue) and isinstance(b, SetValue):
            one, two = content(a), content(b)
            result = arithmetic.binary(op, one, two) if one is not None and two is not None else UNKNOWN
            return self.heap.set(result if isinstance(result, set) else None)
        return self.risky()

    def _unary(self, node: ast.UnaryOp, frame: Frame) -> Value:
        value = self.evaluate(node.operand, frame)
        if isinstance(node.op, ast.Not):
            known, names = truth(value)
            return Unknown(names) if known is None else tag(not known, names)
        if isinstance(value, TensorValue):
            return self.heap.tensor(value.shape)
        plain = raw(value)
        return tag(arithmetic.unary(node.op, plain), deps(value)) if is_scalar(plain) else self.risky()

    def _bool(self, node: ast.BoolOp, frame: Frame) -> Value:
        """`and` / `or`: operands after one that decides are not evaluated; after an unknown one perhaps."""
        stop = isinstance(node.op, ast.Or)
        names: frozenset[str] = NO_DEPS
        for index, operand in enumerate(node.values):
            value = self.evaluate(operand, frame)
            known, more = truth(value)
            names = union(names, more)
            if not isinstance(operand, ast.Constant):
                self.trace.test(operand, node, frame.source, known, union(more, self.control))
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
                return self._bool(rest, frame)
            last = self.evaluate(single, frame)
            known, more = truth(last)
            if not isinstance(single, ast.Constant):
                self.trace.test(single, node, frame.source, known, union(more, self.control))
            return last

        results: list[Value] = []

        def run() -> bool:
            results.append(evaluate_rest())
            return True

        self.fork(frame, lambda: True, run)
        if not results:
            return Unknown(names)
        known, more = truth(results[0])
        if known is stop:
            # Whatever the unknown operand is, the whole has this truth; keep it when only truth can matter.
            return tag(stop, union(names, more)) if raw(results[0]) is stop else Unknown(union(names, more))
        return Unknown(union(names, more), None, hidden(value) or hidden(results[0]))

    def _compare(self, node: ast.Compare, frame: Frame) -> Value:
        left = self.evaluate(node.left, frame)
        names: frozenset[str] = NO_DEPS
        verdict: bool | None = True
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.evaluate(comparator, frame)
            names = union(names, union(deps(left), deps(right)))
            if isinstance(right, External) and right.path == "os.environ" and isinstance(raw(left), str):
                names = union(names, frozenset({setting_name(raw(left))}))
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
        if isinstance(container, (str, bytes)):
            return plain in container if type(plain) is type(container) else None
        if isinstance(container, range) and isinstance(plain, int):
            return plain in container
        if isinstance(container, External) and container.path == "os.environ":
            return self.variable_set(plain) if isinstance(plain, str) else None
        if isinstance(container, Instance) and "_items" in container.slots:
            content = self.heap.read(container.slots, "_items")
            return plain in content if isinstance(content, dict) and is_scalar(plain) else None
        if isinstance(container, Instance) and self.defines(container, "__contains__"):
            method = self.attribute(container, "__contains__", frame)
            return truth(self.call(method, [item], {}, ast.Pass(), frame))[0]
        content = container if type(container) is tuple else None
        if isinstance(container, Container):
            content = self.heap.content(container)
        if content is None or not is_scalar(plain):
            return None
        if isinstance(container, DictValue) and container.slots.get("open"):
            return True if plain in content else None
        if type(content) in (dict, set):
            return plain in content
        if any(is_scalar(value) and raw(value) == plain for value in content):
            return True
        return False if all(is_scalar(value) for value in content) else None

    def variable_set(self, name: str) -> bool | None:
        """Whether an environment variable is set; None when some path set or removed it."""
        value = self.heap.read(self.environment, name)
        if value is MISSING:
            return False
        return True if type(value) is not Unknown or "rank" in value.deps else None

    def _ternary(self, node: ast.IfExp, frame: Frame) -> Value:
        known, names = self.test(node.test, node, frame)
        if known is None:
            return self.fork_values(
                frame, lambda: self.evaluate(node.body, frame), lambda: self.evaluate(node.orelse, frame)
            )
        before, self.control = self.control, union(self.control, names)
        try:
            return tag(self.evaluate(node.body if known else node.orelse, frame), names)
        finally:
            self.control = before

    def _subscript(self, node: ast.Subscript, frame: Frame) -> Value:
        value = self.evaluate(node.value, frame)
        if isinstance(value, External) and value.path.startswith("typing."):
            return value
        key = self.evaluate(node.slice, frame)
        return self.item(value, key, node, frame)

    def item(self, value: Value, key: Value, node: ast.AST, frame: Frame) -> Value:
        """`value[key]`."""
        raise NotImplementedError

    def _tuple(self, node: ast.Tuple, frame: Frame) -> Value:
        items = self._items(node.elts, frame)
        return self.risky() if items is None else tuple(items)

    def _list(self, node: ast.List, frame: Frame) -> Value:
        return self.heap.list(self._items(node.elts, frame))

    def _set(self, node: ast.Set, frame: Frame) -> Value:
        items = self._items(node.elts, frame)
        plain = [raw(item) for item in items or ()]
        return self.heap.set(set(plain) if items is not None and all(is_scalar(item) for item in plain) else None)

    def _items(self, nodes: list[ast.expr], frame: Frame) -> list[Value] | None:
        items: list[Value] = []
        known = True
        for node in nodes:
            if not isinstance(node, ast.Starred):
                items.append(self.evaluate(node, frame))
                continue
            more = self.iterate(self.evaluate(node.value, frame), frame)
            known = known and more is not None
            items.extend(more or ())
        if not known:
            for item in items:
                self.heap.lose(item)
            self.flush(frame)
        return items if known else None

    def _dict(self, node: ast.Dict, frame: Frame) -> Value:
        content: dict[Value, Value] | None = {}
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            key = self.evaluate(key_node, frame) if key_node is not None else MISSING
            value = self.evaluate(value_node, frame)
            plain = raw(key)
            if key is MISSING:
                more = self.heap.content(value) if isinstance(value, DictValue) else None
                content = None if more is None or content is None else {**content, **more}
            elif hashable(plain) and content is not None:
                content[plain] = value
            else:
                content = None
            if content is None:
                self.heap.lose(value)
        self.flush(frame)
        return self.heap.dict(content)

    def _joined(self, node: ast.JoinedStr, frame: Frame) -> Value:
        parts: list[str] | None = []
        names: frozenset[str] = NO_DEPS
        for part in node.values:
            if isinstance(part, ast.Constant):
                text: Value = part.value
            elif isinstance(part, ast.FormattedValue):
                value = self.evaluate(part.value, frame)
                names = union(names, deps(value))
                plain = raw(value)
                if part.format_spec is not None:
                    self.evaluate(part.format_spec, frame)
                simple = part.format_spec is None and part.conversion == -1
                text = str(plain) if simple and isinstance(plain, (str, int, float, bool)) else None
            else:
                text = None
            parts = None if parts is None or not isinstance(text, str) else [*parts, text]
        if parts is None or sum(map(len, parts)) > arithmetic.MAX_LENGTH:
            return Unknown(names) if names else UNKNOWN
        return tag("".join(parts), names)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, frame: Frame) -> Value:
        scope = Scope(self.heap.slots(scope=True), "comprehension", frame.scope.module, frame.scope)
        inner = Frame(scope, frame.source, frame.function, frame.receiver, frame.mark, forks=1)
        keys: list[Value] = []
        values: list[Value] = []
        first = self.evaluate(node.generators[0].iter, frame)
        exact = self._generate(node, 0, inner, first, keys, values)
        if isinstance(node, ast.DictComp):
            plain = [raw(key) for key in keys]
            known = exact and all(hashable(key) for key in plain)
            return self._collected(self.heap.dict(dict(zip(plain, values, strict=True)) if known else None), values)
        if isinstance(node, ast.SetComp):
            known = exact and all(is_scalar(value) for value in values)
            return self.heap.set({raw(value) for value in values} if known else None)
        return self._collected(self.heap.list(values if exact else None), values)

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

    def _lambda(self, node: ast.Lambda, frame: Frame) -> Value:
        return self.function(node, "<lambda>", frame)

    def function(self, node: Any, name: str, frame: Frame) -> Function:
        """A function object for a `def` or `lambda`; defaults are evaluated now."""
        arguments = node.args
        defaults = [self.evaluate(default, frame) for default in arguments.defaults]
        keywords = {
            arg.arg: self.evaluate(default, frame)
            for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            if default is not None
        }
        return Function(node, frame.scope, name, defaults, keywords)

    def _named(self, node: ast.NamedExpr, frame: Frame) -> Value:
        value = self.evaluate(node.value, frame)
        scope = frame.scope
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        self.heap.write(scope.exported.get(node.target.id, scope.slots), node.target.id, tag(value, self.control))
        return value

    def _slice(self, node: ast.Slice, frame: Frame) -> Value:
        parts = [None if part is None else self.evaluate(part, frame) for part in (node.lower, node.upper, node.step)]
        plain = [raw(part) for part in parts]
        if all(part is None or isinstance(part, int) for part in plain):
            return slice(*plain)
        return UNKNOWN

    def _starred(self, node: ast.Starred | ast.Await, frame: Frame) -> Value:
        return self.evaluate(node.value, frame)

    def _yield(self, node: ast.Yield, frame: Frame) -> Value:
        frame.yields.append(None if node.value is None else self.evaluate(node.value, frame))
        return UNKNOWN

    def _yield_from(self, node: ast.YieldFrom, frame: Frame) -> Value:
        self.evaluate(node.value, frame)
        frame.yields.append(UNKNOWN)
        return UNKNOWN


def hashable(value: Value) -> bool:
    """Whether a (plain) value can be a key of a known dict: constants, flat tuples, and objects by identity."""
    if type(value) is tuple:
        return flat(value) and not any(type(item) is Dep for item in value)
    return not isinstance(value, (Unknown, External, Container, TensorValue, slice, Wrapped))


def flat(value: tuple[Value, ...]) -> bool:
    """Whether a tuple holds constants only."""
    return all(is_scalar(item) for item in value)


def plain_tuple(value: tuple[Value, ...]) -> tuple[Value, ...]:
    """The tuple without dependencies."""
    return tuple(raw(item) for item in value)
