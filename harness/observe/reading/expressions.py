"""Small questions about expressions and statements that several readers ask."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from harness.observe.reading.source.accesses import own_expressions
from harness.observe.reading.source.index import nodes_under
from harness.observe.reading.source.outline import Outline


def last_name(node: ast.expr) -> str:
    """`c` of `a.b.c`; empty where the expression is no name."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def root_name(node: ast.expr) -> str | None:
    """`a` of `a.b[c]`; None where the expression starts with no name."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def bound(target: ast.expr) -> Iterator[str]:
    """Names that an assignment to `target` binds."""
    for node in nodes_under(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """All nodes of a statement's own expressions."""
    for expression in own_expressions(statement):
        yield from nodes_under(expression)


def lines_of(pattern: re.Pattern[str], text: str) -> list[int]:
    """Numbers (from 1) of the lines of `text` that hold `pattern`, which must not go over the end of a line."""
    found: list[int] = []
    start, number = 0, 1
    while (match := pattern.search(text, start)) is not None:
        number += text.count("\n", start, match.start())
        found.append(number)
        start = text.find("\n", match.start()) + 1
        if not start:
            break
        number += 1
    return found


def same_name(node: ast.AST, other: ast.AST) -> bool:
    """Whether two names, attributes or entries are spelled alike."""
    if not isinstance(node, (ast.Subscript, ast.Name, ast.Attribute)) or type(node) is not type(other):
        return False
    return list(map(_word, nodes_under(node))) == list(map(_word, nodes_under(other)))


def _word(node: ast.AST) -> tuple[type, object]:
    return type(node), node.value if isinstance(node, ast.Constant) else getattr(
        node, "id", getattr(node, "attr", None)
    )


class Assigned:
    """What the names of each function are assigned, wherever in it."""

    def __init__(self, found: Outline) -> None:
        self._found = found
        self._values: dict[ast.stmt | None, dict[str, list[ast.expr]]] = {}

    def reaching(
        self, start: Iterable[ast.expr], function: ast.stmt | None, without: ast.expr | None = None
    ) -> list[ast.expr]:
        """Expressions whose values go into those of `start`, these first, through names of the function.

        What is assigned by the expression `without` is not followed.
        """
        values = self._of(function)
        found = list(start)
        seen: set[str] = set()
        for expression in found:  # it grows on the way
            names = {node.id for node in nodes_under(expression) if isinstance(node, ast.Name)} - seen
            seen |= names
            found += [value for name in names for value in values.get(name, ()) if value is not without]
        return found

    def _of(self, function: ast.stmt | None) -> dict[str, list[ast.expr]]:
        if function not in self._values:
            values = self._values[function] = {}
            for statement, _ in self._found.inside(function):
                if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
                    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                    for name in (name for target in targets for name in bound(target)):
                        values.setdefault(name, []).extend([] if statement.value is None else [statement.value])
        return self._values[function]
