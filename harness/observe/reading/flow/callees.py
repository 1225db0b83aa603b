"""What a call expression calls: as the evaluation saw it, else by the definitions that its name can mean."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from harness.observe.reading.evaluate.trace import Trace
from harness.observe.reading.evaluate.values import (
    Bound,
    ClassValue,
    External,
    Function,
    Instance,
    Partial,
    Source,
    Value,
    Wrapped,
    words,
)
from harness.observe.reading.source.index import nodes_under

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
LOSSES = words(
    "cross_entropy nll_loss CrossEntropyLoss NLLLoss linear_cross_entropy fused_cross_entropy binary_cross_entropy"
)
INITIALISERS = words(
    "zero_ fill_ normal_ uniform_ trunc_normal_ orthogonal_ kaiming_uniform_ kaiming_normal_ xavier_uniform_ "
    "xavier_normal_ constant_ ones_ zeros_"
)
_LOGARITHMS = words("log log2 logsumexp log_softmax exp2")
_MAX_CALLS = 60_000
"""Most nodes that are looked at to learn what kind of functions there are."""
_ACTS = (ast.Yield, ast.YieldFrom, ast.Global, ast.Nonlocal, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(eq=False, slots=True)
class Callee:
    """One thing that a call may call."""

    function: FunctionNode | None = None
    owner: ClassValue | None = None
    """The class of a method."""
    bound: bool = False
    """Whether the receiver is given by the expression before the dot."""
    cls: ClassValue | None = None
    """A class of the submission, or one of torch, that is constructed."""
    module: ClassValue | None = None
    """The class of a module that is called as such."""
    path: str = ""
    """Dotted name in a library."""
    source: Source | None = None
    """The file that a function stands in."""
    in_module: bool = False
    """Whether it is a method of a torch module or of an autograd function: it computes, and learns nothing."""


@dataclass(eq=False, slots=True)
class Target:
    """All that one call expression may call."""

    callees: list[Callee]
    followed: list[Callee]
    """The functions, classes and modules among them."""
    name: str
    """The last word of what is called, should it stand in a library; `optim` for the making of an optimizer."""


class Callees:
    """Resolution of calls in one program."""

    def __init__(self, trace: Trace, effects: frozenset[str]) -> None:
        """`effects` are the library calls that do more than compute."""
        self._calls = trace.callees
        self._effects = effects
        self._targets: dict[int, Target] = {}
        self._libraries: dict[str, Target] = {}
        """What stands in libraries, by its dotted name."""
        self._nodes: dict[int, list[ast.AST]] = {}
        self._plain: dict[int, bool] = {}
        self._restores: dict[int, bool] = {}
        self._losses: dict[int, bool] = {}
        self._left = _MAX_CALLS

    def target(self, node: ast.Call) -> Target:
        """What the call may call, as far as it is known."""
        found = self._targets.get(id(node))
        if found is None:
            found = self._targets[id(node)] = self._resolve(node)
        return found

    def of(self, node: ast.Call) -> list[Callee]:
        """The functions, classes and modules among what the call may call, and the names in libraries."""
        return self.target(node).callees

    def _resolve(self, node: ast.Call) -> Target:
        values = self._calls.get(id(node), ())
        if len(values) == 1 and isinstance(values[0], External):
            return self._library(values[0].path)
        callees = _distinct([callee for value in values for callee in self._callees(value)])
        for callee in callees:
            if callee.path:
                return Target(callees, [one for one in callees if not one.path], self._library(callee.path).name)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return Target(callees, callees, name)

    def _library(self, path: str) -> Target:
        """What stands in a library under a dotted name."""
        found = self._libraries.get(path)
        if found is None:
            name = "optim" if path.startswith("torch.optim.") else path.rpartition(".")[2]
            found = self._libraries[path] = Target([Callee(path=path)], [], name)
        return found

    def _under(self, function: ast.AST) -> list[ast.AST]:
        """All nodes of a function."""
        found = self._nodes.get(id(function))
        if found is None:
            found = self._nodes[id(function)] = nodes_under(function)
        return found

    def _callees(self, value: Value) -> list[Callee]:
        if isinstance(value, External):
            return self._library(value.path).callees
        if isinstance(value, Function):
            return [_method(value, value.owner)]
        if isinstance(value, Bound):
            return [_method(value.function, value.function.owner, bound=True)]
        if isinstance(value, ClassValue):
            return [Callee(cls=value)]
        if isinstance(value, Wrapped):
            return self._callees(value.inner)
        if isinstance(value, Partial):
            return self._callees(value.function)
        if not isinstance(value, Instance):
            return []
        if value.is_module:
            return [Callee(module=value.cls, bound=True)]
        return [_method(method, value.cls, bound=True) for method in methods(value.cls, ("__call__",))]

    def scores(self, callee: Callee) -> bool:
        """Whether what is called computes a loss somewhere inside."""
        if callee.path:
            return callee.path.rpartition(".")[2] in LOSSES
        if callee.cls is not None and callee.cls.native is not None:
            return callee.cls.native.rpartition(".")[2] in LOSSES
        nodes: list[ast.AST] = [callee.function] if callee.function is not None else []
        if callee.module is not None:
            if callee.module.native is not None and callee.module.native.rpartition(".")[2] in LOSSES:
                return True
            nodes += [method.node for method in methods(callee.module, ("__call__", "forward"))]
        fused = callee.owner is not None and outer(callee.owner, "torch.autograd")
        return any(self._computes_loss(node, fused=fused) for node in nodes)

    def plain(self, function: FunctionNode) -> bool:
        """Whether a function only computes: its result is made of its arguments, and it changes nothing."""
        key = id(function)
        if key not in self._plain:
            self._plain[key] = False  # also ends recursion
            self._plain[key] = self._only_computes(function)
        return self._plain[key]

    def restores(self, function: FunctionNode) -> bool:
        """Whether a method sets parameters anew in place, itself or by what it calls, as resets of adapters do."""
        key = id(function)
        if key not in self._restores:
            self._restores[key] = False  # also ends recursion
            self._restores[key] = any(self._sets_anew(node) for node in self._under(function))
        return self._restores[key]

    def _sets_anew(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute):
            return node.attr in INITIALISERS
        inner = [callee.function for callee in self.of(node) if callee.in_module] if isinstance(node, ast.Call) else []
        return any(self.restores(one) for one in inner if one is not None)

    def _only_computes(self, function: FunctionNode) -> bool:
        body = [function.body] if isinstance(function, ast.Lambda) else function.body
        for node in (child for part in body for child in nodes_under(part)):
            self._left -= 1
            if self._left < 0 or isinstance(node, _ACTS):
                return False
            if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
                return False
            if isinstance(node, ast.Attribute) and node.attr in self._effects:
                return False
            if isinstance(node, ast.Constant) and isinstance(node.value, (str, float)) and not _is_plain(node.value):
                return False
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in self._effects or (name.endswith("_") and not name.endswith("__")):
                return False
            for callee in self.of(node):
                if callee.cls is not None or callee.module is not None:
                    return False
                if callee.function is not None and (callee.in_module or not self.plain(callee.function)):
                    return False
                if callee.path.rpartition(".")[2] in self._effects:
                    return False
        return True

    def _computes_loss(self, node: ast.AST, *, fused: bool) -> bool:
        if id(node) in self._losses:
            return self._losses[id(node)]
        self._losses[id(node)] = False  # also ends recursion
        result = False
        for call in (child for child in self._under(node) if isinstance(child, ast.Call)):
            self._left -= 1
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if name in LOSSES or (fused and name in _LOGARITHMS):
                result = True
            elif self._left > 0:
                result = any(self.scores(callee) for callee in self.of(call))
            if result:
                break
        self._losses[id(node)] = result
        return result


def _is_plain(value: str | float) -> bool:
    """Whether a constant names no split and no logarithm of two."""
    if isinstance(value, float):
        return not 0.69 < abs(value) < 0.70 and not 1.44 < abs(value) < 1.45
    return "val" not in value.lower() and "train" not in value.lower()


def _distinct(callees: list[Callee]) -> list[Callee]:
    if len(callees) < 2:
        return callees
    found: dict[tuple[int, int, str], Callee] = {}
    for callee in callees:
        key = (id(callee.function or callee.cls or callee.module), id(callee.owner), callee.path)
        found.setdefault(key, callee)
    return list(found.values())


def _method(function: Function, owner: ClassValue | None, *, bound: bool = False) -> Callee:
    inside = owner is not None and (is_module(owner) or outer(owner, "torch.autograd"))
    return Callee(function.node, owner, bound, source=function.scope.module.source, in_module=inside)


def methods(cls: ClassValue, names: tuple[str, ...]) -> Iterator[Function]:
    """The methods of these names that an object of the class has."""
    for name in names:
        for base in cls.mro:
            found = base.slots.get(name) if isinstance(base, ClassValue) else None
            if isinstance(found, Function):
                yield found
                break


def is_module(cls: ClassValue) -> bool:
    """Whether objects of the class are torch modules."""
    return cls.derives("torch.nn.Module") or outer(cls, "torch.nn")


def outer(cls: ClassValue, package: str) -> bool:
    """Whether a base of the class comes from that package."""
    return any(
        (isinstance(base, External) and base.path.startswith(package))
        or (isinstance(base, ClassValue) and base.native is not None and base.native.startswith(package))
        for base in cls.mro
    )
