"""Calls: binding of arguments, functions of the submission, construction of objects, callbacks."""

from __future__ import annotations

import ast
from typing import Any

from harness.observe.reading.evaluate import library, methods, modules
from harness.observe.reading.evaluate.callbacks import Callbacks
from harness.observe.reading.evaluate.machine import MAX_DEPTH, Frame, Raised
from harness.observe.reading.evaluate.memory import Memories, Memory, call_keys
from harness.observe.reading.evaluate.trace import ModelTrace
from harness.observe.reading.evaluate.tree import yields
from harness.observe.reading.evaluate.values import (
    MISSING,
    NO_DEPS,
    UNKNOWN,
    Bound,
    ClassValue,
    External,
    Function,
    Instance,
    Native,
    Partial,
    Scope,
    Unknown,
    Value,
    Wrapped,
    deps,
    tag,
)

MAX_RECURSION = 3
"""How often a function may be in progress at once before its arguments are taken as unknown."""


class Calls(Memories, Callbacks):
    """Calling anything."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._generators: dict[int, bool] = {}
        self._parameters: dict[int, list[str]] = {}
        """Names of the positional parameters, by identity of the signature."""

    def call(self, function: Value, args: list[Value], kwargs: dict[str, Value], node: ast.AST, frame: Frame) -> Value:
        """Call anything; unknown star arguments are given under the key `**`."""
        kind = type(function)
        if kind is Function:
            return self.call_function(function, args, kwargs, frame)
        if kind is Bound:
            return self.call_function(function.function, [function.receiver, *args], kwargs, frame)
        if kind is External:
            return library.call(self, function.path, args, kwargs, node, frame)
        if kind is Native:
            return methods.call(self, function, args, kwargs, frame)
        if kind is ClassValue:
            return self.construct(function, args, kwargs, node, frame)
        if kind is Partial:
            return self.call(function.function, [*function.args, *args], {**function.kwargs, **kwargs}, node, frame)
        if kind is Wrapped:
            return self.call(function.inner, args, kwargs, node, frame)
        if kind is Instance:
            return self._call_instance(function, args, kwargs, node, frame)
        return self.call_unknown(function, args, kwargs, frame)

    def _call_instance(
        self, value: Instance, args: list[Value], kwargs: dict[str, Value], node: ast.AST, frame: Frame
    ) -> Value:
        found = self.find(value.cls.mro, "__call__")
        if not isinstance(found, Function) and value.is_module:
            found = self.instance_attribute(value, "forward", frame)
            if isinstance(found, (Bound, Function)):
                return self.call(found, args, kwargs, node, frame)
            return modules.call_native(self, value, args, node, frame)
        if isinstance(found, Function):
            return self.call_function(found, [value, *args], kwargs, frame)
        return self.call_unknown(value, args, kwargs, frame)

    def bind_arguments(self, function: Function, args: list[Value], kwargs: dict[str, Value], scope: Scope) -> None:
        """Set the parameters in `scope`; what is not given and has no default is unknown."""
        spec = function.node.args
        names = self._parameters.get(id(spec))
        if names is None:
            names = self._parameters[id(spec)] = [arg.arg for arg in (*spec.posonlyargs, *spec.args)]
        open_ended = "**" in kwargs
        slots = scope.slots
        for name, value in zip(names, args, strict=False):
            slots[name] = value
        if spec.vararg is not None:
            rest = tuple(args[len(names) :])
            slots[spec.vararg.arg] = UNKNOWN if open_ended else rest
        start = len(names) - len(function.defaults)
        for index in range(len(args), len(names)):
            name = names[index]
            default = function.defaults[index - start] if index >= start else UNKNOWN
            slots[name] = kwargs[name] if name in kwargs else self._default(default, open_ended=open_ended)
        for arg in spec.kwonlyargs:
            default = function.keywords.get(arg.arg, UNKNOWN)
            slots[arg.arg] = kwargs[arg.arg] if arg.arg in kwargs else self._default(default, open_ended=open_ended)
        if spec.kwarg is not None:
            known = {*names, *(arg.arg for arg in spec.kwonlyargs)}
            extra = {key: value for key, value in kwargs.items() if key not in known and key != "**"}
            slots[spec.kwarg.arg] = self.heap.new_dict(None if open_ended else extra)

    def _default(self, default: Value, *, open_ended: bool) -> Value:
        return Unknown(deps(default)) if open_ended else default

    def call_function(self, function: Function, args: list[Value], kwargs: dict[str, Value], frame: Frame) -> Value:
        """Evaluate a function of the submission, or recall an evaluation that would go the same way."""
        node = function.node
        deep = self.active.count(node)
        if self.depth >= MAX_DEPTH or deep > MAX_RECURSION:
            self.risks += 1
            if self.depth >= MAX_DEPTH:
                self.trace.incomplete(f"calls nest deeper than {MAX_DEPTH}")
            return UNKNOWN
        if deep == MAX_RECURSION:
            args, kwargs = [UNKNOWN] * len(args), {"**": UNKNOWN}
        key, kin = call_keys(function, args, kwargs)
        memory = self.recall(key)
        if memory is None and kin is not None:
            memory = self.recall_kin(key, kin, args)
        if memory is not None:
            return memory.result
        recorder = self.heap.record()
        risks, models, exposed = self.risks, len(self.trace.models), len(self.heap.exposed)
        try:
            result = self._evaluate_call(function, args, kwargs)
        finally:
            self.heap.stop(recorder)
        self.flush(frame)
        if models == len(self.trace.models):
            held = [*args, *kwargs.values(), function]
            attrs, risks = len(self.unknown_attrs), self.risks - risks
            done = Memory(
                held,
                recorder.reads | recorder.absent if recorder.absent else recorder.reads,
                recorder.writes,
                result,
                -1,
                attrs,
                risks,
                recorder.passing,
                recorder.listed,
            )
            self.remember(key, kin, recorder, done, exposed=len(self.heap.exposed) > exposed)
        return result

    def _evaluate_call(self, function: Function, args: list[Value], kwargs: dict[str, Value]) -> Value:
        node = function.node
        self.trace.entered.add(id(node))
        scope = Scope(self.heap.new_slots(scope=True), "function", function.scope.module, function.scope)
        self.bind_arguments(function, args, kwargs, scope)
        receiver = args[0] if args else None
        inner = Frame(scope, function.scope.module.source, function, receiver, mark=self.heap.begin())
        self.depth += 1
        self.active.append(node)
        control, self.control = self.control, NO_DEPS
        try:
            return self._run(function, inner)
        finally:
            self.control = control
            self.active.pop()
            self.depth -= 1
            self.heap.end()

    def _run(self, function: Function, frame: Frame) -> Value:
        node = function.node
        if isinstance(node, ast.Lambda):
            return self.evaluate(node.body, frame)
        if self._yields(node):
            return self._generate_values(node.body, frame)
        heap = self.heap
        falls = False
        try:
            falls = self.block(node.body, frame)
        except Raised:
            if not frame.exits:
                raise
            self.caught()
        if frame.done:
            return frame.returned
        if not frame.exits:
            return tag(None, frame.deps)
        outcomes = [changes for _, changes in frame.exits]
        values = [value for value, _ in frame.exits]
        if falls:
            outcomes.append(heap.changes(frame.mark))
            values.append(None)
        heap.rollback(frame.mark)
        heap.merge(outcomes)
        return heap.join_all(values, scope=True)

    def _yields(self, node: ast.AST) -> bool:
        """Whether the function's own body yields."""
        if id(node) not in self._generators:
            self._generators[id(node)] = yields(node)
        return self._generators[id(node)]

    def _generate_values(self, body: list[ast.stmt], frame: Frame) -> Value:
        """A generator's body is taken to have run, or not; its values are unknown to the consumer."""
        self.perhaps(frame, lambda: self.block(body, frame))
        for value in frame.yields:
            self.heap.lose(value)
        if frame.function is not None:
            # The body goes on when the consumer asks, in a state that is not the present one.
            self.heap.lose(frame.function)
        for _, changes in frame.exits:
            self.heap.merge([{}, changes])
        return self.risky()

    def construct(
        self, cls: ClassValue, args: list[Value], kwargs: dict[str, Value], node: ast.AST, frame: Frame
    ) -> Value:
        """A new object of a class."""
        if cls.native == "torch.nn.Parameter":
            return modules.parameter(self, args, kwargs)
        instance = Instance(self.heap.new_slots(), cls)
        module = instance.is_module
        self.constructing += module
        try:
            self._initialise(instance, args, kwargs, node, frame)
        finally:
            self.constructing -= module
        if module and not self.constructing:
            self._note_model(instance, node, frame)
        if cls.opaque:
            # A class from outside may call any method that it knows of.
            for base in cls.mro:
                for value in list(base.slots.values()) if isinstance(base, ClassValue) else ():
                    if isinstance(value, Function):
                        self.leak(value, frame)
        return instance

    def _initialise(
        self, instance: Instance, args: list[Value], kwargs: dict[str, Value], node: ast.AST, frame: Frame
    ) -> None:
        cls = instance.cls
        for index, base in enumerate(cls.mro):
            if not isinstance(base, ClassValue):
                self.call_unknown(base, args, kwargs, frame)
                for own in cls.mro[:index]:
                    for name in fields(own.node) if isinstance(own, ClassValue) and own.node is not None else ():
                        self.heap.write(instance.slots, name, UNKNOWN)
                return
            if "__init__" in base.slots:
                self.call(self.heap.read(base.slots, "__init__"), [instance, *args], kwargs, node, frame)
                return
            if base.dataclass:
                self._dataclass_init(instance, cls.mro[index:], args, kwargs, frame)
                return
            if base.native is not None:
                modules.initialise(self, instance, base, args, kwargs, frame)
                return
        if args or kwargs:
            self.call_unknown(UNKNOWN, args, kwargs, frame)

    def _dataclass_init(
        self, instance: Instance, mro: tuple[Value, ...], args: list[Value], kwargs: dict[str, Value], frame: Frame
    ) -> None:
        names: list[str] = []
        for base in reversed(mro):
            if isinstance(base, ClassValue) and base.node is not None:
                names += [field for field in fields(base.node) if field not in names]
        given = dict(zip(names, args, strict=False)) | kwargs
        for name in names:
            default = self.find(mro, name)
            if isinstance(default, Native) and default.name == "field":
                default = self._field_default(default.receiver, frame)
            value = given.get(name, UNKNOWN if default is MISSING or "**" in kwargs else default)
            self.heap.write(instance.slots, name, value)
        post = self.find(mro, "__post_init__")
        if isinstance(post, Function):
            self.call_function(post, [instance], {}, frame)

    def _field_default(self, options: dict[str, Value], frame: Frame) -> Value:
        if "default_factory" in options:
            return self.call(options["default_factory"], [], {}, ast.Pass(), frame)
        return options.get("default", MISSING)

    def _note_model(self, instance: Instance, node: ast.AST, frame: Frame) -> None:
        if instance.cls.node is None and "_items" not in instance.slots:
            return
        trace = ModelTrace(id(instance), instance.cls.name, frame.source, getattr(node, "lineno", 1), [], frozenset())
        self.trace.models.append(trace)
        self.kept.append(instance)
        modules.survey(self, instance, trace)

    def list_model(self, instance: Instance, *, saved: bool) -> None:
        """The parameters of a model are listed; the first time is what the run will count."""
        for trace in self.trace.models:
            if trace.identity != id(instance) or self.constructing:
                continue
            trace.saved = trace.saved or saved
            if not trace.listed:
                trace.listed = True
                modules.survey(self, instance, trace)


def fields(node: ast.ClassDef) -> list[str]:
    """Names of a dataclass's fields, in order."""
    names = []
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            annotation = ast.unparse(statement.annotation) if not isinstance(statement.annotation, ast.Name) else ""
            if "ClassVar" not in annotation:
                names.append(statement.target.id)
    return names
