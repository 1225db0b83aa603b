"""Evaluation of expressions."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from harness.observe.reading.evaluate import arithmetic
from harness.observe.reading.evaluate.comprehensions import Comprehensions
from harness.observe.reading.evaluate.machine import Exhausted, Frame
from harness.observe.reading.evaluate.operators import Operators
from harness.observe.reading.evaluate.values import (
    MISSING,
    NO_DEPS,
    UNKNOWN,
    Deps,
    DictValue,
    External,
    Function,
    Scope,
    Unknown,
    Value,
    deps,
    hashable,
    is_scalar,
    large,
    raw,
    tag,
    text_of,
    union,
)

BUILTIN_NAMES = frozenset(dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__)


class Expressions(Operators, Comprehensions):
    """The expression half of the evaluator."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._expressions: dict[type[ast.AST], Callable[[Any, Frame], Value]] = {
            ast.Attribute: self._attribute,
            ast.Call: self._call,
            ast.BinOp: self._binary,
            ast.UnaryOp: self.unary,
            ast.BoolOp: self.boolean,
            ast.Compare: self.comparison,
            ast.IfExp: self._ternary,
            ast.Subscript: self._subscript,
            ast.Tuple: self._tuple,
            ast.List: self._list,
            ast.Set: self._set,
            ast.Dict: self._dict,
            ast.JoinedStr: self._joined,
            ast.ListComp: self.comprehension,
            ast.SetComp: self.comprehension,
            ast.GeneratorExp: self.comprehension,
            ast.DictComp: self.comprehension,
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
        self.fuel = left = self.fuel - 1
        if left < 0:
            raise Exhausted
        if type(node) is ast.Name:  # the two most frequent kinds first: a dispatch costs as much as they do
            scope, name = frame.scope, node.id
            slots = scope.slots
            if name in slots and not scope.exported:
                # What a function reads of its own is no news to the recorder of its call.
                recorder = self.heap.recorder
                own = recorder is None or slots.born >= recorder.start
                return slots[name] if own else self.heap.read(slots, name)
            return self._name(name, frame)
        if type(node) is ast.Constant:
            return node.value
        handler = self._expressions.get(type(node))
        return handler(node, frame) if handler is not None else UNKNOWN

    def test(self, node: ast.expr, owner: ast.AST, frame: Frame) -> tuple[bool | None, Deps]:
        """Truth of a condition, noted in the trace."""
        value, names = self.truth(self.evaluate(node, frame))
        if not isinstance(node, ast.Constant):
            self.trace.test(node, owner, frame.source, (value, names))
        return value, names

    def lookup(self, name: str, scope: Scope) -> Value:
        """Value of a name; MISSING when nothing defines it."""
        if scope.exported and name in scope.exported:
            return self.heap.read(scope.exported[name], name)
        if name in scope.slots:
            return self.heap.read(scope.slots, name)
        current = scope.parent
        while current is not None:
            if name in current.slots and current.kind != "class":
                return self.heap.read(current.slots, name)
            current = current.parent
        if name == "__name__":
            return scope.module.name
        if name == "__file__":
            return scope.module.source.path
        if name in BUILTIN_NAMES:
            return External(f"builtins.{name}")
        return MISSING

    def _name(self, name: str, frame: Frame) -> Value:
        value = self.lookup(name, frame.scope)
        if value is not MISSING:
            return value
        owner = frame.function.owner if frame.function is not None else None
        return owner if name == "__class__" and owner is not None else self.risky()

    def _attribute(self, node: ast.Attribute, frame: Frame) -> Value:
        return self.attribute(self.evaluate(node.value, frame), node.attr, frame)

    def _call(self, node: ast.Call, frame: Frame) -> Value:
        function = self.evaluate(node.func, frame)
        known = self.trace.callees.get(id(node))
        if known is None or function is not known[-1]:
            self.trace.called(node, function)
        args: list[Value] = []
        kwargs: dict[str, Value] = {}
        for arg in node.args:
            if type(arg) is ast.Starred:
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

    @abstractmethod
    def item(self, value: Value, key: Value, node: ast.AST, frame: Frame) -> Value:
        """`value[key]`."""

    def _tuple(self, node: ast.Tuple, frame: Frame) -> Value:
        items = self._items(node.elts, frame)
        return self.risky() if items is None or large(tuple(items)) else tuple(items)

    def _list(self, node: ast.List, frame: Frame) -> Value:
        return self.heap.new_list(self._items(node.elts, frame))

    def _set(self, node: ast.Set, frame: Frame) -> Value:
        items = self._items(node.elts, frame)
        plain = [raw(item) for item in items or ()]
        return self.heap.new_set(set(plain) if items is not None and all(is_scalar(item) for item in plain) else None)

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
        return self.heap.new_dict(content)

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
                text = text_of(plain) if simple else None
            else:
                text = None
            parts = None if parts is None or not isinstance(text, str) else [*parts, text]
        if parts is None or sum(map(len, parts)) > arithmetic.MAX_LENGTH:
            return Unknown(names) if names else UNKNOWN
        return tag("".join(parts), names)

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
