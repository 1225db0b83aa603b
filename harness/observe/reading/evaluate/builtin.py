"""Python's built-in functions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.observe.reading.evaluate import reflection
from harness.observe.reading.evaluate.arithmetic import MAX_BITS
from harness.observe.reading.evaluate.values import (
    NO_DEPS,
    UNKNOWN,
    Container,
    Deps,
    DictValue,
    External,
    Instance,
    TensorValue,
    Unknown,
    Value,
    Wrapped,
    deps,
    hashable,
    is_scalar,
    raw,
    tag,
    union,
)

if TYPE_CHECKING:
    from harness.observe.reading.evaluate.calls import Calls
    from harness.observe.reading.evaluate.machine import Frame

Args = list[Value]
Kwargs = dict[str, Value]
Rule = Callable[["Calls", Args, Kwargs, "Frame"], Value]

_PURE: dict[str, Callable[..., Any]] = {
    "int": int, "float": float, "bool": bool, "str": str, "abs": abs, "round": round, "chr": chr, "ord": ord,
    "divmod": divmod, "range": range, "complex": complex, "hex": hex, "bin": bin, "repr": repr,
}  # fmt: skip


def call(machine: Calls, name: str, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
    """Call of the builtin `name`."""
    if "**" in kwargs and name not in ("print", "dict", "type"):
        return machine.call_unknown(UNKNOWN, args, kwargs, frame)
    rule = _RULES.get(name) or reflection.RULES.get(name)
    if rule is not None:
        return rule(machine, args, kwargs, frame)
    if name in _PURE:
        return _pure(machine, name, args, kwargs)
    if name in ("exec", "eval", "compile", "globals", "locals"):
        return _dynamic(machine, name, args, kwargs, frame)
    for value in (*args, *kwargs.values()):
        machine.hand_over(value, frame, mutable=False)
    return machine.risky()


def _all_deps(args: Args) -> Deps:
    names: Deps = NO_DEPS
    for arg in args:
        names = union(names, deps(arg))
    return names


def _pure(machine: Calls, name: str, args: Args, kwargs: Kwargs) -> Value:
    plain = [raw(arg) for arg in args]
    names = _all_deps(args)
    if name == "bool" and len(args) == 1:
        known, more = machine.truth(args[0])
        return Unknown(more) if known is None else tag(known, more)
    if kwargs or not all(isinstance(arg, (bool, int, float, str, bytes, complex)) or arg is None for arg in plain):
        if name == "str" and len(args) == 1 and type(plain[0]) is Unknown:
            return Unknown(names)
        return machine.risky(Unknown(names))
    if any(isinstance(arg, (str, bytes)) and len(arg) > 4000 for arg in plain):
        return machine.risky(Unknown(names))
    if any(isinstance(arg, int) and arg.bit_length() > min(MAX_BITS, 13_000) for arg in plain):
        return machine.risky(Unknown(names))
    try:
        return tag(_PURE[name](*plain), names)
    except Exception:  # noqa: BLE001  whatever the builtin raises, the evaluated program would raise
        return machine.risky(Unknown(names))


def _dynamic(machine: Calls, name: str, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
    """Code made at run time cannot be followed."""
    if name in ("globals", "locals") and not args:
        # Reading through it is harmless; what is written is looked for where the dict is changed.
        return External(f"builtins.{name}()")
    machine.trace.incomplete(f"`{name}` of code that is made at run time")
    return machine.call_unknown(UNKNOWN, args, kwargs, frame)


def _len(machine: Calls, args: Args, _: Kwargs, frame: Frame) -> Value:
    value = args[0] if args else UNKNOWN
    plain = raw(value)
    if isinstance(plain, (str, bytes, tuple, range)):
        return tag(len(plain), deps(value))
    if isinstance(plain, Container):
        content = machine.heap.content(plain)
        return machine.risky() if content is None else len(content)
    if isinstance(plain, TensorValue):
        return plain.shape[0] if plain.shape and plain.shape[0] is not None else UNKNOWN
    if isinstance(plain, Instance):
        if machine.defines(plain, "__len__"):
            return machine.call(machine.attribute(plain, "__len__", frame), [], {}, ast.Pass(), frame)
        content = machine.heap.read(plain.slots, "_items")
        return len(content) if isinstance(content, (list, dict)) else machine.risky()
    return machine.risky(Unknown(deps(value)))


def _extreme(name: str) -> Rule:
    def rule(machine: Calls, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
        items = args if len(args) > 1 else machine.iterate(args[0], frame) if args else None
        if "key" in kwargs:
            machine.hand_over(kwargs["key"], frame)
            return machine.risky()
        plain = [raw(item) for item in items or ()]
        names = _all_deps(list(items or ()))
        if items is None or not all(isinstance(item, (int, float, str)) for item in plain) or not plain:
            if not plain and items is not None and "default" in kwargs:
                return kwargs["default"]
            return machine.risky(Unknown(names))
        try:
            return tag(min(plain) if name == "min" else max(plain), names)
        except TypeError:
            return machine.risky()

    return rule


def _sum(machine: Calls, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
    items = machine.iterate(args[0], frame) if args else None
    plain = [raw(item) for item in (*(items or ()), *args[1:], *kwargs.values())]
    if items is None or not all(isinstance(item, (int, float)) for item in plain):
        return machine.risky()
    return tag(sum(plain), _all_deps(items))


def _every(name: str) -> Rule:
    def rule(machine: Calls, args: Args, _: Kwargs, frame: Frame) -> Value:
        items = machine.iterate(args[0], frame) if args else None
        if items is None:
            return machine.risky()
        stop = name == "any"
        truths = [machine.truth(item) for item in items]
        names: Deps = NO_DEPS
        for __, more in truths:
            names = union(names, more)
        if any(known is stop for known, _ in truths):
            return tag(stop, names)
        return Unknown(names) if any(known is None for known, _ in truths) else tag(not stop, names)

    return rule


def _sequence(machine: Calls, args: Args, _: Kwargs, frame: Frame) -> Value:
    if not args:
        return machine.heap.new_list([])
    items = machine.iterate(args[0], frame)
    if items is None and isinstance(args[0], (Instance, Wrapped)):
        machine.leak(args[0], frame)
    return machine.heap.new_list(items)


def _tuple(machine: Calls, args: Args, _: Kwargs, frame: Frame) -> Value:
    items = machine.iterate(args[0], frame) if args else []
    return machine.risky() if items is None else tuple(items)


def _set(machine: Calls, args: Args, _: Kwargs, frame: Frame) -> Value:
    items = machine.iterate(args[0], frame) if args else []
    plain = [raw(item) for item in items or ()]
    return machine.heap.new_set(set(plain) if items is not None and all(hashable(item) for item in plain) else None)


def _dict(machine: Calls, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
    content: dict[Value, Value] | None = {}
    if args:
        if isinstance(args[0], DictValue):
            content = machine.heap.content(args[0])
        else:
            pairs = machine.iterate(args[0], frame)
            simple = pairs is not None and all(
                type(pair) is tuple and len(pair) == 2 and hashable(raw(pair[0])) for pair in pairs
            )
            content = {raw(pair[0]): pair[1] for pair in pairs or ()} if simple else None
    if content is None or "**" in kwargs:
        for value in (*args, *kwargs.values()):
            machine.heap.lose(value)
        return machine.heap.new_dict(None)
    return machine.heap.new_dict({**content, **kwargs})


def _enumerate(machine: Calls, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
    items = machine.iterate(args[0], frame) if args else None
    start = raw(args[1] if len(args) > 1 else kwargs.get("start", 0))
    if items is None or not isinstance(start, int):
        return machine.heap.new_list(None)
    return machine.heap.new_list([(start + index, item) for index, item in enumerate(items)])


def _zip(machine: Calls, args: Args, _: Kwargs, frame: Frame) -> Value:
    columns = [machine.iterate(arg, frame) for arg in args]
    if any(column is None for column in columns):
        for column in columns:
            for item in column or ():
                machine.heap.lose(item)
        return machine.heap.new_list(None)
    return machine.heap.new_list(list(zip(*(column or () for column in columns), strict=False)))


def _ordered(name: str) -> Rule:
    def rule(machine: Calls, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
        items = machine.iterate(args[0], frame) if args else None
        plain = [raw(item) for item in items or ()]
        backwards = raw(kwargs.get("reverse", False))
        if items is not None and name == "reversed":
            return machine.heap.new_list(items[::-1])
        if items is not None and "key" not in kwargs and all(is_scalar(item) for item in plain):
            try:
                order = sorted(range(len(plain)), key=plain.__getitem__, reverse=bool(backwards))
                return machine.heap.new_list([items[index] for index in order])
            except TypeError:
                pass
        for value in (*(items or ()), *kwargs.values()):
            machine.hand_over(value, frame, mutable=False)
        return machine.heap.new_list(None)

    return rule


def _map(machine: Calls, args: Args, _: Kwargs, frame: Frame) -> Value:
    columns = [machine.iterate(arg, frame) for arg in args[1:]]
    if len(columns) != 1 or columns[0] is None or len(columns[0]) > 512:
        for value in args:
            machine.hand_over(value, frame, mutable=False)
        return machine.heap.new_list(None)
    return machine.heap.new_list([machine.call(args[0], [item], {}, ast.Pass(), frame) for item in columns[0]])


def _filter(machine: Calls, args: Args, _: Kwargs, frame: Frame) -> Value:
    for value in args:
        machine.hand_over(value, frame, mutable=False)
    return machine.heap.new_list(None)


def _next(machine: Calls, args: Args, _: Kwargs, frame: Frame) -> Value:
    for value in args:
        if isinstance(value, Instance):
            for name in ("__next__", "__iter__"):
                if machine.defines(value, name):
                    machine.leak(machine.attribute(value, name, frame), frame)
        machine.heap.lose(value)
    machine.flush(frame)
    return machine.risky()


def _print(machine: Calls, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
    for value in args:
        if isinstance(value, Instance):
            for name in ("__str__", "__repr__"):
                if machine.defines(value, name):
                    machine.leak(machine.attribute(value, name, frame), frame)
    for value in kwargs.values():
        machine.hand_over(value, frame, mutable=False)
    return None


_RULES: dict[str, Rule] = {
    "len": _len, "min": _extreme("min"), "max": _extreme("max"), "sum": _sum, "any": _every("any"),
    "all": _every("all"), "list": _sequence, "iter": _sequence, "tuple": _tuple, "set": _set, "frozenset": _set,
    "dict": _dict, "enumerate": _enumerate, "zip": _zip, "sorted": _ordered("sorted"), "reversed": _ordered("reversed"),
    "map": _map, "filter": _filter, "next": _next, "print": _print,
}  # fmt: skip
