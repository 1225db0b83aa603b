"""Walks over statements only: most questions about a tree need no look into its expressions."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")
_BLOCKS_OF = {
    kind: names
    for kind in vars(ast).values()
    if isinstance(kind, type) and (names := [name for name in _BLOCKS if name in getattr(kind, "_fields", ())])
}
"""Fields that hold statements, by type of node: most types have none."""
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def blocks(node: ast.AST) -> Sequence[list[ast.AST]]:
    """The statement lists directly below a node (also of its handlers and cases)."""
    names = _BLOCKS_OF.get(type(node))
    if names is None:
        return ()
    # The body of a lambda is an expression.
    return [block for name in names if isinstance(block := getattr(node, name), list)]


def statements(node: ast.AST, *, own: bool = False) -> Iterator[ast.AST]:
    """All statements, handlers and cases below a node; with `own`, not those of functions and classes inside it."""
    stack = list(blocks(node))
    while stack:
        for child in stack.pop():
            yield child
            if type(child) in _BLOCKS_OF and not (own and isinstance(child, DEFINITIONS)):
                stack.extend(blocks(child))


def returns(node: ast.AST) -> bool:
    """Whether a `return` of the same function stands below the statement."""
    return any(isinstance(child, ast.Return) for child in statements(node, own=True))


def yields(node: ast.AST) -> bool:
    """Whether a function yields, as a statement of its own or as the right side of an assignment."""
    for child in statements(node, own=True):
        value = getattr(child, "value", None)
        if isinstance(value, (ast.Yield, ast.YieldFrom)):
            return True
    return False
