"""Names that code binds: what makes a variable local."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

from harness.observe.reading.evaluate.tree import DEFINITIONS, blocks
from harness.observe.reading.source.index import nodes_under


def bound_names(body: list[ast.stmt]) -> frozenset[str]:
    """Names that statements bind, without those of functions and classes inside and those declared elsewhere."""
    names: set[str] = set()
    elsewhere: set[str] = set()
    stack: list[list[Any]] = [body]
    while stack:
        for node in stack.pop():
            binds = _BINDS.get(type(node))
            if binds is not None:
                names.update(binds(node))
            if isinstance(node, (ast.Global, ast.Nonlocal)):
                elsewhere.update(node.names)
            elif not isinstance(node, DEFINITIONS):
                stack.extend(blocks(node))
    return frozenset(names - elsewhere)


def stored_names(part: ast.AST) -> list[str]:
    """Names that a target binds, or that `:=` binds inside an expression."""
    if isinstance(part, ast.Name):
        return [part.id] if isinstance(part.ctx, ast.Store) else []
    return [node.id for node in nodes_under(part) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [(alias.asname or alias.name).split(".")[0] for alias in node.names]


def _with(node: ast.With | ast.AsyncWith) -> list[str]:
    return [name for item in node.items if item.optional_vars is not None for name in stored_names(item.optional_vars)]


def _defined(node: Any) -> list[str]:
    return [node.name] if node.name else []


def _target(node: Any) -> list[str]:
    return stored_names(node.target)


def _test(node: Any) -> list[str]:
    return stored_names(node.test)


_BINDS: dict[type[ast.AST], Callable[[Any], Iterable[str]]] = {
    **dict.fromkeys((*DEFINITIONS, ast.ExceptHandler), _defined),
    **dict.fromkeys((ast.Import, ast.ImportFrom), _imported),
    **dict.fromkeys((ast.AnnAssign, ast.AugAssign, ast.For, ast.AsyncFor), _target),
    **dict.fromkeys((ast.If, ast.While), _test),
    **dict.fromkeys((ast.With, ast.AsyncWith), _with),
    ast.Assign: lambda node: [name for target in node.targets for name in stored_names(target)],
    ast.match_case: lambda node: stored_names(node.pattern),
}
"""How statements bind names: by their targets, and by `:=` in the conditions of branches and loops."""
