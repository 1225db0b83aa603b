"""Walks over statements only: most questions about a tree need no look into its expressions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_BLOCKS = frozenset({"body", "orelse", "handlers", "finalbody", "cases"})
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def blocks(node: ast.AST) -> Iterator[list[ast.AST]]:
    """The statement lists directly below a node (also of its handlers and cases)."""
    for name in _BLOCKS.intersection(node._fields):
        block = getattr(node, name)
        if isinstance(block, list):
            yield block


def statements(node: ast.AST, *, own: bool = False) -> Iterator[ast.AST]:
    """All statements, handlers and cases below a node; with `own`, not those of functions and classes inside it."""
    stack = list(blocks(node))
    while stack:
        for child in stack.pop():
            yield child
            if not (own and isinstance(child, DEFINITIONS)):
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
