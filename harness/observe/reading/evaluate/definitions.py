"""Functions, classes and imports."""

from __future__ import annotations

import ast
import sys

from harness.observe.reading.evaluate.calls import Calls
from harness.observe.reading.evaluate.machine import Frame
from harness.observe.reading.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    External,
    Function,
    ModuleValue,
    Scope,
    Slots,
    Source,
    Value,
    words,
)

_KINDS = {
    "builtins.staticmethod": "static",
    "builtins.classmethod": "class",
    "builtins.property": "property",
    "functools.cached_property": "property",
}
TRANSPARENT = words(
    "no_grad inference_mode enable_grad compile lru_cache cache wraps contextmanager jit autotune heuristics "
    "script abstractmethod override disable allow_in_graph final autocast identity once_differentiable "
    "singledispatch custom_fwd custom_bwd overload njit set_grad_enabled"
)
"""Last words of library decorators that give back a function which does the same."""
_SURE = frozenset({"torch", "torch.nn", "torch.nn.functional", "torch.distributed", "numpy", "sentencepiece"})
"""Third-party modules that the competition's image has in any version, whose import cannot fail."""


class Definitions(Calls):
    """Statements that define names."""

    def define_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> bool:
        """`def`: decorators of libraries that change nothing are looked through."""
        function = self.function(node, node.name, frame)
        value: Value = function
        for decorator in reversed(node.decorator_list):
            value = self._decorated(decorator, value, node, frame)
        self.heap.write(frame.scope.exported.get(node.name, frame.scope.slots), node.name, value)
        return True

    def _decorated(
        self,
        decorator: ast.expr,
        value: Value,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
        frame: Frame,
    ) -> Value:
        if isinstance(decorator, ast.Attribute) and decorator.attr in ("setter", "deleter", "getter"):
            self.leak(value, frame)
            existing = frame.scope.slots.get(node.name, MISSING)
            return value if existing is MISSING else existing
        called = isinstance(decorator, ast.Call)
        head = self.evaluate(decorator.func if isinstance(decorator, ast.Call) else decorator, frame)
        path = head.path if isinstance(head, External) else ""
        if path in _KINDS and isinstance(value, Function):
            value.kind = _KINDS[path]
            return value
        if path.endswith("dataclass") and isinstance(value, ClassValue):
            value.dataclass = True
            return value
        if path.rsplit(".", 1)[-1] in TRANSPARENT:
            return value
        wrapper = self.evaluate(decorator, frame) if called else head
        result = self.call(wrapper, [value], {}, decorator, frame)
        if isinstance(result, (Function, ClassValue)) and result is not value:
            return result
        if not isinstance(wrapper, External) or wrapper.path != "identity":
            self.leak(value, frame)
        return value if not isinstance(wrapper, Function) else result

    def define_class(self, node: ast.ClassDef, frame: Frame) -> bool:
        """`class`: the body is evaluated in a namespace of its own."""
        bases = tuple(self._base(base, frame) for base in node.bases)
        cls = ClassValue(self.heap.new_slots(), node.name, bases, node=node, source=frame.source)
        scope = Scope(cls.slots, "class", frame.scope.module, frame.scope)
        inner = Frame(scope, frame.source, frame.function, frame.receiver, mark=frame.mark, forks=frame.forks)
        self.block(node.body, inner)
        for value in cls.slots.values():
            if isinstance(value, Function) and value.owner is None:
                value.owner = cls
                if value.kind == "property":
                    self.properties.setdefault(value.name, []).append(value)
        self.classes.append(cls)
        made: Value = cls
        for decorator in reversed(node.decorator_list):
            made = self._decorated(decorator, made, node, frame)
        self.heap.write(frame.scope.exported.get(node.name, frame.scope.slots), node.name, made)
        return True

    def _base(self, node: ast.expr, frame: Frame) -> Value:
        value = self.evaluate(node.value if isinstance(node, ast.Starred) else node, frame)
        if isinstance(value, External):
            value = self.native_class(value.path) or value
        return value if isinstance(value, (ClassValue, External)) else UNKNOWN

    def import_modules(self, node: ast.Import, frame: Frame) -> bool:
        """`import a.b as c`."""
        for alias in node.names:
            top = alias.name.split(".", 1)[0]
            module = self.load(alias.name) or self.load(top)
            value: Value = module
            if module is None:
                self.note_import(alias.name)
                value = self.external(alias.name if alias.asname else top)
            self.heap.write(self._slots_for(alias.asname or top, frame), alias.asname or top, value)
        return True

    def import_names(self, node: ast.ImportFrom, frame: Frame) -> bool:
        """`from a import b`; relative imports mean files of the submission."""
        name = node.module or ""
        module = self.load(name) if name else None
        for alias in node.names:
            if alias.name == "*":
                self._import_star(module, name, frame)
                continue
            value: Value = MISSING
            if module is not None:
                value = self.heap.read(module.slots, alias.name)
            if value is MISSING:
                value = self.load(f"{name}.{alias.name}" if name else alias.name) or MISSING
            if value is MISSING:
                self.note_import("" if node.level else name)
                value = UNKNOWN if module is not None or node.level else self.external(f"{name}.{alias.name}")
            self.heap.write(self._slots_for(alias.asname or alias.name, frame), alias.asname or alias.name, value)
        return True

    def _slots_for(self, name: str, frame: Frame) -> Slots:
        return frame.scope.exported.get(name, frame.scope.slots)

    def _import_star(self, module: ModuleValue | None, name: str, frame: Frame) -> None:
        if module is None:
            if name.split(".", 1)[0] not in _SURE | set(sys.stdlib_module_names):
                self.trace.incomplete(f"`from {name} import *` cannot be followed")
            return
        for key, value in list(module.slots.items()):
            if isinstance(key, str) and not key.startswith("_"):
                self.heap.write(frame.scope.slots, key, value)

    def note_import(self, name: str) -> None:
        """An import that may fail makes the enclosing `try` uncertain."""
        if name.split(".", 1)[0] not in sys.stdlib_module_names and name not in _SURE:
            self.risks += 1

    def load(self, name: str) -> ModuleValue | None:
        """The submission's own module of that name, evaluated once."""
        source = self.sources.get(name)
        if source is None:
            return None
        if name not in self.modules:
            self.run_module(name, source)
        return self.modules[name]

    def run_module(self, name: str, source: Source) -> None:
        """Evaluate a file's top level under a module name."""
        slots = self.heap.new_slots(scope=True)
        module = ModuleValue(slots, name, source)
        self.modules[name] = module
        scope = Scope(slots, "module", module, None)
        frame = Frame(scope, source, mark=self.heap.begin())
        try:
            self.block(source.tree.body, frame)
        finally:
            self.heap.end()
