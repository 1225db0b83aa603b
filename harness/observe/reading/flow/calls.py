"""Calls: functions of the submission are followed, modules and libraries are known by what they do to labels."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from harness.observe.reading.evaluate.trace import Trace
from harness.observe.reading.evaluate.values import ClassValue, Function
from harness.observe.reading.flow.callees import Callee, Callees, is_module, methods, outer
from harness.observe.reading.flow.journal import Value, flat, merged
from harness.observe.reading.flow.labels import NONE, Labels, has, join, thing, things, without
from harness.observe.reading.flow.library import ACTIONS, Library
from harness.observe.reading.flow.names import bound_names
from harness.observe.reading.flow.state import Frame, Scope

_HOLDERS = frozenset({"ModuleList", "ModuleDict", "Sequential", "ParameterList", "ParameterDict"})
MAX_DEPTH = 24
"""Deepest chain of calls."""
MAX_ACTIVE = 2
"""How often a function may be in progress at once."""


class Calls(Library):
    """Calls of anything."""

    def __init__(self, trace: Trace, tree: ast.Module) -> None:
        super().__init__(trace, tree)
        self.callees = Callees(trace, ACTIONS)
        self.active: list[int] = []
        self.followed: set[int] = set()
        """Nodes of the functions that were followed."""
        self.building: list[int] = []
        """Sites of the modules whose constructors are in progress."""
        self._names: dict[int, frozenset[str]] = {}

    def call(self, node: ast.Call, frame: Frame) -> Value:
        """What a call gives, and what it changes."""
        receiver = self.labels(node.func.value, frame) if isinstance(node.func, ast.Attribute) else NONE
        args: list[Value] = []
        for arg in node.args:
            args.append(self.value(arg, frame))  # noqa: PERF401  a comprehension is one more call in 3.11
        named: list[tuple[str | None, Value]] = []
        for keyword in node.keywords:
            named.append((keyword.arg, self.value(keyword.value, frame)))  # noqa: PERF401  likewise
        self.calls.append(id(node))
        try:
            return self._call(node, receiver, args, named, frame)
        finally:
            self.calls.pop()

    def _call(
        self, node: ast.Call, receiver: Labels, args: list[Value], named: list[tuple[str | None, Value]], frame: Frame
    ) -> Value:
        target = self.callees.target(node)
        results: list[Value] = []
        for callee in target.followed:
            if callee.function is not None and not callee.in_module and not self._optimizes(callee, node):
                results.append(self._follow(node, callee, receiver, args, named))
            elif callee.cls is not None:
                results.append(self._construct(node, callee.cls, args, named))
            elif callee.module is not None or callee.in_module:
                results.append(self._compute(node, callee, receiver, args, named, frame))
        if results:
            result = results[0]
            for other in results[1:]:
                result = merged(result, other)
            return result
        base = receiver if isinstance(node.func, ast.Attribute) else self.labels(node.func, frame)
        given = _together(args, named)
        return self.library(node, target.name, base, args, given, frame)

    def _optimizes(self, callee: Callee, node: ast.Call) -> bool:
        """Whether this is a step of an optimizer that the submission defines."""
        owner = callee.owner
        return owner is not None and outer(owner, "torch.optim") and isinstance(node.func, ast.Attribute)

    def _compute(
        self,
        node: ast.Call,
        callee: Callee,
        receiver: Labels,
        args: list[Value],
        named: list[tuple[str | None, Value]],
        frame: Frame,
    ) -> Value:
        """A module (or a method of one) computes: everything that it holds and is given goes into the result."""
        memory = self.memory
        base = receiver | self.labels(node.func, frame)
        given = _together(args, named)
        function = callee.function
        if function is not None and not has(memory.held(given), "tokens") and self.callees.restores(function):
            self.forget(base)
            return base
        self.hooked(node, memory.held(base), memory.held(given))
        both = base | given
        held = memory.held(both)
        if not has(held, "tokens"):
            return both
        result = without(held, "thing", "path")
        if self.callees.scores(callee):
            result = self.loss(result)
        return result

    def _construct(
        self, node: ast.Call, cls: ClassValue, args: list[Value], named: list[tuple[str | None, Value]]
    ) -> Value:
        """A new object; a constructor of the submission is followed."""
        memory = self.memory
        given = _together(args, named)
        native = cls.native or ""
        module = is_module(cls)
        if self.building and (module or native.endswith(".Parameter")):
            # Part of the module that is being built, unless it holds others that were built before.
            return frozenset({thing(self.building[-1])}) | memory.learners(memory.held(given))
        if native.endswith(".Parameter"):
            return self.container(node, memory.frozen(given), "tensor")
        kind = "module" if module else "optimizer" if outer(cls, "torch.optim") else "object"
        splits = frozenset(atom for atom in memory.held(given) if atom[0] == "path")
        site = memory.make((id(node), splits, *self.context), kind)
        if cls.node is not None:
            memory.classes[site] = memory.make(("class", id(cls.node)), "class")
        memory.methods[site] = frozenset(
            name
            for base in cls.mro
            if isinstance(base, ClassValue)
            for name, held in base.slots.items()
            if isinstance(held, Function)
        )
        own = frozenset({thing(site)})
        if cls.node is None or kind == "optimizer":
            # A module of torch is given sizes, unless it holds others; an optimizer is given parameters.
            holds = not module or native.rpartition(".")[2] in _HOLDERS
            held = memory.held(without(given, "path"))
            memory.add(memory.content(site), without(held, "thing") | memory.learners(held) if holds else NONE)
            return own
        memory.put(memory.content(site), NONE)
        for method in methods(cls, ("__init__",)):
            if module:
                self.building.append(site)
            self.run(node, method.node, [own, *args], named)
            if module:
                self.building.pop()
            return own
        names = _fields(cls)
        for name, value in (*zip(names, args, strict=False), *((n, v) for n, v in named if n is not None)):
            memory.put(memory.attribute(site, name), value)
        if not names:
            memory.add(memory.content(site), given)
        return own

    def _follow(
        self,
        node: ast.Call,
        callee: Callee,
        receiver: Labels,
        args: list[Value],
        named: list[tuple[str | None, Value]],
    ) -> Value:
        function = callee.function
        if function is None:
            return NONE
        if not callee.bound and self._scope_of(function) is self.module_scope and self.callees.plain(function):
            return self.combined(_together(args, named))
        given: list[Value] = [receiver, *args] if callee.bound and isinstance(node.func, ast.Attribute) else args
        if callee.bound and not isinstance(node.func, ast.Attribute):
            given = [self._scope_of(function).variable(getattr(node.func, "id", "")).value or NONE, *args]
        before, self.records.source = self.records.source, callee.source
        try:
            return self.run(node, function, given, named)
        finally:
            self.records.source = before

    def _scope_of(self, function: Any) -> Scope:
        return self.scopes.get(id(function)) or self.module_scope

    def run(self, node: ast.AST, function: Any, args: list[Value], named: list[tuple[str | None, Value]]) -> Value:
        """Follow the body of a function with these arguments."""
        memory = self.memory
        self.followed.add(id(function))
        if self.active.count(id(function)) >= MAX_ACTIVE:
            return self.combined(_together(args, named))
        if len(self.active) >= MAX_DEPTH:
            self.incomplete("calls nest too deeply")
            return self.combined(_together(args, named))
        scope = Scope(self._scope_of(function), self._locals_of(function))
        inner = Frame(scope, function, memory.mark(), len(memory.stepped))
        self._bind(function.args, args, named, scope)
        self.active.append(id(function))
        try:
            if isinstance(function, ast.Lambda):
                return self.value(function.body, inner)
            falls = self.block(function.body, inner)
        finally:
            self.active.pop()
        memory.close(inner, falls=falls)
        if inner.yielded:
            return self.container(node, join(inner.yielded))
        if not inner.returned:
            return NONE
        result = inner.returned[0]
        for value in inner.returned[1:]:
            result = merged(result, value)
        return result

    def _locals_of(self, function: Any) -> frozenset[str]:
        """Names that a function binds."""
        if id(function) not in self._names:
            own = frozenset() if isinstance(function, ast.Lambda) else bound_names(function.body)
            self._names[id(function)] = _parameters(function.args) | own
        return self._names[id(function)]

    def _bind(
        self, spec: ast.arguments, args: list[Value], named: list[tuple[str | None, Value]], scope: Scope
    ) -> None:
        memory = self.memory
        names = [arg.arg for arg in (*spec.posonlyargs, *spec.args)]
        given: dict[str, Value] = {}
        rest = NONE
        for name, value in named:
            if name is None:
                rest |= flat(value)
            else:
                given[name] = value
        for name, value in zip(names, args, strict=False):
            memory.put(scope.variable(name), value)
        if spec.vararg is not None:
            memory.put(scope.variable(spec.vararg.arg), tuple(args[len(names) :]))
        for name in (*names[len(args) :], *[arg.arg for arg in spec.kwonlyargs]):
            memory.put(scope.variable(name), given.get(name, rest))
        if spec.kwarg is not None:
            extra = join([flat(value) for name, value in given.items() if name not in names])
            memory.put(scope.variable(spec.kwarg.arg), extra | rest)

    def follow_uncalled(self, roots: Sequence[Any]) -> None:
        """Follow functions of the module that nothing in it calls: `roots`, and those that a library may call."""
        entered = [function for function in self.functions if id(function) in self.trace.entered]
        for function in (*roots, *entered):
            if id(function) not in self.followed and self.scopes.get(id(function)) is self.module_scope:
                self.run(function, function, [], [])

    def hooked(self, node: ast.AST, module: Labels, given: Labels) -> None:
        """Run the forward hooks that a module may have with what is given to it."""
        for function, sites in list(self.hooks.items()):
            if not has(given, "tokens") or self.active.count(id(function)):
                continue
            if not sites or sites & set(things(module)):
                passed: list[Value] = [module, given, given]
                self.run(node, function, passed[: len(function.args.args)], [])


def _together(args: list[Value], named: list[tuple[str | None, Value]]) -> Labels:
    """The atoms of all arguments."""
    result = NONE
    for value in args:
        if value:
            result |= flat(value)
    for _, value in named:
        if value:
            result |= flat(value)
    return result


def _parameters(spec: ast.arguments) -> frozenset[str]:
    every = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, spec.vararg, spec.kwarg]
    return frozenset(arg.arg for arg in every if arg is not None)


def _fields(cls: ClassValue) -> list[str]:
    node = cls.node
    if node is None:
        return []
    return [s.target.id for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
