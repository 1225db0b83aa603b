"""What the names of a program stand for, beside the lists of its nodes."""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from harness.model.base import At, snippet
from harness.observe.reading.source.grammar import Parsed
from harness.observe.reading.source.index import name_of
from harness.observe.reading.source.outline import Definition

MAX_DEPTH = 5
"""Assignments followed from a name to its value, and functions from a call to what it calls."""

_NAMING = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.NamedExpr})


class Program:
    """The innermost text of a script: its nodes, definitions by name, assignments by name."""

    def __init__(self, path: str, parsed: Parsed, layer: int) -> None:
        self.path = path
        self.layer = layer
        self.source = parsed.text
        self.index = parsed.index
        self._lines = parsed.text.split("\n")
        self.definitions: dict[str, list[Definition]] = {}
        self.values: dict[str, list[tuple[int, ast.expr]]] = {}
        """Name or attribute to (line, value) of every assignment to it."""
        for node in self.index.nodes:
            if type(node) not in _NAMING:
                continue
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self.definitions.setdefault(node.name, []).append(node)
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    self._assigned(target, node.value, node.lineno)
            elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
                self._assigned(node.target, node.value, node.lineno)

    def _assigned(self, target: ast.expr, value: ast.expr, line: int) -> None:
        pairs: Iterable[tuple[ast.expr, ast.expr]] = ((target, value),)
        if isinstance(target, (ast.Tuple, ast.List)):
            pairs = ((part, value) for part in target.elts)
            if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
                pairs = zip(target.elts, value.elts, strict=True)
        for part, its in pairs:
            if name := name_of(part):
                self.values.setdefault(name, []).append((line, its))

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """All function definitions, outer ones first."""
        for group in self.definitions.values():
            for definition in group:
                if isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield definition

    def functions_around(self, word: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Functions whose lines hold `word`: the only ones worth walking for it."""
        held = [number for number, line in enumerate(self._lines, 1) if word in line]
        for function in self.functions():
            at = bisect_left(held, function.lineno)
            if at < len(held) and held[at] <= (function.end_lineno or function.lineno):
                yield function

    def value_before(self, name: str, line: int) -> ast.expr | None:
        """The last value assigned to `name` above `line`, else the first one below."""
        found = self.values.get(name)
        if not found:
            return None
        above = [value for at, value in found if at <= line]
        return above[-1] if above else found[0][1]

    def at(self, node: ast.expr | ast.stmt) -> At:
        """The place of a node."""
        return At(path=self.path, line=node.lineno, end_line=node.end_lineno, layer=self.layer)

    def text(self, node: ast.expr | ast.stmt) -> str:
        """The first line of a node."""
        line = self._lines[node.lineno - 1] if 0 < node.lineno <= len(self._lines) else ""
        if len(line) > 300:  # several statements on one line of golfed code
            line = line.encode()[node.col_offset : node.col_offset + 240].decode(errors="replace")
        return snippet(line.strip())
