"""A fixed number of bytes per token: a loss divided by ln 2 and a constant, and by nothing that was counted."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

from harness.model.base import Fact
from harness.observe.reading.accounting.program import Program
from harness.observe.reading.source.index import called, name_of

MAX_FOUND = 8
MAX_FACTORS = 24
SMALLEST, LARGEST = 1.2, 8.0
"""Bytes per token outside of these are another conversion."""
_PRODUCT = (ast.Div, ast.Mult)


def read_constants(program: Program) -> tuple[Fact[float], ...]:
    """Products in which a loss is divided by ln 2 and by a constant that may be a number of bytes per token."""
    products = [node for node in program.index.of(ast.BinOp) if isinstance(node.op, _PRODUCT)]
    inner = {id(side) for node in products for side in (node.left, node.right)}
    found: list[Fact[float]] = []
    for node in products:
        if id(node) in inner:
            continue
        value = _bytes_per_token(program, node)
        if value is not None:
            found.append(Fact(value=value, at=program.at(node), text=program.text(node)))
            if len(found) >= MAX_FOUND:
                break
    return tuple(found)


def _bytes_per_token(program: Program, root: ast.expr) -> float | None:
    constant, logs, measured = 1.0, 0, 0
    for factor, exponent in _factors(root):
        if (number := _number(program, factor)) is not None:
            if number == 0:
                return None
            if abs(number - math.log(2)) < 1e-4 or abs(number - 1 / math.log(2)) < 1e-4:
                logs += exponent if number < 1 else -exponent
            else:
                constant *= number**exponent
        elif _is_ln2(program, factor):
            logs += exponent
        elif exponent < 0:
            return None  # something counted stands below the line
        else:
            measured += 1
    if logs != -1 or measured == 0 or constant == 0:
        return None
    value = 1 / constant
    return round(value, 6) if SMALLEST < value < LARGEST and not value.is_integer() else None


def _factors(root: ast.expr) -> Iterator[tuple[ast.expr, int]]:
    """Factors of a product with their exponents, 1 or -1."""
    pending = [(root, 1)]
    for _ in range(MAX_FACTORS):
        if not pending:
            return
        node, exponent = pending.pop()
        if isinstance(node, ast.BinOp) and isinstance(node.op, _PRODUCT):
            pending.append((node.left, exponent))
            pending.append((node.right, -exponent if isinstance(node.op, ast.Div) else exponent))
        else:
            yield node, exponent


def _is_ln2(program: Program, node: ast.expr) -> bool:
    """`math.log(2)`, or a name that stands for it."""
    if isinstance(node, (ast.Name, ast.Attribute)) and (values := program.values.get(name_of(node) or "")):
        node = values[0][1]
    return (
        isinstance(node, ast.Call)
        and called(node) == "log"
        and len(node.args) == 1
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == 2
    )


def _number(program: Program, node: ast.expr) -> float | None:
    """A number, or a name that is assigned one number only; the default of an environment variable counts."""
    if isinstance(node, (ast.Name, ast.Attribute)):
        values = program.values.get(name_of(node) or "", [])
        if len(values) != 1:
            return None
        node = values[0][1]
        while isinstance(node, ast.Call) and node.args and called(node) in {"float", "get", "getenv"}:
            node = node.args[-1]
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                return float(node.value[:32])
            except ValueError:
                return None
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return float(node.value)
    return None
