"""Values of settings as the source writes them: constants, and names that stand for constants."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Callable
from typing import Any

from harness.model.base import Scalar
from harness.observe.reading.operators import COMPARISONS, binary

MAX_TEXT = 2_000
"""Characters of a folded text."""
MAX_DEPTH = 40
"""Expressions inside one another, names that stand for other names included."""


class NotConstant(Exception):  # noqa: N818  an answer of the folder
    """The expression has no value that the source alone decides."""


_NUMBERS = binary(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.LShift)
_CASTS: dict[str, Callable[..., Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "max": max,
    "min": min,
    "abs": abs,
}
_METHODS = frozenset({"lower", "upper", "strip", "split", "join", "replace"})


class Constants:
    """Names of a file that are assigned once, outside functions, and the folding of expressions over them.

    `special` may give the value of a call that only the caller understands, such as a read of the environment at its
    default; it raises `NotConstant` or returns `NotImplemented` for all others.
    """

    def __init__(self, special: Callable[[ast.Call, int], Any] | None = None) -> None:
        self._nodes: dict[str, ast.expr | None] = {}
        self._known: dict[str, Any] = {}
        self._special = special
        self.scope = ""
        """The class, with a dot, whose names are looked up first."""

    def add(self, name: str, value: ast.expr | None) -> None:
        """Note an assignment; a name that is assigned again, or to no one value, is not constant."""
        self._nodes[name] = None if name in self._nodes else value

    def scalar(self, node: ast.expr) -> Scalar:
        """Return the value of `node` if it is a plain one; raise `NotConstant` otherwise."""
        value = self.fold(node)
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float) and value - value == 0:  # neither infinite nor NaN
            return value
        raise NotConstant

    def fold(self, node: ast.expr, depth: int = 0) -> Any:
        """Return the value of `node`; raise `NotConstant` where it has none."""
        if depth > MAX_DEPTH:
            raise NotConstant
        try:
            value = self._fold(node, depth + 1)
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError):
            raise NotConstant from None
        if isinstance(value, (str, tuple)) and len(value) > MAX_TEXT:
            raise NotConstant
        if isinstance(value, int) and abs(value) > 1 << 200:
            raise NotConstant
        return value

    def _fold(self, node: ast.expr, depth: int) -> Any:
        match node:
            case ast.Constant(value=value) if value is None or isinstance(value, (bool, int, float, str)):
                return value
            case ast.Name(id=name):
                return self._name(name, depth)
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                return self._name(f"{owner}.{name}", depth)
            case ast.UnaryOp(op=op, operand=operand):
                value = self.fold(operand, depth)
                return not value if isinstance(op, ast.Not) else -value if isinstance(op, ast.USub) else +value
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(op, self.fold(left, depth), self.fold(right, depth))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.fold(body if self.fold(test, depth) else orelse, depth)
            case ast.BoolOp(op=op, values=values):
                stop = isinstance(op, ast.Or)
                value = None
                for part in values:
                    value = self.fold(part, depth)
                    if bool(value) is stop:
                        break
                return value
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return COMPARISONS[type(op)](self.fold(left, depth), self.fold(right, depth))
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                return tuple(self.fold(part, depth) for part in parts[:MAX_TEXT])
            case ast.JoinedStr(values=parts):
                return "".join(self._piece(part, depth) for part in parts)
            case ast.Call():
                return self._call(node, depth)
        raise NotConstant

    def _name(self, name: str, depth: int) -> Any:
        name = self.scope + name if self.scope + name in self._nodes else name
        if name not in self._known:
            node = self._nodes.get(name)
            if node is None:
                raise NotConstant
            self._known[name] = self.fold(node, depth)
        return self._known[name]

    def _piece(self, part: ast.expr, depth: int) -> str:
        if isinstance(part, ast.Constant):
            return str(part.value)
        if isinstance(part, ast.FormattedValue) and part.format_spec is None and part.conversion == -1:
            return str(self.fold(part.value, depth))
        raise NotConstant

    def _binary(self, op: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(left, str) and isinstance(right, str) and isinstance(op, ast.Add):
            return left + right
        if not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
            raise NotConstant
        if isinstance(op, (ast.Pow, ast.LShift)) and not (abs(left) <= 1 << 32 and -64 <= right <= 128):
            raise NotConstant
        return _NUMBERS[type(op)](left, right)

    def _call(self, node: ast.Call, depth: int) -> Any:
        if self._special is not None and (value := self._special(node, depth)) is not NotImplemented:
            return value
        if node.keywords or len(node.args) > 16:
            raise NotConstant
        arguments = [self.fold(argument, depth) for argument in node.args]
        match node.func:
            case ast.Name(id=name) if name in _CASTS:
                return _CASTS[name](*arguments)
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="os"), attr="path"), attr="join"):
                return posixpath.join(*arguments)
            case ast.Name(id="Path") | ast.Attribute(value=ast.Name(id="pathlib"), attr="Path"):
                return posixpath.join(*arguments)
            case ast.Attribute(value=owner, attr=name) if name in _METHODS:
                text = self.fold(owner, depth)
                if isinstance(text, str):
                    value = getattr(text, name)(*arguments)
                    return tuple(value) if isinstance(value, list) else value
        raise NotConstant
