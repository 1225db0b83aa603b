"""Expressions of the constant folder."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from harness.observe.reading.source.folding import methods
from harness.observe.reading.source.folding.library import BUILTINS, FUNCTIONS, MAX_ITEMS, constant
from harness.observe.reading.source.folding.operations import FAILURES, compare, operate
from harness.observe.reading.source.folding.payload import Undecodable
from harness.observe.reading.source.folding.values import (
    File,
    Function,
    Local,
    Method,
    PathTo,
    Ref,
    Spec,
    Unknown,
)
from harness.observe.reading.source.folding.workspace import Workspace


class Expressions(ABC):
    """Values of expressions, over the names of one scope."""

    def __init__(self, workspace: Workspace, names: dict[str, Any]) -> None:
        self.workspace = workspace
        self.names = names
        self.starred: list[str] = []
        """Modules whose names are all imported (`from base64 import *`)."""
        self.local_calls: set[tuple[str, str]] = set()
        """Functions of other files of the submission that are called."""
        self.local_uses = False
        """Whether anything of another file of the submission is used at all."""

    @abstractmethod
    def special(self, name: str, given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
        """Handle a call that executes code; return `NotImplemented` for all others."""

    @abstractmethod
    def load(self, spec: Spec, node: ast.Call) -> None:
        """Record a file that an import loader executes."""

    @abstractmethod
    def enter(self, target: Local, node: ast.Call) -> None:
        """Record a call of a function of an imported file."""

    @abstractmethod
    def call_function(self, function: Function, given: list[Any], named: dict[str, Any]) -> Any:
        """Follow a call of one of the script's own functions."""

    @abstractmethod
    def hand_over(self, function: Function) -> None:
        """Follow a function that is given away, since it may be called."""

    def value(self, node: ast.expr) -> Any:
        """Return the value of `node`, `Unknown` where it cannot be folded."""
        self.workspace.step()
        follow = self._EXPRESSIONS.get(type(node))
        if follow is None:
            return Unknown(f"{type(node).__name__} expressions are not folded")
        try:
            return follow(self, node)
        except Undecodable as reason:
            return Unknown(str(reason), decoding=True)
        except FAILURES as failure:
            return Unknown(f"{type(failure).__name__} when it was folded: {str(failure)[:100]}")

    def look_up(self, name: str) -> Any:
        """Return the value of a name; builtins are references."""
        if name in self.names:
            found = self.names[name]
            self.local_uses |= isinstance(found, Local)
            return found
        for module in self.starred:
            if f"{module}.{name}" in FUNCTIONS or not isinstance(constant(f"{module}.{name}"), Ref):
                return constant(f"{module}.{name}")
        return Ref(name) if name in BUILTINS else Unknown(f"name {name} is not known")

    def attribute(self, owner: Any, name: str) -> Any:
        """Return an attribute of a value; of a module, a constant or a reference."""
        if isinstance(owner, Unknown):
            return owner
        if isinstance(owner, Ref):
            return Ref(name) if owner.name == "builtins" else constant(f"{owner.name}.{name}")
        if isinstance(owner, Local):
            return Local(owner.module, owner.path, name)
        return methods.attribute(owner, name)

    def bind(self, target: ast.expr, value: Any) -> None:
        """Assign to a name, to names in a tuple, or to an item of a known list or dictionary."""
        if isinstance(target, ast.Name):
            self.names[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            values = self.iterate(value)
            known = list(values) if not isinstance(values, Unknown) else []
            for index, part in enumerate(target.elts):
                fits = len(known) == len(target.elts)
                self.bind(part, known[index] if fits else Unknown("an assignment to several names was not folded"))
        elif isinstance(target, ast.Subscript):
            owner, key = self.value(target.value), self.value(target.slice)
            if isinstance(owner, dict) and isinstance(key, (str, int)):
                owner[key] = value
            if isinstance(owner, list) and isinstance(key, int):
                owner[key] = value

    def iterate(self, value: Any) -> Iterable[Any] | Unknown:
        """Return the items of a known value."""
        if isinstance(value, Unknown):
            return value
        if isinstance(value, (list, tuple, dict, str, bytes, range)) and len(value) <= MAX_ITEMS:
            self.workspace.charge(value)
            return list(value)
        return Unknown("what is iterated over is not known")

    def operate(self, op: ast.operator, left: Any, right: Any) -> Any:
        """Return `left op right`, as long as the result stays small."""
        if isinstance(left, Unknown) or isinstance(right, Unknown):
            return left if isinstance(left, Unknown) else right
        self.workspace.charge(left, right)
        return self.workspace.derive(operate(op, left, right), left, right)

    # One method for each kind of expression

    def _name(self, node: ast.Name) -> Any:
        return self.look_up(node.id)

    def _walrus(self, node: ast.NamedExpr) -> Any:
        value = self.value(node.value)
        self.bind(node.target, value)
        return value

    def _attribute(self, node: ast.Attribute) -> Any:
        return self.attribute(self.value(node.value), node.attr)

    def _list(self, node: ast.List | ast.Tuple | ast.Set) -> Any:
        values: list[Any] = []
        for part in node.elts:
            if isinstance(part, ast.Starred):
                more = self.iterate(self.value(part.value))
                values += [more] if isinstance(more, Unknown) else more
            else:
                values.append(self.value(part))
        return tuple(values) if isinstance(node, ast.Tuple) else values

    def _dict(self, node: ast.Dict) -> Any:
        result: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            found = self.value(value)
            if key is None:
                result.update(found if isinstance(found, dict) else {})
            else:
                result[self.value(key)] = found
        return result

    def _binary(self, node: ast.BinOp) -> Any:
        return self.operate(node.op, self.value(node.left), self.value(node.right))

    def _unary(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        if isinstance(value, Unknown):
            return value
        if isinstance(node.op, ast.Not):
            return not value
        if not isinstance(value, (int, float)):
            return Unknown("an operation was not folded")
        return -value if isinstance(node.op, ast.USub) else ~int(value) if isinstance(node.op, ast.Invert) else value

    def _boolean(self, node: ast.BoolOp) -> Any:
        stop = isinstance(node.op, ast.Or)
        value: Any = None
        for part in node.values:
            value = self.value(part)
            if isinstance(value, Unknown) or bool(value) is stop:
                break
        return value

    def _compare(self, node: ast.Compare) -> Any:
        left = self.value(node.left)
        for op, part in zip(node.ops, node.comparators, strict=True):
            right = self.value(part)
            for side in (left, right):
                if isinstance(side, Unknown) or not isinstance(
                    side, (str, bytes, int, float, list, tuple, dict, type(None))
                ):
                    return side if isinstance(side, Unknown) else Unknown("a comparison was not folded")
            self.workspace.charge(left, right)
            if not compare(op, left, right):
                return False
            left = right
        return True

    def _choice(self, node: ast.IfExp) -> Any:
        test = self.value(node.test)
        if not isinstance(test, Unknown):
            return self.value(node.body if test else node.orelse)
        self.value(node.body)
        self.value(node.orelse)
        return Unknown("its value depends on a condition that is only known when the script runs")

    def _joined(self, node: ast.JoinedStr) -> Any:
        parts: list[str] = []
        for part in node.values:
            simple = not isinstance(part, ast.FormattedValue) or (part.format_spec is None and part.conversion == -1)
            value = self.value(part.value if isinstance(part, ast.FormattedValue) else part)
            if isinstance(value, Unknown):
                return value
            if not simple or not isinstance(value, (str, int, PathTo)):
                return Unknown("a formatted string was not folded")
            parts.append(_text(value))
        return methods.call(self.workspace, "", "join", [parts], {})

    def _subscript(self, node: ast.Subscript) -> Any:
        owner = self.value(node.value)
        key = self.value(node.slice)
        if isinstance(owner, Ref) and owner.name == "sys.argv" and key == 0:
            return self.look_up("__file__")
        for value in (owner, key):
            if isinstance(value, Unknown):
                return value
        if not isinstance(owner, (str, bytes, list, tuple, dict, range)):
            return Unknown("an item of something that is not known")
        self.workspace.charge(owner if isinstance(key, slice) else ())
        return self.workspace.derive(owner[key], owner)

    def _slice(self, node: ast.Slice) -> Any:
        bounds = [self.value(part) if part is not None else None for part in (node.lower, node.upper, node.step)]
        return next((bound for bound in bounds if isinstance(bound, Unknown)), slice(*bounds))

    def _lambda(self, node: ast.Lambda) -> Any:
        return Function(node, self.names)

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp) -> Any:
        if len(node.generators) != 1:
            return Unknown("a comprehension over several loops is not folded")
        loop = node.generators[0]
        values = self.iterate(self.value(loop.iter))
        if isinstance(values, Unknown):
            return values
        outside, self.names = self.names, dict(self.names)
        result: list[Any] = []
        try:
            for value in values:
                self.bind(loop.target, value)
                if all(self.value(test) is True for test in loop.ifs):
                    result.append(self.value(node.elt))
        finally:
            self.names = outside
        return next((item for item in result if isinstance(item, Unknown)), result)

    def _call(self, node: ast.Call) -> Any:
        function = self.value(node.func)
        given, named = self._given(node)
        for value in (*given, *named.values()):
            if isinstance(value, Function) and not isinstance(function, Function):
                self.hand_over(value)
        if isinstance(function, Function):
            return self.call_function(function, given, named)
        if isinstance(function, Local):
            self.local_calls.add((function.module, function.name))
            self.enter(function, node)
            return Unknown(f"{function.module} is a file of its own and is not folded")
        if isinstance(function, Ref):
            result = self._call_known(function.name, given, named, node)
        elif isinstance(function, Method):
            result = self._call_method(function, given, named, node)
        else:
            return function if isinstance(function, Unknown) else Unknown("a call was not folded")
        return result

    def _given(self, node: ast.Call) -> tuple[list[Any], dict[str, Any]]:
        given = self._list(ast.List(elts=node.args))
        named: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value)
            if keyword.arg is not None:
                named[keyword.arg] = value
            elif isinstance(value, dict):
                named.update({key: item for key, item in value.items() if isinstance(key, str)})
        return given, named

    def _call_known(self, name: str, given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
        if (result := self.special(name, given, named, node)) is not NotImplemented:
            return result
        if name in {"globals", "locals", "vars"} and not given:
            return self.names
        if name == "compile":  # the file name and the flags do not matter
            given, named = (given or [named.get("source")])[:1], {}
        for value in (*given, *named.values()):
            if (unknown := _unknown(value)) is not None:
                return unknown
        if name == "getattr" and len(given) >= 2:
            return self.attribute(given[0], str(given[1]))
        if name == "map" and len(given) == 2:
            return self._map(given[0], self.iterate(given[1]), node)
        handler = FUNCTIONS.get(name)
        return handler(self.workspace, given, named) if handler else Unknown(f"{name}() is not folded")

    def _map(self, function: Any, values: Iterable[Any] | Unknown, node: ast.Call) -> Any:
        if isinstance(values, Unknown):
            return values
        result = []
        for value in values:
            self.workspace.step()
            if isinstance(function, Function):
                result.append(self.call_function(function, [value], {}))
            else:
                result.append(self._call_known(function.name, [value], {}, node) if isinstance(function, Ref) else None)
        return result

    def _call_method(self, method: Method, given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
        if isinstance(method.owner, Spec):
            if method.name in {"exec_module", "load_module"}:
                self.load(method.owner, node)
            return Unknown("a module that was loaded is not folded")
        writes = isinstance(method.owner, (File, PathTo)) and method.name.startswith("write")
        for value in (*given, *named.values()):
            if (unknown := _unknown(value)) is not None and not writes:
                return unknown
        return methods.call(self.workspace, method.owner, method.name, given, named)

    _EXPRESSIONS: dict[type[ast.expr], Callable[..., Any]] = {  # noqa: RUF012  never written to
        ast.Constant: lambda _, node: node.value,
        ast.Name: _name,
        ast.NamedExpr: _walrus,
        ast.Attribute: _attribute,
        ast.List: _list,
        ast.Tuple: _list,
        ast.Set: _list,
        ast.Dict: _dict,
        ast.BinOp: _binary,
        ast.UnaryOp: _unary,
        ast.BoolOp: _boolean,
        ast.Compare: _compare,
        ast.IfExp: _choice,
        ast.JoinedStr: _joined,
        ast.Subscript: _subscript,
        ast.Slice: _slice,
        ast.Lambda: _lambda,
        ast.ListComp: _comprehension,
        ast.GeneratorExp: _comprehension,
        ast.SetComp: _comprehension,
        ast.Call: _call,
        ast.Await: lambda self, node: self.value(node.value),
        ast.Starred: lambda self, node: self.value(node.value),
    }


def _text(value: Any) -> str:
    return value.path if isinstance(value, PathTo) else str(value)


def _unknown(value: Any) -> Unknown | None:
    """Return what is unknown in an argument: itself, or an item of a list or tuple."""
    if isinstance(value, Unknown):
        return value
    if isinstance(value, (list, tuple)):
        return next((item for item in value if isinstance(item, Unknown)), None)
    return None
