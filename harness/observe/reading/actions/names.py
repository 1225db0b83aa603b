"""Dotted names of expressions, with the aliases of imports resolved: the library's name for it."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from harness.observe.reading.source.outline import Surroundings

MAX_DEPTH = 12
_BINDING = frozenset({ast.Assign, ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef})
_NAMED = frozenset({ast.Attribute, ast.Name, ast.Call})
"""Values that may be another name for something of a library."""


class Names:
    """What the names of one file stand for. Names that the file binds itself, other than by import, resolve to None."""

    def __init__(self, statements: Iterable[tuple[ast.stmt, Surroundings]]) -> None:
        self.aliases: dict[str, str] = {}
        self.bound: set[str] = set()
        for statement, _ in statements:
            if type(statement) in _BINDING:
                self._note(statement)

    def _note(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Assign):
            target, value = statement.targets[0], statement.value
            if type(target) is ast.Name and type(value) in _NAMED and len(statement.targets) == 1:
                meaning = self.resolve(value)
                if meaning is not None and "." in meaning:
                    self.aliases.setdefault(target.id, meaning)
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                if alias.asname:
                    self.aliases[alias.asname] = alias.name
                else:
                    root = alias.name.split(".")[0]
                    self.aliases[root] = root
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            for alias in statement.names:
                self.aliases[alias.asname or alias.name] = f"{statement.module}.{alias.name}"
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.bound.add(statement.name)

    def resolve(self, node: ast.expr) -> str | None:
        """The dotted name of an expression that starts at an imported module or a builtin, else None."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute) and len(parts) < MAX_DEPTH:
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            root = self.aliases.get(node.id)
            if root is None:
                return node.id if not parts and node.id not in self.bound else None
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            root = str(node.args[0].value) if self._imports(node.func) else None
            if root is None or not isinstance(node.args[0].value, str):
                return None
        else:
            return None
        return ".".join((root, *reversed(parts)))

    def _imports(self, function: ast.expr) -> bool:
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        return name in {"__import__", "import_module"}


def constants(node: ast.AST, limit: int = 60) -> str:
    """The text constants inside an expression, joined by blanks in reading order; at most `limit` nodes are visited."""
    found: list[str] = []
    stack: list[ast.AST] = [node]
    while stack and limit > 0:
        limit -= 1
        item = stack.pop()
        if isinstance(item, ast.Constant):
            if isinstance(item.value, str):
                found.append(item.value[:200])
        else:
            stack.extend(reversed(list(ast.iter_child_nodes(item))))
    return " ".join(found)[:400]
