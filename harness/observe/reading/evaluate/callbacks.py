"""What code outside may do with the values it is given: call them, now or later."""

from __future__ import annotations

from typing import Any

from harness.observe.reading.evaluate.attributes import Attributes
from harness.observe.reading.evaluate.heap import Changes
from harness.observe.reading.evaluate.machine import Frame
from harness.observe.reading.evaluate.values import (
    UNKNOWN,
    Bound,
    ClassValue,
    Container,
    External,
    Function,
    Held,
    Instance,
    Partial,
    TensorValue,
    Unknown,
    Value,
    Wrapped,
    deps,
    hidden,
    is_scalar,
)

_CONSTRUCTORS = frozenset({"__init__", "__new__", "__init_subclass__", "__post_init__", "__class_getitem__"})


class Callbacks(Attributes):
    """Unknown calls, and callables that have become reachable from anywhere."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._by_name: dict[str, int] = {}
        """Method names that were called on an unknown object, and the number of classes known then."""

    def call_unknown(self, function: Value, args: list[Value], kwargs: dict[str, Value], frame: Frame) -> Value:
        """A call of something unknown: it may call back whatever it was given."""
        self.risks += 1
        for value in (*args, *kwargs.values()):
            self.hand_over(value, frame)
        if type(function) is Unknown and function.attr is not None:
            self._call_by_name(function.attr, frame)
        hides = self._may_hold(function, args, kwargs)
        return Unknown(deps(function), None, hides) if hides or deps(function) else UNKNOWN

    def _may_hold(self, function: Value, args: list[Value], kwargs: dict[str, Value]) -> str | None:
        """What parameters the result of an unknown call may hold: those of its arguments, or of a module it makes."""
        given = next(filter(None, map(hidden, (*args, *kwargs.values()))), None)
        attr = function.attr if type(function) is Unknown else None
        makes = self.constructing and type(function) is Unknown and (attr is None or attr[:1].isupper())
        return given or ("the result of a call that is not known" if makes else None)

    def hand_over(self, value: Value, frame: Frame, *, mutable: bool = True) -> None:
        """Let code outside have a value; it may call it and (where `mutable`) change a container's content."""
        self.spend(1)
        if isinstance(value, Container):
            content = self.heap.content(value)
            for item in (content.values() if isinstance(content, dict) else content) or ():
                self.hand_over(item, frame, mutable=mutable)
            if mutable and content is not None:
                self.heap.write(value.slots, "items", None)
        elif type(value) is tuple:
            for item in value:
                self.hand_over(item, frame, mutable=mutable)
        elif type(value) is Unknown:
            if value.attr is not None:
                self._call_by_name(value.attr, frame)
        elif not is_scalar(value) and type(value) not in (External, TensorValue):
            self.leak(value, frame)

    def _call_by_name(self, name: str, frame: Frame) -> None:
        """A method called on an unknown object: each class of the submission that has it may be meant."""
        known = self._by_name.get(name, 0)
        if known == len(self.classes):
            return
        self._by_name[name] = len(self.classes)
        for cls in self.classes[known:]:
            found = cls.slots.get(name)
            if isinstance(found, Function):
                self.leak(found, frame)

    def leak(self, value: Value, frame: Frame) -> None:
        """Let unknown code have `value`: what can be called is called once, now, and once more at the end."""
        if isinstance(value, (Partial, Wrapped)):
            self.leak(value.function if isinstance(value, Partial) else value.inner, frame)
        elif isinstance(value, Container) or type(value) is tuple:
            self.hand_over(value, frame)
        elif isinstance(value, dict):
            for item in value.values():
                self.leak(item, frame)
        elif isinstance(value, (Function, Bound, Instance, ClassValue)):
            key = _leak_key(value)
            if key not in self.leaked:
                self.leaked[key] = value
                self.heap.exposed.append(_born(value))
                self.call_back(value, frame)

    def call_back(self, value: Value, frame: Frame) -> None:
        """What unknown code can do with `value`: call it with unknown arguments, perhaps."""
        if isinstance(value, Function):
            self._call_back_function(value, [], frame)
        elif isinstance(value, Bound):
            self._call_back_function(value.function, [value.receiver], frame)
        elif isinstance(value, Instance):
            for found in self._protocol(value.cls):
                self._call_back_function(found, [value], frame)
        elif isinstance(value, ClassValue) and value.node is not None:
            for found in (self.find(value.mro, "__init__"), *self._protocol(value)):
                if isinstance(found, Function):
                    self.leak(found, frame)

    def _protocol(self, cls: ClassValue) -> list[Function]:
        """Methods that Python or torch call by themselves: `forward`, special ones, properties, a thread's `run`."""
        names: dict[str, Function] = {}
        for base in cls.mro:
            for name, value in base.slots.items() if isinstance(base, ClassValue) and base.node is not None else ():
                special = name in ("forward", "run") or (name.startswith("__") and name not in _CONSTRUCTORS)
                if isinstance(value, Function) and (special or value.kind == "property"):
                    names.setdefault(name, value)
        return list(names.values())

    def _call_back_function(self, function: Function, args: list[Value], frame: Frame) -> None:
        spec = function.node.args
        missing = max(0, len(spec.posonlyargs) + len(spec.args) - len(args))
        changed: Changes = {}

        def run() -> None:
            mark = self.heap.begin()
            try:
                self.call_function(function, [*args, *[UNKNOWN] * missing], {"**": UNKNOWN}, frame)
            finally:
                changed.update(self.heap.changes(mark))
                self.heap.end()

        self.perhaps(frame, run)
        self.heap.make_volatile(changed)


def _leak_key(value: Value) -> tuple[int, ...]:
    """One key for all closures that one definition makes over the same variables."""
    if isinstance(value, Bound):
        return (*_leak_key(value.function), id(value.receiver))
    return (id(value.node), id(value.scope.slots)) if isinstance(value, Function) else (id(value),)


def _born(value: Function | Bound | Instance | ClassValue) -> int:
    """When the state that a callable works on came into being."""
    if isinstance(value, Bound):
        receiver = value.receiver
        return receiver.slots.born if isinstance(receiver, Held) else 0
    return value.scope.slots.born if isinstance(value, Function) else value.slots.born
