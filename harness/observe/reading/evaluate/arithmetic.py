"""Operators on constants, with limits on what a hostile constant can cost."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from harness.observe.reading.evaluate.values import UNKNOWN, Value
from harness.observe.reading.operators import BINARY, ORDERINGS

MAX_BITS = 20_000
MAX_LENGTH = 100_000
"""Longest string, bytes or tuple that an operator may build."""
MAX_ITEMS = 4_096
"""Longest list whose items are kept; longer ones have unknown content."""

_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}


def binary(op: ast.operator, left: Any, right: Any) -> Value:
    """`left op right` on plain constants or tuples; UNKNOWN when it fails or would be too large."""
    kind = type(op)
    function = BINARY.get(kind)
    if function is None or not _affordable(kind, left, right):
        return UNKNOWN
    try:
        return function(left, right)
    except (ArithmeticError, TypeError, ValueError, MemoryError):
        return UNKNOWN


def compare(op: ast.cmpop, left: Any, right: Any) -> bool | None:
    """`left op right` of ordering or equality on plain constants; None when it fails."""
    function = ORDERINGS.get(type(op))
    if function is None:
        return None
    try:
        return bool(function(left, right))
    except (TypeError, ValueError):
        return None


def unary(op: ast.unaryop, value: Any) -> Value:
    """`op value` on a plain constant; UNKNOWN when it fails."""
    try:
        return _UNARY[type(op)](value)
    except (TypeError, ValueError, ArithmeticError):
        return UNKNOWN


def _affordable(kind: type[ast.operator], left: Any, right: Any) -> bool:
    if isinstance(left, int) and isinstance(right, int):
        if kind is ast.Pow:
            return abs(right) * max(left.bit_length(), 1) <= MAX_BITS
        if kind is ast.LShift:
            return 0 <= right <= MAX_BITS and left.bit_length() <= MAX_BITS
        return left.bit_length() <= MAX_BITS and right.bit_length() <= MAX_BITS
    if kind is ast.Mult:
        for sequence, times in ((left, right), (right, left)):
            if isinstance(sequence, (str, bytes, tuple)) and isinstance(times, int):
                return len(sequence) * max(times, 0) <= MAX_LENGTH
    if kind is ast.Add and isinstance(left, (str, bytes, tuple)) and isinstance(right, (str, bytes, tuple)):
        return len(left) + len(right) <= MAX_LENGTH
    # `%` on text is formatting: a width in it can ask for gigabytes.
    return not (kind is ast.Mod and isinstance(left, (str, bytes)))
