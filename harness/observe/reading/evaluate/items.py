"""Items, iteration, and what changes in place."""

from __future__ import annotations

import ast
from typing import Any

from harness.observe.reading.evaluate import environment, methods, tensors
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
    SetValue,
    TensorValue,
    Unknown,
    Value,
    deps,
    hashable,
    hidden,
    is_scalar,
    raw,
    tag,
)

BOUNDARY = frozenset({"data", "grad", "requires_grad", "training"})
"""Attributes of tensors and modules that are set everywhere and never decide a configuration by themselves."""


class Items(Expressions):
    """Reading, writing and going over the items of what holds some."""

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
            if type(value) is Unknown and value.attr is not None and value.attr not in BOUNDARY:
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
