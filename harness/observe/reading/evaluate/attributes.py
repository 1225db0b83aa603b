"""Attributes: of objects, classes, modules, tensors and libraries."""

from __future__ import annotations

import ast
from typing import Any

from harness.observe.reading.evaluate import layers, methods, modules, tensors
from harness.observe.reading.evaluate.items import BOUNDARY, Items
from harness.observe.reading.evaluate.machine import Frame
from harness.observe.reading.evaluate.values import (
    MISSING,
    Bound,
    ClassValue,
    Container,
    DictValue,
    External,
    Function,
    Instance,
    ModuleValue,
    Native,
    Partial,
    Super,
    TensorValue,
    Unknown,
    Value,
    Wrapped,
    deps,
    hidden,
    is_scalar,
)


class Attributes(Items):
    """Reading and writing of attributes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._externals: dict[str, Value] = {}

    def native_class(self, path: str) -> ClassValue | None:
        """The modelled library class of that path, one object for each."""
        path = layers.ALIASES.get(path, path)
        if path not in layers.CLASSES:
            return None
        if path not in self.natives:
            parents = tuple(filter(None, (self.native_class(base) for base in layers.CLASSES[path])))
            self.natives[path] = ClassValue(self.heap.new_slots(), path.rsplit(".", 1)[-1], parents, native=path)
        return self.natives[path]

    def external(self, path: str) -> Value:
        """What a dotted library path stands for, one object for each path."""
        if path not in self._externals:
            self._externals[path] = self._external(path)
        return self._externals[path]

    def _external(self, path: str) -> Value:
        native = self.native_class(path)
        if native is not None:
            return native
        if path in ("torch.inf", "math.inf", "numpy.inf"):
            return float("inf")
        if path in ("math.pi", "numpy.pi", "torch.pi"):
            return 3.141592653589793
        return False if path == "typing.TYPE_CHECKING" else External(path)

    def attribute(self, value: Value, name: str, frame: Frame) -> Value:
        """`value.name`; Unknown where it cannot be told."""
        kind = type(value)
        if kind is External:
            return self.external(f"{value.path}.{name}")
        if kind is Unknown:
            self.risks += 1
            for getter in self.properties.get(name, ()):
                self.leak(getter, frame)
            return Unknown(value.deps, name)
        if kind is Instance:
            return self.instance_attribute(value, name, frame)
        if kind is ClassValue:
            return self._class_attribute(value, name, frame)
        if kind is TensorValue:
            return self._tensor_attribute(value, name)
        if kind is ModuleValue:
            found = self.heap.read(value.slots, name)
            return self.risky() if found is MISSING else found
        if kind is Super:
            return self._super_attribute(value, name, frame)
        if kind is Wrapped:
            return value.inner if name == "module" else self._wrapped(value, name, frame)
        if isinstance(value, Container):
            return Native(value, name)
        if kind in (Function, Bound, Partial):
            return self._function_attribute(value, name)
        if is_scalar(value) or kind is tuple:
            return methods.constant_attribute(value, name)
        return self.risky(Unknown(attr=name))

    def _wrapped(self, value: Wrapped, name: str, frame: Frame) -> Value:
        found = self.attribute(value.inner, name, frame)
        return found if isinstance(found, (Native, Bound)) else self.risky(Unknown(attr=name))

    def _function_attribute(self, value: Value, name: str) -> Value:
        if name in ("__name__", "__qualname__") and isinstance(value, Function):
            return value.name
        if name == "__wrapped__":
            return value
        if name.startswith("register_"):
            return External(f"torch.library.{name}")
        if isinstance(value, Bound) and name in ("__self__", "__func__"):
            return value.receiver if name == "__self__" else value.function
        return self.risky(Unknown(attr=name))

    def _tensor_attribute(self, value: TensorValue, name: str) -> Value:
        known = tensors.attribute(self, value, name)
        if known is not None:
            return known
        if name in self.unknown_attrs:
            return Unknown(attr=name)
        found = self.heap.read(value.slots, name)
        return Unknown(attr=name) if found is MISSING else found

    def find(self, classes: tuple[Value, ...], name: str) -> Value:
        """The first class attribute of that name; Unknown when a class outside may have it, else MISSING."""
        opaque = False
        for cls in classes:
            if not isinstance(cls, ClassValue):
                opaque = True
                continue
            found = self.heap.read(cls.slots, name) if cls.node is not None else cls.slots.get(name, MISSING)
            if found is not MISSING:
                return Unknown(attr=name) if opaque and not isinstance(found, Function) else found
        return Unknown(attr=name) if opaque else MISSING

    def instance_attribute(self, value: Instance, name: str, frame: Frame) -> Value:
        """An attribute of an object of a class: its own, then its class's, bound where it is a function."""
        own = self.heap.read(value.slots, name)
        if self.unknown_attrs and name in self.unknown_attrs and name not in BOUNDARY:
            found = own if own is not MISSING else self.find(value.cls.mro, name)
            if not isinstance(found, Function):
                self.heap.lose(found)
                return Unknown(deps(found), name, hidden(found))
        if own is not MISSING:
            return own
        if name == "__class__":
            return value.cls
        if name == "__dict__":
            return self._view(value)
        found = self.find(value.cls.mro, name)
        if type(found) is Function:
            return self.bind(found, value, value.cls, frame)
        if found is not MISSING and not (type(found) is Unknown and value.is_module):
            return found
        native = modules.instance_attribute(value, name)
        if native is not None:
            return native
        getter = self.find(value.cls.mro, "__getattr__")
        if isinstance(getter, Function):
            return self.call(Bound(getter, value), [name], {}, ast.Pass(), frame)
        return self.risky(Unknown(attr=name))

    def bind(self, function: Function, receiver: Value, cls: ClassValue, frame: Frame) -> Value:
        """A function found on a class, as seen through `receiver`."""
        if function.kind == "plain":
            return Bound(function, receiver)
        if function.kind == "static":
            return function
        if function.kind == "class":
            return Bound(function, cls)
        bound = Bound(function, receiver)
        return self.call(bound, [], {}, ast.Pass(), frame) if function.kind == "property" else bound

    def _class_attribute(self, value: ClassValue, name: str, frame: Frame) -> Value:
        if name in ("__name__", "__qualname__"):
            return value.name
        if name == "__dict__":
            return self._view(value)
        if name == "__mro__":
            return value.mro
        found = self.find(value.mro, name)
        if name in self.unknown_attrs and not isinstance(found, Function):
            self.heap.lose(found)
            return Unknown(deps(found), name, hidden(found))
        if isinstance(found, Function):
            return self.bind(found, value, value, frame) if found.kind == "class" else found
        if found is MISSING:
            return Native(value, name) if value.native or value.derives("torch.autograd.Function") else self.risky()
        if type(found) is Unknown and value.derives("torch.autograd.Function"):
            return Native(value, name)
        return found

    def _super_attribute(self, value: Super, name: str, frame: Frame) -> Value:
        receiver = value.receiver
        cls = receiver.cls if isinstance(receiver, Instance) else receiver if isinstance(receiver, ClassValue) else None
        mro = cls.mro if cls is not None else value.owner.mro
        start = next((i for i, base in enumerate(mro) if base is value.owner), -1)
        rest = mro[start + 1 :]
        found = self.find(rest, name)
        if isinstance(found, Function):
            return self.bind(found, receiver, cls or value.owner, frame)
        if found is not MISSING and type(found) is not Unknown:
            return found
        native = next((base for base in rest if isinstance(base, ClassValue) and base.native), None)
        if name == "__init__" and native is not None and isinstance(receiver, Instance):
            return Native(value, "__init__")
        if name == "__setattr__":
            return Native(value, "__setattr__")
        if isinstance(receiver, Instance):
            known = modules.instance_attribute(receiver, name)
            if known is not None:
                return known
        return self.risky(Unknown(attr=name))

    def set_attribute(self, value: Value, name: str, new: Value, frame: Frame) -> None:
        """`value.name = new`; with MISSING, `del value.name`."""
        if isinstance(value, (Instance, ClassValue, ModuleValue, TensorValue)):
            if isinstance(value, Instance):
                self._before_set(value, name, new, frame)
            if not (isinstance(value, TensorValue) and name in BOUNDARY):
                self.heap.write(value.slots, name, new)
        elif isinstance(value, Super):
            self.set_attribute(value.receiver, name, new, frame)
        elif isinstance(value, (Unknown, Function, Bound, Native, Partial)):
            if name not in BOUNDARY:
                self.unknown_attrs.setdefault(name)
            self.heap.lose(new)
        else:
            self.heap.lose(new)
        self.flush(frame)

    def _before_set(self, value: Instance, name: str, new: Value, frame: Frame) -> None:
        """A property's setter, or `__setattr__`, of the submission takes the value too."""
        found = self.find(value.cls.mro, "__setattr__")
        if isinstance(found, Function):
            self.leak(found, frame)
            self.unknown_attrs.setdefault(name)
        declared = self.find(value.cls.mro, name)
        if isinstance(declared, Function) and declared.kind == "property":
            self.heap.lose(new)

    def _view(self, value: Instance | ClassValue) -> DictValue:
        """`value.__dict__`."""
        names = {key: item for key, item in self.heap.entries(value.slots) if isinstance(key, str)}
        view = self.heap.new_dict(names)
        view.slots["owner"] = value
        return view
