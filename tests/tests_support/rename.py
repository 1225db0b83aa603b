"""Renames what a script names itself: for tests that no finding depends on identifiers that an author chose."""

from __future__ import annotations

import ast
import builtins
import io
import keyword
import pathlib
import random
import re
from collections.abc import Iterable, Iterator
from functools import cache

_TYPES = (str, bytes, int, float, complex, list, tuple, dict, set, frozenset, slice, type, BaseException, property)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_TORCH = {"torch", "nn", "optim", "Tensor", "F"}


def rename_identifiers(source: str, seed: int) -> str:
    """`source` with every identifier that it defines itself renamed consistently; formatting and comments are lost.

    Renamed are variables, functions, classes, parameters, own keyword arguments, methods and attributes. Kept are
    builtins, imported names and their attributes, names that a library gives to its objects, keyword arguments of
    library calls, strings, and attributes that a string names (`getattr(x, "name")`, patterns over parameter names).
    Raises SyntaxError for what does not parse, ValueError for what `ast.unparse` cannot write.
    """
    tree = ast.parse(source)
    found = _Definitions(tree)
    names = sorted(found.variables | found.attributes)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | found.everything
    fresh = _fresh(random.Random(seed), used, len(names))
    table = {name: _underscores(name) + new for name, new in zip(names, fresh, strict=True)}
    renamer = _Renamer(
        {name: table[name] for name in found.variables}, {name: table[name] for name in found.attributes}, found
    )
    return ast.unparse(ast.fix_missing_locations(renamer.visit(tree)))


class _Definitions:
    """Names that a program defines and that can be renamed: `variables` by themselves, `attributes` after a dot."""

    def __init__(self, tree: ast.Module) -> None:
        nodes = list(ast.walk(tree))
        self.parameters = _parameters(nodes)
        imported = {(alias.asname or alias.name).split(".")[0] for alias in _aliases(nodes)}
        stored = set(_stored(nodes))
        members = {name for node in nodes if isinstance(node, ast.ClassDef) for name in _members(node)}
        assigned = {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
        foreign = set(self._foreign_keywords(nodes))
        kept = _library_names() | imported | foreign | set(_library_attributes(nodes, imported))
        kept |= set(_inherited(nodes, imported))
        self.everything = stored | members | assigned | kept
        named = set(_words(nodes))
        # A method called as a builtin is (`next`) keeps its name: where it is defined and where it is called.
        own = set(dir(builtins))
        self.attributes = {name for name in members | assigned if not _special(name)} - kept - named - own
        fixed = own | imported | foreign | (members - self.attributes)
        self.variables = {name for name in stored if not _special(name)} - fixed

    def own_keyword(self, call: ast.Call, name: str | None) -> bool:
        """Whether a keyword argument is a parameter of a function or class that the program defines."""
        func = call.func
        called = func.id if isinstance(func, ast.Name) else func.attr if isinstance(func, ast.Attribute) else None
        return name in self.parameters.get(called or "", ())

    def _foreign_keywords(self, nodes: Iterable[ast.AST]) -> Iterator[str]:
        for node in nodes:
            if isinstance(node, ast.Call):
                yield from (k.arg for k in node.keywords if k.arg is not None and not self.own_keyword(node, k.arg))
            elif isinstance(node, ast.ClassDef):
                yield from (k.arg for k in node.keywords if k.arg is not None)


class _Renamer(ast.NodeTransformer):
    def __init__(self, variables: dict[str, str], attributes: dict[str, str], found: _Definitions) -> None:
        self.variables, self.attributes, self.found = variables, attributes, found

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Call):
            for word in node.keywords:
                if word.arg is not None and self.found.own_keyword(node, word.arg):
                    word.arg = self.variables.get(word.arg, word.arg)
        if isinstance(node, ast.Name):
            node.id = self.variables.get(node.id, node.id)
        elif isinstance(node, ast.Attribute):
            node.attr = self.attributes.get(node.attr, node.attr)
        elif isinstance(node, ast.arg):
            node.arg = self.variables.get(node.arg, node.arg)
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)) or (
            isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name is not None
        ):
            node.name = self.variables.get(node.name, node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest is not None:
            node.rest = self.variables.get(node.rest, node.rest)
        elif isinstance(node, ast.MatchClass):
            node.kwd_attrs = [self.attributes.get(name, name) for name in node.kwd_attrs]
        elif isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self.variables.get(name, name) for name in node.names]
        return self.generic_visit(node)


def _stored(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Every name that is bound otherwise than by an import."""
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)) or (
            isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name is not None
        ):
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest is not None:
            yield node.rest


def _members(node: ast.ClassDef) -> Iterator[str]:
    """Names bound in the body of a class, without its methods' bodies."""
    pending: list[ast.AST] = list(node.body)
    while pending:
        inner = pending.pop()
        yield from _stored([inner])
        if not isinstance(inner, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
            pending.extend(ast.iter_child_nodes(inner))


def _parameters(nodes: Iterable[ast.AST]) -> dict[str, set[str]]:
    """Name of a function or class to the parameters that a call of it may name."""
    found: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, _FUNCTIONS):
            found.setdefault(node.name, set()).update(_arguments(node))
        elif isinstance(node, ast.ClassDef):
            fields = {n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
            inits = [n for n in node.body if isinstance(n, _FUNCTIONS) and n.name == "__init__"]
            found.setdefault(node.name, set()).update(fields, *map(_arguments, inits))
    found.pop("__init__", None)  # as an attribute it is mostly the one of a library's class
    return found


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    return {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}


def _aliases(nodes: Iterable[ast.AST]) -> Iterator[ast.alias]:
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from node.names


def _library_attributes(nodes: Iterable[ast.AST], imported: set[str]) -> Iterator[str]:
    """Attributes of chains that start at an imported name."""
    for node in nodes:
        inner, chain = node, []
        while isinstance(inner, ast.Attribute):
            chain.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in imported:
            yield from chain


def _inherited(nodes: Iterable[ast.AST], imported: set[str]) -> Iterator[str]:
    """Members of classes whose base is a library's, of which this module cannot tell what it calls."""
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            roots = {ast.unparse(base).split(".")[0].split("[")[0] for base in node.bases}
            if roots & imported - _TORCH:
                yield from _members(node)


def _words(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Words of string constants that look like data rather than prose."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not re.search(r"\s", node.value):
            yield from re.findall(r"\w+", node.value)


@cache
def _library_names() -> frozenset[str]:
    """What builtin types, files, paths, and torch (where it is installed) call the parts of their objects."""
    found = {name for kind in (*_TYPES, io.IOBase, io.StringIO, pathlib.Path) for name in dir(kind)}
    try:
        import torch
    except ImportError:
        return frozenset(found)
    layer = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    context = torch.autograd.function.FunctionCtx
    for kind in (layer, torch.nn.Embedding(1, 1), torch.Tensor, optimizer, context, torch.autograd.Function):
        found |= set(dir(kind))
    return frozenset(found)


def _special(name: str) -> bool:
    return (name.startswith("__") and name.endswith("__")) or set(name) == {"_"}


def _underscores(name: str) -> str:
    return name[: len(name) - len(name.lstrip("_"))]


def _fresh(chance: random.Random, used: set[str], count: int) -> list[str]:
    """New names without meaning, none of them used in the program."""
    found: dict[str, None] = {}
    while len(found) < count:
        word = "".join(chance.choices("bcdfghjklmnpqrstvwxz", k=6))
        if word not in used and not keyword.iskeyword(word):
            found[word] = None
    return list(found)
