"""Operators of the constant folder, with limits on what they make."""

from __future__ import annotations

import ast
from typing import Any

from harness.observe.reading.operators import BINARY, COMPARISONS
from harness.observe.reading.source.folding import methods
from harness.observe.reading.source.folding.library import MAX_ITEMS
from harness.observe.reading.source.folding.payload import MAX_OUTPUT
from harness.observe.reading.source.folding.values import PathTo, Unknown, absolute

_BITS = 100_000
"""Longest number that is multiplied or divided; such numbers take quadratic time."""
FAILURES = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, MemoryError)
"""What whitelisted operations raise on values that do not fit."""
_OPERATORS = {kind: function for kind, function in BINARY.items() if kind is not ast.Pow}
"""No powers: a wrapper needs none, and their size is hard to bound."""


def operate(op: ast.operator, left: Any, right: Any) -> Any:
    """Return `left op right` for known values; unknown where it would grow beyond the limits."""
    if isinstance(op, ast.Div) and isinstance(left, (PathTo, str)) and isinstance(right, (PathTo, str)):
        base, name = (side.path if isinstance(side, PathTo) else side for side in (left, right))
        return PathTo(absolute(name if name.startswith("/") else f"{base}/{name}"))
    if isinstance(op, ast.Mod) and isinstance(left, str):
        return methods.percent(left, right)
    function = _OPERATORS.get(type(op))
    if function is None or not _small(op, left, right):
        return Unknown("an operation was not folded")
    return function(left, right)


def compare(op: ast.cmpop, left: Any, right: Any) -> bool:
    """Return the outcome of a comparison of known values."""
    return bool(COMPARISONS[type(op)](left, right))


def _small(op: ast.operator, left: Any, right: Any) -> bool:
    """Whether an operation stays within the limits on the length of strings, lists and numbers."""
    if isinstance(left, int) and isinstance(right, int):
        if isinstance(op, ast.LShift):
            return right <= 8 * MAX_OUTPUT and left.bit_length() <= 8 * MAX_OUTPUT
        if isinstance(op, (ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)):
            return max(left.bit_length(), right.bit_length()) <= _BITS
        return True
    if isinstance(op, ast.Mult):
        size = len(left) * right if isinstance(right, int) else len(right) * left if isinstance(left, int) else 0
        return size <= (MAX_OUTPUT if isinstance(left, (str, bytes)) or isinstance(right, (str, bytes)) else MAX_ITEMS)
    if isinstance(op, ast.Add) and isinstance(left, (str, bytes, list, tuple)):
        return len(left) + len(right) <= MAX_OUTPUT
    return isinstance(left, (int, float, list, tuple, str, bytes)) and isinstance(
        right, (int, float, list, tuple, str, bytes)
    )
