"""What an expression can be: constants, user objects, torch shapes, names of libraries, and `Unknown`.

Constants are plain Python scalars; a constant that depends on settings is a `Dep`. Everything that can change keeps its
state in a `Slots` dictionary, so that one journal can undo and join all changes. Tuples are plain tuples of values.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

Value = Any
"""A value of the evaluated program; one of the classes of this module, a scalar, a `range` or a tuple of values."""

Deps = frozenset[str]
NO_DEPS: Deps = frozenset()
MAX_DEPS = 12
"""Most settings that one value is said to depend on; the alphabetically first are kept."""

SCALARS = frozenset({bool, int, float, str, bytes, type(None), complex, type(Ellipsis), range})
"""Types of plain constants."""


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


class Missing:
    """Stands in the journal for a key that was absent."""

    def __repr__(self) -> str:
        return "<missing>"


MISSING = Missing()


class Slots(dict[Any, Any]):
    """State of one mutable object.

    `born` orders objects by age; `scope` marks the variables of a scope; `watched` is set once a recorded call read it,
    and `changed` is then `Heap.version` at the last change; `volatile` are keys that a callback writes, which may run
    at any time.
    """

    __slots__ = ("born", "changed", "scope", "volatile", "watched")

    def __init__(self, born: int, *, scope: bool = False) -> None:  # a dict needs no further initialisation
        self.born = born
        self.scope = scope
        self.watched = False
        self.changed = 0
        self.volatile: set[Any] | None = None


class Unknown:
    """A value that cannot be folded.

    `attr` is the attribute it was read from, if any: a change made through it may reach every object with that
    attribute. `hides` says what model parameters it may stand for; None when it can hold none.
    """

    __slots__ = ("attr", "deps", "hides")

    def __init__(self, deps: Deps = NO_DEPS, attr: str | None = None, hides: str | None = None) -> None:
        self.deps = deps
        self.attr = attr
        self.hides = hides


UNKNOWN = Unknown()


class Dep:
    """A constant together with the names of the settings that decided it."""

    __slots__ = ("deps", "value")

    def __init__(self, value: Value, deps: Deps) -> None:
        self.value = value
        self.deps = deps


class External:
    """A module, class, function or attribute of a library, known by its dotted path only."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


class Held:
    """Base of objects whose state lives in `slots`."""

    __slots__ = ("slots",)

    def __init__(self, slots: Slots) -> None:
        self.slots = slots


class Container(Held):
    """A list, dict or set: `slots["items"]` holds the plain Python container, or None when its content is unknown."""

    __slots__ = ()

    @property
    def items(self) -> Any:
        """The content as it stands, never to be changed in place."""
        return self.slots["items"]


class ListValue(Container):
    """A list (also a deque)."""

    __slots__ = ()


class DictValue(Container):
    """A dict; `slots["owner"]` is the object whose `__dict__` it is, if any."""

    __slots__ = ()


class SetValue(Container):
    """A set or frozenset of constants."""

    __slots__ = ()


class ModuleValue(Held):
    """A module of the submission itself."""

    __slots__ = ("name", "source")

    def __init__(self, slots: Slots, name: str, source: Source) -> None:
        super().__init__(slots)
        self.name = name
        self.source = source


class ClassValue(Held):
    """A class of the submission (`node` set) or a library class that the evaluator models (`native` set)."""

    __slots__ = ("ancestry", "bases", "dataclass", "is_module", "mro", "name", "native", "node", "opaque", "source")

    def __init__(
        self,
        slots: Slots,
        name: str,
        bases: tuple[Value, ...],
        native: str | None = None,
        node: ast.ClassDef | None = None,
        source: Source | None = None,
    ) -> None:
        super().__init__(slots)
        self.name = name
        self.bases = bases
        self.native = native
        self.node = node
        self.source = source
        self.dataclass = False
        self.mro = linearise(self)
        self.ancestry = frozenset(base.native for base in self.mro if isinstance(base, ClassValue))
        """Library classes that it is or inherits from, by path."""
        self.is_module = "torch.nn.Module" in self.ancestry
        """Whether its objects are torch modules."""
        self.opaque = any(not isinstance(base, ClassValue) for base in self.mro)
        """Whether a base is not known, so that attributes may come from outside."""

    def derives(self, native: str) -> bool:
        """Whether the class is, or inherits from, the modelled library class `native`."""
        return native in self.ancestry


def linearise(cls: ClassValue) -> tuple[Value, ...]:
    """The method resolution order: depth first, each class at its last place (C3 for all but pathological cases)."""
    order: list[Value] = [cls]
    for base in cls.bases:
        order.extend(base.mro if isinstance(base, ClassValue) else (base,))
    last = {id(base): index for index, base in enumerate(order)}
    return tuple(base for index, base in enumerate(order) if last[id(base)] == index)


class Instance(Held):
    """An object of a `ClassValue`. Children of module containers are under the key `_items`."""

    __slots__ = ("cls",)

    def __init__(self, slots: Slots, cls: ClassValue) -> None:
        super().__init__(slots)
        self.cls = cls

    @property
    def is_module(self) -> bool:
        """Whether it is a torch module."""
        return self.cls.is_module


class TensorValue(Held):
    """A tensor of which only the shape counts; None stands for an unknown size, a shape of None for an unknown rank.

    A parameter is the same parameter wherever the same object is met.
    """

    __slots__ = ("parameter", "shape")

    def __init__(self, slots: Slots, shape: tuple[int | None, ...] | None, *, parameter: bool = False) -> None:
        super().__init__(slots)
        self.shape = shape
        self.parameter = parameter

    def numel(self) -> int | None:
        """Number of elements, None when a size is unknown."""
        if self.shape is None:
            return None
        total = 1
        for size in self.shape:
            if size is None:
                return None
            total *= size
        return total


class Scope:
    """Variables of a module, class body, function or comprehension, and the scope around it."""

    __slots__ = ("exported", "kind", "module", "parent", "slots")

    def __init__(self, slots: Slots, kind: str, module: ModuleValue, parent: Scope | None) -> None:
        self.slots = slots
        self.kind = kind
        self.module = module
        self.parent = parent
        self.exported: dict[str, Slots] = {}
        """Names declared `global` or `nonlocal`, and where they live."""


FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Function:
    """A function or lambda of the submission, with its closure and folded defaults."""

    __slots__ = ("defaults", "keywords", "kind", "name", "node", "owner", "scope")

    def __init__(
        self, node: FunctionNode, scope: Scope, name: str, defaults: list[Value], keywords: dict[str, Value]
    ) -> None:
        self.node = node
        self.scope = scope
        self.name = name
        self.defaults = defaults
        self.keywords = keywords
        self.owner: ClassValue | None = None
        self.kind = "plain"
        """`plain`, `static`, `class` or `property`."""


class Bound:
    """A function of the submission bound to its receiver."""

    __slots__ = ("function", "receiver")

    def __init__(self, function: Function, receiver: Value) -> None:
        self.function = function
        self.receiver = receiver


class Native:
    """A method that the evaluator models, of a constant, container, tensor, module or class."""

    __slots__ = ("name", "receiver")

    def __init__(self, receiver: Value, name: str) -> None:
        self.receiver = receiver
        self.name = name


class Partial:
    """`functools.partial`."""

    __slots__ = ("args", "function", "kwargs")

    def __init__(self, function: Value, args: tuple[Value, ...], kwargs: dict[str, Value]) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs


class Super:
    """`super()` inside a method of `owner`."""

    __slots__ = ("owner", "receiver")

    def __init__(self, owner: ClassValue, receiver: Value) -> None:
        self.owner = owner
        self.receiver = receiver


class Wrapped:
    """A module inside DistributedDataParallel: calls go through, `.module` is the module."""

    __slots__ = ("inner",)

    def __init__(self, inner: Value) -> None:
        self.inner = inner


@dataclass(frozen=True, eq=False)
class Source:
    """One file to evaluate: its path, the wrapper layer that `tree` was unpacked from, and its tree."""

    path: str
    tree: ast.Module
    layer: int = 0


def raw(value: Value) -> Value:
    """The value without its dependencies."""
    return value.value if type(value) is Dep else value


def deps(value: Value) -> Deps:
    """Settings that the value depends on."""
    kind = type(value)
    return value.deps if kind is Dep or kind is Unknown else NO_DEPS


def tag(value: Value, names: Deps) -> Value:
    """The value with more dependencies; objects carry none."""
    if not names:
        return value
    if type(value) is Dep:
        return value if names <= value.deps else Dep(value.value, union(value.deps, names))
    if type(value) is Unknown:
        return value if names <= value.deps else Unknown(union(value.deps, names), value.attr, value.hides)
    return Dep(value, names) if type(value) in SCALARS else value


def union(left: Deps, right: Deps) -> Deps:
    """Both sets of names, bounded."""
    if not left or left is right:
        return right
    if not right:
        return left
    both = left | right
    return both if len(both) <= MAX_DEPS else frozenset(sorted(both)[:MAX_DEPS])


def is_scalar(value: Value) -> bool:
    """Whether the value is a constant (with or without dependencies)."""
    return type(value) in SCALARS or type(value) is Dep


def hashable(value: Value) -> bool:
    """Whether a (plain) value can be a key of a known dict: constants, flat tuples, and objects by identity."""
    if type(value) is tuple:
        return flat(value) and not any(type(item) is Dep for item in value)
    return not isinstance(value, (Unknown, External, Container, TensorValue, slice, Wrapped))


def flat(value: tuple[Value, ...]) -> bool:
    """Whether a tuple holds constants only."""
    return all(is_scalar(item) for item in value)


def large(value: tuple[Value, ...], limit: int = 4_096) -> bool:
    """Whether a tuple, with the tuples inside it, has more than `limit` items."""
    stack, count = [value], 0
    while stack and count <= limit:
        items = stack.pop()
        count += len(items)
        stack.extend(item for item in items if type(item) is tuple)
    return count > limit


def text_of(value: Value) -> str | None:
    """`str(value)` of a plain constant of reasonable size."""
    if isinstance(value, int) and value.bit_length() > 10_000:
        return None
    return str(value) if isinstance(value, (str, int, float, bool)) else None


def plain_tuple(value: tuple[Value, ...]) -> tuple[Value, ...]:
    """The tuple without dependencies."""
    return tuple(raw(item) for item in value)


def hidden(value: Value) -> str | None:
    """What model parameters the value holds or may hold, as words; None when it holds none."""
    if isinstance(value, Unknown):
        return value.hides
    if isinstance(value, TensorValue):
        return "a parameter" if value.parameter else None
    return value.cls.name if isinstance(value, Instance) and value.cls.is_module else None


def truth(value: Value) -> tuple[bool | None, Deps]:
    """Truth of the value, None when unknown, and what it depends on. User-defined `__bool__` is left unknown."""
    kind = type(value)
    if kind is Dep:
        return bool(value.value), value.deps
    if kind is Unknown:
        return None, value.deps
    if kind in SCALARS or kind is tuple:
        return bool(value), NO_DEPS
    if isinstance(value, Container):
        return (None if value.items is None else bool(value.items)), NO_DEPS
    if isinstance(value, Instance):
        special = any(isinstance(c, ClassValue) and (c.slots.keys() & {"__bool__", "__len__"}) for c in value.cls.mro)
        opaque = value.cls.opaque or "_items" in value.slots
        return (None if special or opaque else True), NO_DEPS
    if isinstance(value, (Function, Bound, ClassValue, ModuleValue, Native, Partial, Wrapped)):
        return True, NO_DEPS
    return None, NO_DEPS
