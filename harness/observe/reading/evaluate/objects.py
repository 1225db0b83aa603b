"""Attributes, items and iteration."""

from __future__ import annotations

import ast
from typing import Any

from harness.observe.reading.evaluate import environment, layers, methods, modules, tensors
from harness.observe.reading.evaluate.arithmetic import MAX_ITEMS
from harness.observe.reading.evaluate.expressions import Expressions
from harness.observe.reading.evaluate.machine import Frame
from harness.observe.reading.evaluate.values import (
    MISSING,
    UNKNOWN,
    Bound,
    ClassValue,
    Container,
    DictValue,
    External,
    Function,
    Instance,
    ListValue,
    ModuleValue,
    Native,
    Partial,
    SetValue,
    Super,
    TensorValue,
    Unknown,
    Value,
    Wrapped,
    deps,
    hashable,
    hidden,
    is_scalar,
    raw,
    tag,
)

_BOUNDARY = frozenset({"data", "grad", "requires_grad", "training"})
"""Attributes of tensors and modules that are set everywhere and never decide a configuration by themselves."""


class Objects(Expressions):
    """Reading and writing of attributes and items."""

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
        if self.unknown_attrs and name in self.unknown_attrs and name not in _BOUNDARY:
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
            if not (isinstance(value, TensorValue) and name in _BOUNDARY):
                self.heap.write(value.slots, name, new)
        elif isinstance(value, Super):
            self.set_attribute(value.receiver, name, new, frame)
        elif isinstance(value, (Unknown, Function, Bound, Native, Partial)):
            if name not in _BOUNDARY:
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

    def item(self, value: Value, key: Value, node: ast.AST, frame: Frame) -> Value:
        """`value[key]`."""
        plain = raw(key)
        if isinstance(value, TensorValue):
            return tensors.index(self, value, key)
        if isinstance(value, Container):
            return self._container_item(value, plain, key)
        if isinstance(value, External):
            return self._external_item(value, plain, node, frame)
        if isinstance(value, Instance):
            if "_items" in value.slots and not self.defines(value, "__getitem__"):
                return self._child(value, plain)
            method = self.attribute(value, "__getitem__", frame)
            return self.call(method, [key], {}, node, frame)
        base = raw(value)
        if isinstance(base, (tuple, str, bytes, range)) and isinstance(plain, (int, slice)):
            try:
                return tag(base[plain], deps(value) | deps(key)) if is_scalar(base) else base[plain]
            except (IndexError, ValueError):
                return self.risky()
        if isinstance(value, (Function, Bound)):
            # A kernel with its launch grid: the library calls both, with arguments of its own making.
            self.leak(key, frame)
            self.leak(value, frame)
            return External("triton.launch")
        self.risks += 1
        return Unknown(deps(value), value.attr, value.hides) if type(value) is Unknown else UNKNOWN

    def _container_item(self, value: Container, plain: Value, key: Value) -> Value:
        content = self.heap.content(value)
        if isinstance(content, list) and isinstance(plain, (int, slice)):
            try:
                found = content[plain]
            except (IndexError, ValueError):
                return self.risky()
            return self.heap.new_list(found) if isinstance(plain, slice) else found
        if isinstance(content, dict) and hashable(plain) and plain in content:
            return tag(content[plain], deps(key))
        # Any item may be meant.
        values = content.values() if isinstance(content, dict) else content
        reasons = [hidden(item) for item in values or ()]
        for item in values or ():
            self.heap.lose(item)
        return self.risky(Unknown(deps(key), None, next(filter(None, reasons), None)))

    def _external_item(self, value: External, plain: Value, node: ast.AST, frame: Frame) -> Value:
        if value.path == "os.environ":
            return environment.read_variable(self, "__getitem__", [plain], node, frame)
        if value.path == "builtins.globals()":
            found = self.heap.read(frame.scope.module.slots, plain) if isinstance(plain, str) else MISSING
            if found is not MISSING:
                return found
            self.trace.incomplete("a global of unknown name is read")
        return self.risky()

    def _child(self, value: Instance, plain: Value) -> Value:
        content = self.heap.read(value.slots, "_items")
        if isinstance(content, list) and isinstance(plain, int) and -len(content) <= plain < len(content):
            return content[plain]
        if isinstance(content, list) and isinstance(plain, slice):
            part = Instance(self.heap.new_slots(), value.cls)
            self.heap.write(part.slots, "_items", content[plain])
            return part
        if isinstance(content, dict) and hashable(plain) and plain in content:
            return content[plain]
        for child in (content.values() if isinstance(content, dict) else content) or ():
            self.heap.lose(child)
        return self.risky(Unknown(hides=value.cls.name))

    def set_item(self, value: Value, key: Value, new: Value, frame: Frame) -> None:
        """`value[key] = new`; with MISSING, `del value[key]`."""
        plain = raw(key)
        if isinstance(value, Container):
            self.heap.write(value.slots, "items", self._with_item(self.heap.content(value), plain, new))
            self.write_through(value, {plain: new} if isinstance(plain, str) else None)
        elif isinstance(value, External) and value.path == "os.environ":
            self._set_variable(plain, new)
        elif isinstance(value, External) and value.path == "builtins.globals()":
            if isinstance(plain, str):
                self.heap.write(frame.scope.module.slots, plain, new)
            else:
                self.trace.incomplete("a global of unknown name is set")
        elif isinstance(value, Instance) and "_items" in value.slots:
            content = self.heap.read(value.slots, "_items")
            self.heap.write(value.slots, "_items", self._with_item(content, plain, new))
        elif isinstance(value, Instance):
            method = self.attribute(value, "__setitem__", frame)
            if type(method) is not Unknown:
                self.call(method, [key, new], {}, ast.Pass(), frame)
        elif not isinstance(value, TensorValue):
            if type(value) is Unknown and value.attr is not None and value.attr not in _BOUNDARY:
                self.unknown_attrs.setdefault(value.attr)
            if new is not MISSING:
                self.heap.lose(new)
        self.flush(frame)

    def write_through(self, view: Container, changed: dict[str, Value] | None) -> None:
        """A change of `x.__dict__` is a change of x; None for a change that is not known."""
        owner = view.slots.get("owner")
        if not isinstance(owner, (Instance, ClassValue)):
            return
        for key, item in (changed if changed is not None else dict.fromkeys(owner.slots, UNKNOWN)).items():
            self.heap.write(owner.slots, key, item)
        if changed is None:
            self.trace.incomplete("`__dict__` is changed in a way that is not known")

    def _view(self, value: Instance | ClassValue) -> DictValue:
        """`value.__dict__`."""
        names = {key: item for key, item in self.heap.entries(value.slots) if isinstance(key, str)}
        view = self.heap.new_dict(names)
        view.slots["owner"] = value
        return view

    def _set_variable(self, name: Value, new: Value) -> None:
        if not isinstance(name, str):
            self.trace.incomplete("an environment variable of unknown name is set")
        else:
            self.heap.write(self.environment, name, new)

    def _with_item(self, content: Any, key: Value, new: Value) -> Any:
        """A copy of the content with one item changed; None when it cannot be told which."""
        self.heap.work += len(content or ())
        if isinstance(content, dict) and hashable(key):
            copy = {**content, key: new}
            if new is MISSING:
                del copy[key]
            return copy
        if isinstance(content, list) and isinstance(key, int) and -len(content) <= key < len(content):
            copied = list(content)
            if new is MISSING:
                del copied[key]
            else:
                copied[key] = new
            return copied
        if isinstance(content, list) and isinstance(key, slice) and new is MISSING:
            copied = list(content)
            del copied[key]
            return copied
        for item in (content.values() if isinstance(content, dict) else content) or ():
            self.heap.lose(item)
        if new is not MISSING:
            self.heap.lose(new)
        return None

    def iterate(self, value: Value, frame: Frame) -> list[Value] | None:
        """Items of an iterable, None when unknown or too many."""
        plain = raw(value)
        if isinstance(plain, (tuple, str, bytes, range)):
            return None if len(plain) > MAX_ITEMS else [tag(item, deps(value)) for item in plain]
        if isinstance(plain, (ListValue, SetValue, DictValue)):
            content = self.heap.content(plain)
            if content is None or len(content) > MAX_ITEMS:
                return None
            return sorted(content, key=repr) if isinstance(content, set) else list(content)
        if isinstance(plain, TensorValue) and plain.shape:
            count = plain.shape[0]
            few = count is not None and count <= 64
            return [self.heap.new_tensor(plain.shape[1:]) for _ in range(count or 0)] if few else None
        if isinstance(plain, Instance):
            return self._iterate_instance(plain, frame)
        self.risks += 1
        return None

    def _iterate_instance(self, value: Instance, frame: Frame) -> list[Value] | None:
        if "_items" in value.slots and not self.defines(value, "__iter__"):
            content = self.heap.read(value.slots, "_items")
            return None if content is None else list(content)
        for name in ("__iter__", "__next__", "__getitem__"):
            if self.defines(value, name):
                self.leak(self.attribute(value, name, frame), frame)
        self.risks += 1
        return None

    def enter(self, manager: Value, frame: Frame) -> Value:
        """What `with manager as x` binds to x; the exit is taken to run too."""
        if isinstance(manager, Instance):
            result: Value = manager
            if self.defines(manager, "__enter__"):
                result = self.call(self.attribute(manager, "__enter__", frame), [], {}, ast.Pass(), frame)
            if self.defines(manager, "__exit__"):
                self.leak(self.attribute(manager, "__exit__", frame), frame)
            return result
        self.risks += 1
        return UNKNOWN

    def augment(self, op: ast.operator, old: Value, right: Value, node: ast.AST, frame: Frame) -> Value:
        """`old op= right`: lists, sets and dicts change in place."""
        if isinstance(old, Container):
            joined = self.operate(op, old, right, node, frame)
            items = joined.items if isinstance(joined, Container) else None
            if isinstance(old, ListValue) and isinstance(op, ast.Add) and not isinstance(right, ListValue):
                more, content = self.iterate(right, frame), self.heap.content(old)
                short = more is not None and content is not None and len(content) + len(more) <= MAX_ITEMS
                items = [*(content or ()), *(more or ())] if short else None
            if items is None:
                for item in methods.members(self, right):
                    self.heap.lose(item)
            self.heap.write(old.slots, "items", items)
            return old
        if isinstance(old, TensorValue) and old.parameter:
            return old
        return self.operate(op, old, right, node, frame)
