"""Calls that collect statistics for quantisation, and the data they run on."""

from __future__ import annotations

import ast
import re
from collections import deque

from harness.model.accounting import Calibration
from harness.observe.reading.accounting.program import MAX_DEPTH, Program
from harness.observe.reading.source.index import called, name_of, nodes_under

MAX_CALLS = 12
_PATTERNS = {
    "train": re.compile(r"(?<![a-z])train[\w*-]{0,40}\.bin|fineweb_train"),
    "validation": re.compile(r"(?<![a-z])val[\w*-]{0,40}\.bin|fineweb_val"),
}
_DRAWS = frozenset({"multinomial"})
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef)
_MAX_VISITS = 6_000


def read_calibrations(program: Program) -> tuple[Calibration, ...]:
    """Every call of a function that sums x^T x in forward hooks, with the kind of data in its arguments."""
    if "register_forward" not in program.source:
        return ()
    collectors = {f.name: f for f in program.functions_around("register_forward") if _collects(f)}
    if not collectors:
        return ()
    origins = _Origins(program)
    found = []
    for node in program.index.of(ast.Call):
        collector = collectors.get(called(node) or "")
        if collector is None or collector.lineno <= node.lineno <= (collector.end_lineno or 0):
            continue
        # An argument that leads to one kind of data tells; settings and models lead to several, or to none.
        told = [origins.of(a, node.lineno) for a in (*node.args, *(k.value for k in node.keywords))]
        told += [origins.of(collector, node.lineno)] if not any(told) else []
        data = set().union(*(kinds for kinds in told if len(kinds) == 1)) or set().union(*told)
        found.append(Calibration(at=program.at(node), collector=program.at(collector), data=tuple(sorted(data))))
        if len(found) >= MAX_CALLS:
            break
    return tuple(found)


def _collects(function: ast.AST) -> bool:
    """Hooks and products, in a function that does not train as well: of a whole program the data could not be told."""
    hooks = gram = False
    for node in nodes_under(function):
        if called(node) == "backward":
            return False
        hooks = hooks or called(node) in {"register_forward_hook", "register_forward_pre_hook"}
        gram = gram or _is_gram(node)
    return hooks and gram


def _is_gram(node: ast.AST) -> bool:
    """`x.T @ x` in any of its spellings."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return _transposed(node.left) is not None and _transposed(node.left) == _plain(node.right)
    if isinstance(node, ast.Call) and called(node) in {"addmm_", "addmm", "mm", "matmul"} and len(node.args) >= 2:
        left, right = node.args[-2:]
        return _transposed(left) is not None and _transposed(left) == _plain(right)
    if isinstance(node, ast.Call) and called(node) in {"mm", "matmul"} and isinstance(node.func, ast.Attribute):
        return _transposed(node.func.value) is not None and _transposed(node.func.value) == _plain(node.args[0])
    return False


def _transposed(node: ast.expr) -> str | None:
    if isinstance(node, ast.Call) and called(node) in {"t", "transpose"} and isinstance(node.func, ast.Attribute):
        return _plain(node.func.value)
    if isinstance(node, ast.Attribute) and node.attr in {"T", "mT"}:
        return _plain(node.value)
    return None


def _plain(node: ast.expr) -> str | None:
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and called(node) in {"float", "to"}:
        node = node.func.value
    return name_of(node)


class _Origins:
    """Follows names, calls and attributes of an expression to patterns of files and to random draws."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def of(self, root: ast.expr | ast.stmt, line: int) -> set[str]:
        """The kinds of data that `root`, met at `line`, is made of."""
        left = _MAX_VISITS
        found: set[str] = set()
        seen: set[str] = set()
        pending: deque[tuple[ast.AST, int]] = deque([(root, 0)])  # the nearest first
        while pending and left > 0:
            tree, depth = pending.popleft()
            nodes = nodes_under(tree)[:left]
            left -= len(nodes)
            for node in nodes:
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found |= {kind for kind, pattern in _PATTERNS.items() if pattern.search(node.value[:300])}
                elif isinstance(node, ast.Call) and name_of(node.func) in _DRAWS:
                    found.add("generated")
                name = name_of(node)
                if name is None or name in seen or depth >= MAX_DEPTH:
                    continue
                seen.add(name)
                pending += self._meaning(node, name, line, depth, in_scope=not isinstance(tree, _SCOPES))
        return found

    def _meaning(self, node: ast.AST, name: str, line: int, depth: int, *, in_scope: bool) -> list[tuple[ast.AST, int]]:
        """What a name stands for: a definition, the value of a setting, or, in the caller's scope, of a variable."""
        definitions = self._program.definitions.get(name)
        if definitions and not isinstance(node, ast.Attribute):
            made = definitions[-1]
            if isinstance(made, ast.ClassDef):  # of a class its methods: a class of settings names every file there is
                return [(part, depth + 1) for part in made.body if isinstance(part, ast.FunctionDef)]
            return [(made, depth + 1)]
        if isinstance(node, ast.Attribute):
            values = self._program.values.get(name, [])
            return [(values[0][1], depth + 1)] if len(values) == 1 else []
        value = self._program.value_before(name, line) if in_scope else None
        return [(value, depth + 1)] if value is not None else []
