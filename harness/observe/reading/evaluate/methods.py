"""Methods of constants, containers, modelled library objects, and the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.observe.reading.evaluate import modules, tensors
from harness.observe.reading.evaluate.arithmetic import MAX_ITEMS
from harness.observe.reading.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    Container,
    DictValue,
    Function,
    Instance,
    ListValue,
    Native,
    SetValue,
    Super,
    TensorValue,
    Unknown,
    Value,
    deps,
    hashable,
    hidden,
    is_scalar,
    raw,
    tag,
    union,
    words,
)

if TYPE_CHECKING:
    from harness.observe.reading.evaluate.calls import Calls
    from harness.observe.reading.evaluate.machine import Frame, Machine

_STRING = words(
    "capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit isidentifier islower "
    "isnumeric isspace istitle isupper lower lstrip partition removeprefix removesuffix replace rfind rindex "
    "rpartition rsplit rstrip split splitlines startswith strip swapcase title upper encode decode hex"
)
_NUMBER = words("is_integer bit_length bit_count conjugate as_integer_ratio hex")
_LONGEST = 10_000
"""Longest text on which a method is evaluated."""


def constant_attribute(value: Value, name: str) -> Value:
    """An attribute of a constant or tuple."""
    plain = raw(value)
    if isinstance(plain, (int, float)) and name in ("real", "imag", "numerator", "denominator"):
        return tag(getattr(plain, name, UNKNOWN), deps(value))
    return Native(value, name) if plain is not None else UNKNOWN


def call(machine: Calls, method: Native, args: list[Value], kwargs: dict[str, Value], frame: Frame) -> Value:
    """Call a method that is modelled."""
    receiver, name = method.receiver, method.name
    if isinstance(receiver, (TensorValue, Instance)):
        machine.risks += 1  # anything that torch does may fail, for want of memory if for nothing else
    if isinstance(receiver, TensorValue):
        return tensors.method(machine, receiver, name, args, kwargs)
    if isinstance(receiver, Instance):
        return modules.method(machine, receiver, name, args, kwargs, frame)
    if isinstance(receiver, Super):
        return _super(machine, receiver, name, args, kwargs, frame)
    if isinstance(receiver, ClassValue):
        return _class_method(machine, receiver, name, args, kwargs, frame)
    if isinstance(receiver, ListValue):
        return _list(machine, receiver, name, args, frame)
    if isinstance(receiver, DictValue):
        return _dict(machine, receiver, name, args, kwargs, frame)
    if isinstance(receiver, SetValue):
        return _set(machine, receiver, name, args)
    return _constant(machine, receiver, name, args, kwargs, frame)


def members(machine: Machine, value: Value) -> list[Value]:
    """What a container is known to hold."""
    if type(value) is tuple:
        return list(value)
    content = machine.heap.content(value) if isinstance(value, Container) else None
    return list(content.values() if isinstance(content, dict) else content or ())


def _constant(
    machine: Calls, receiver: Value, name: str, args: list[Value], kwargs: dict[str, Value], frame: Frame
) -> Value:
    plain = raw(receiver)
    names = deps(receiver)
    for arg in (*args, *kwargs.values()):
        names = union(names, deps(arg))
    given = [raw(arg) for arg in args]
    if name == "join" and isinstance(plain, str) and args:
        return _join(machine, plain, args[0], names, frame)
    if name == "format":
        return Unknown(names)
    allowed = name in (_STRING if isinstance(plain, (str, bytes)) else _NUMBER)
    if type(plain) is tuple and name in ("index", "count") and len(given) == 1:
        known = is_scalar(given[0]) and all(is_scalar(item) for item in plain)
        return plain.count(given[0]) if known and name == "count" else machine.risky()
    if not allowed or kwargs or not all(_short(arg) for arg in (plain, *given)):
        for arg in (*args, *kwargs.values()):
            machine.hand_over(arg, frame, mutable=False)
        return machine.risky(Unknown(names))
    if name == "replace" and len(given) >= 2 and len(plain) * (len(str(given[1])) + 1) > 1_000_000:
        return machine.risky()
    try:
        result = getattr(plain, name)(*given)
    except Exception:  # noqa: BLE001  whatever the method raises, the evaluated program would raise
        return machine.risky()
    if isinstance(result, list):
        return machine.heap.new_list([tag(item, names) for item in result])
    if isinstance(result, tuple):
        return tuple(tag(item, names) for item in result)
    return tag(result, names)


def _short(value: Value) -> bool:
    if isinstance(value, (str, bytes)):
        return len(value) <= _LONGEST
    if type(value) is tuple:
        return all(isinstance(item, str) and _short(item) for item in value)
    return value is None or isinstance(value, (bool, int, float))


def _join(machine: Calls, separator: str, iterable: Value, names: frozenset[str], frame: Frame) -> Value:
    items = machine.iterate(iterable, frame)
    plain = [raw(item) for item in items or ()]
    if items is None or not all(isinstance(item, str) for item in plain):
        return machine.risky(Unknown(names))
    for item in items:
        names = union(names, deps(item))
    total = sum(map(len, plain)) + len(separator) * len(plain)
    return tag(separator.join(plain), names) if total <= 100_000 else machine.risky(Unknown(names))


def _super(machine: Calls, value: Super, name: str, args: list[Value], kwargs: dict[str, Value], frame: Frame) -> Value:
    receiver = value.receiver
    if not isinstance(receiver, Instance):
        return UNKNOWN
    if name == "__setattr__" and len(args) == 2 and isinstance(raw(args[0]), str):
        machine.heap.write(receiver.slots, raw(args[0]), args[1])
        return None
    mro = receiver.cls.mro
    start = next((i for i, base in enumerate(mro) if base is value.owner), -1)
    for base in mro[start + 1 :]:
        if isinstance(base, ClassValue) and base.native is not None:
            modules.initialise(machine, receiver, base, args, kwargs, frame)
            break
    return None


def _class_method(
    machine: Calls, cls: ClassValue, name: str, args: list[Value], kwargs: dict[str, Value], frame: Frame
) -> Value:
    """Methods called on a class: `Layer.__init__(self, ...)`, `Layer.forward(self, x)`, `Function.apply(...)`."""
    if name == "__init__" and args and isinstance(args[0], Instance):
        for base in cls.mro:
            if isinstance(base, ClassValue) and base.native is not None:
                modules.initialise(machine, args[0], base, args[1:], kwargs, frame)
                return None
    if name == "apply" and cls.derives("torch.autograd.Function"):
        result: Value = UNKNOWN
        for part in ("forward", "setup_context", "backward"):
            found = machine.find(cls.mro, part)
            if isinstance(found, Function):
                if part == "forward" and machine.find(cls.mro, "setup_context") is MISSING:
                    result = machine.call_function(found, [UNKNOWN, *args], kwargs, frame)
                else:
                    machine.leak(found, frame)
        return Unknown(deps(result))
    if name == "from_pretrained":
        return machine.risky(Unknown(hides=f"{cls.name}.from_pretrained"))
    for value in (*args, *kwargs.values()):
        machine.hand_over(value, frame, mutable=False)
    return machine.risky()


def _list(machine: Calls, value: ListValue, name: str, args: list[Value], frame: Frame) -> Value:
    heap = machine.heap
    content = heap.content(value)
    if name in ("append", "add", "insert", "extend", "appendleft", "extendleft"):
        heap.write(value.slots, "items", _extended(machine, content, name, args, frame))
        return None
    if name == "copy":
        return heap.new_list(content)
    if name == "clear":
        heap.write(value.slots, "items", [])
        return None
    if name in ("pop", "popleft") and content and (not args or isinstance(raw(args[0]), int)):
        at = 0 if name == "popleft" else raw(args[0]) if args else -1
        if -len(content) <= at < len(content):
            rest = list(content)
            heap.work += len(rest)
            item = rest.pop(at)
            heap.write(value.slots, "items", rest)
            return item
    if name in ("index", "count"):
        return machine.risky()
    if name == "reverse" and content is not None:
        heap.write(value.slots, "items", content[::-1])
        return None
    # sort, remove, pop of something unknown and the rest: the order or the content is no longer known.
    reasons = [hidden(item) for item in content or ()]
    for item in content or ():
        heap.lose(item)
    for arg in args:
        machine.hand_over(arg, frame, mutable=False)
    heap.write(value.slots, "items", None)
    machine.flush(frame)
    return machine.risky(Unknown(hides=next(filter(None, reasons), None)))


def _extended(machine: Calls, content: list[Value] | None, name: str, args: list[Value], frame: Frame) -> Any:
    changed: list[Value] | None = None
    machine.heap.work += len(content or ())
    if content is not None and len(content) < MAX_ITEMS and args:
        if name == "append":
            changed = [*content, args[0]]
        elif name == "extend":
            more = machine.iterate(args[0], frame)
            changed = None if more is None else content + more
        elif name == "insert" and len(args) == 2 and isinstance(raw(args[0]), int):
            changed = [*content]
            changed.insert(raw(args[0]), args[1])
        elif name == "appendleft":
            changed = [args[0], *content]
    if changed is None:
        for item in (*(content or ()), *args, *(members(machine, args[0]) if args else ())):
            machine.heap.lose(item)
        machine.flush(frame)
    return changed


def _dict(
    machine: Calls, value: DictValue, name: str, args: list[Value], kwargs: dict[str, Value], frame: Frame
) -> Value:
    heap = machine.heap
    content = heap.content(value)
    if name in ("keys", "values", "items") and content is not None:
        return heap.new_list(
            [*content] if name == "keys" else [*content.values()] if name == "values" else [*content.items()]
        )
    if name == "copy":
        return heap.new_dict(content)
    if name in ("get", "pop", "setdefault") and args:
        return _lookup(machine, value, content, name, args)
    if name == "update":
        more = [arg for arg in args if isinstance(arg, DictValue)]
        known = [heap.content(arg) for arg in more]
        merged: Any = None
        if content is not None and len(more) == len(args) and None not in known and "**" not in kwargs:
            merged = {**content, **{k: v for part in known for k, v in part.items()}, **kwargs}
        if merged is None:
            for item in (
                *members(machine, value),
                *kwargs.values(),
                *(m for arg in args for m in members(machine, arg)),
            ):
                heap.lose(item)
        heap.write(value.slots, "items", merged)
        machine.write_through(value, merged if merged is not None and all(isinstance(k, str) for k in merged) else None)
        machine.flush(frame)
        return None
    if name == "clear":
        heap.write(value.slots, "items", {})
        return None
    if name in ("keys", "values", "items", "__len__", "__contains__", "most_common", "total", "elements"):
        for item in members(machine, value):
            heap.lose(item)
        machine.flush(frame)
        return heap.new_list(None)
    machine.hand_over(value, frame)
    return machine.risky()


def _lookup(machine: Calls, value: DictValue, content: Any, name: str, args: list[Value]) -> Value:
    heap = machine.heap
    key = raw(args[0])
    default = args[1] if len(args) > 1 else None
    if content is None or not hashable(key):
        for item in members(machine, value):
            heap.lose(item)
        if name != "get":
            heap.lose(default)
            heap.write(value.slots, "items", None)
        return machine.risky()
    if key in content:
        if name == "pop":
            heap.write(value.slots, "items", {k: v for k, v in content.items() if k != key})
        return tag(content[key], deps(args[0]))
    if name == "setdefault":
        heap.write(value.slots, "items", {**content, key: default})
    return default if name != "pop" or len(args) > 1 else machine.risky()


def _set(machine: Calls, value: SetValue, name: str, args: list[Value]) -> Value:
    heap = machine.heap
    content = heap.content(value)
    given = [raw(arg) for arg in args]
    changed: set[Value] | None = None
    if content is not None and all(hashable(item) for item in given):
        if name == "add" and given:
            changed = content | {given[0]}
        elif name in ("discard", "remove") and given:
            changed = content - {given[0]}
        elif name == "copy":
            return heap.new_set(content)
        elif name == "clear":
            changed = set()
    if name in ("union", "intersection", "difference", "issubset", "issuperset", "isdisjoint", "symmetric_difference"):
        return machine.risky() if name.startswith("is") else heap.new_set(None)
    heap.write(value.slots, "items", changed)
    return None if name in ("add", "discard", "remove", "clear", "update") else machine.risky()
