"""The nodes of a parsed tree as lists, by kind, so that what has been walked once is not walked again."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any, TypeVar, cast

N = TypeVar("N", bound=ast.AST)

_WORDS = frozenset(
    {
        "arg", "asname", "attr", "conversion", "id", "is_async", "kind", "kwd_attrs", "level", "module", "name", "rest",
        "simple", "type_comment", "type_ignores",
    }
)  # fmt: skip
"""Fields that hold words and numbers."""
_SIGNS = frozenset({"ctx", "op", "ops"})
"""Fields that hold operators and contexts: the same few objects in all places, a third of what `ast.walk` gives."""
_BARE = (ast.Constant, ast.Global, ast.Nonlocal)
"""Kinds whose other fields hold no nodes either."""


def _kinds(base: type[ast.AST] = ast.AST) -> Iterator[type[ast.AST]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


_FIELDS: dict[type, tuple[str, ...]] = {
    kind: () if issubclass(kind, _BARE) else tuple(name for name in kind._fields if name not in _WORDS | _SIGNS)
    for kind in _kinds()
}
"""For every kind of node the fields in which its parts stand."""
_PARTS: dict[type, Callable[[ast.AST], Any]] = {kind: attrgetter(*names) for kind, names in _FIELDS.items() if names}
"""For every kind of node that has parts what gives them: a tuple, or the only one."""
_GAPPED = frozenset({ast.Dict, ast.arguments})
"""Kinds with lists that leave places empty: keys of `{**a}`, defaults of keywords that have none."""


def nodes_under(root: ast.AST) -> list[ast.AST]:
    """`root` and all nodes under it, the nearest first: the order of `ast.walk`, without operators and contexts."""
    found = [root]
    add, parts_of_kind = found.append, _PARTS
    for node in found:  # it grows on the way
        kind = type(node)
        if kind not in parts_of_kind:
            continue
        parts = parts_of_kind[kind](node)
        for part in parts if type(parts) is tuple else (parts,):
            if type(part) is list:
                found += part if kind not in _GAPPED else filter(None, part)
            elif part is not None:
                add(part)
    return found


def parts_of(node: ast.AST) -> list[ast.AST]:
    """The nodes right under `node`, in order, without operators and contexts."""
    found: list[ast.AST] = []
    for name in _FIELDS[type(node)]:
        part = getattr(node, name)
        if type(part) is list:
            found += filter(None, part)
        elif part is not None:
            found.append(part)
    return found


def name_of(node: ast.AST) -> str | None:
    """The name of a variable, or the last part of an attribute."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def called(node: ast.AST) -> str | None:
    """The last part of what a call calls; None for anything else."""
    return name_of(node.func) if isinstance(node, ast.Call) else None


class Index:
    """All nodes of a tree in the order of `nodes_under`, those of each kind, and the calls by name."""

    def __init__(self, tree: ast.AST) -> None:
        self.nodes = nodes_under(tree)
        self._of: defaultdict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        for node in self.nodes:
            self._of[type(node)].append(node)

    def of(self, kind: type[N]) -> list[N]:
        """The nodes of just this kind."""
        return cast(list[N], self._of.get(kind, []))

    @cached_property
    def calls(self) -> Mapping[str, Sequence[ast.Call]]:
        """The calls by the last part of what they call."""
        found: defaultdict[str, list[ast.Call]] = defaultdict(list)
        for call in self.of(ast.Call):
            if name := name_of(call.func):
                found[name].append(call)
        return dict(found)
