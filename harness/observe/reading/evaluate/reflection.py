"""Built-in functions that look at objects: types, attributes, `super`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.observe.reading.evaluate import modules
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
    SetValue,
    Super,
    TensorValue,
    Unknown,
    Value,
    Wrapped,
    deps,
    is_scalar,
    raw,
    tag,
    union,
    words,
)

if TYPE_CHECKING:
    from harness.observe.reading.evaluate.calls import Calls
    from harness.observe.reading.evaluate.machine import Frame

Args = list[Value]
Kwargs = dict[str, Value]
Rule = Callable[["Calls", Args, Kwargs, "Frame"], Value]

_TYPES: dict[str, Any] = {
    "int": int, "float": float, "str": str, "bool": bool, "bytes": bytes, "tuple": tuple, "list": ListValue,
    "dict": DictValue, "set": SetValue, "frozenset": SetValue, "range": range, "complex": complex,
}  # fmt: skip


def _isinstance(_machine: Calls, args: Args, _: Kwargs, __: Frame) -> Value:
    if len(args) != 2:
        return UNKNOWN
    kinds = args[1] if type(args[1]) is tuple else (args[1],)
    verdicts = [_is_a(args[0], kind) for kind in kinds]
    names = deps(args[0])
    if True in verdicts:
        return tag(value=True, names=names)
    return Unknown(names) if None in verdicts else tag(value=False, names=names)


def _is_a(value: Value, kind: Value) -> bool | None:
    plain = raw(value)
    if type(plain) in (Unknown, External) or type(kind) is Unknown:
        return None
    if isinstance(kind, ClassValue):
        if isinstance(plain, Instance):
            found = any(base is kind for base in plain.cls.mro)
            return True if found else None if plain.cls.opaque else False
        if isinstance(plain, TensorValue) and kind.native == "torch.nn.Parameter":
            return plain.parameter
        if isinstance(plain, Wrapped):
            return kind.native == "torch.nn.Module"
        return False if is_scalar(plain) or isinstance(plain, (Container, tuple, TensorValue)) else None
    if isinstance(kind, External):
        return _is_library(plain, kind.path)
    return None


def _is_library(plain: Value, path: str) -> bool | None:
    root, _, name = path.partition(".")
    if root == "builtins" and name in _TYPES:
        if isinstance(plain, (Instance, TensorValue, Function, Bound, ModuleValue, Wrapped, ClassValue)):
            return None if isinstance(plain, Instance) and plain.cls.opaque else False
        return isinstance(plain, _TYPES[name])
    if path in ("torch.Tensor", "torch.nn.Tensor"):
        if isinstance(plain, TensorValue):
            return None  # it may as well be a numpy array
        return False if is_scalar(plain) or isinstance(plain, (Container, tuple, Instance, Function)) else None
    if path.endswith("DistributedDataParallel"):
        return isinstance(plain, Wrapped)
    return False if is_scalar(plain) and root not in ("numbers", "collections", "typing") else None


def _getattr(machine: Calls, args: Args, _: Kwargs, frame: Frame) -> Value:
    if len(args) < 2:
        return UNKNOWN
    value, name = args[0], raw(args[1])
    if not isinstance(name, str):
        if isinstance(value, (Instance, ClassValue, ModuleValue)):
            for item in list(value.slots.values()):
                machine.heap.lose(item)
            machine.trace.incomplete("`getattr` with a name that is not known")
        return machine.risky(Unknown(deps(args[1])))
    if len(args) == 2:
        return tag(machine.attribute(value, name, frame), deps(args[1]))
    present = has(machine, value, name)
    if present is False:
        return args[2]
    found = machine.attribute(value, name, frame)
    if present:
        return found
    machine.heap.lose(args[2])
    return Unknown(union(deps(found), deps(args[2])), name)


def has(machine: Calls, value: Value, name: str) -> bool | None:
    """Whether `value` has the attribute, None when unknown."""
    if isinstance(value, (Instance, ClassValue)):
        return _object_has(machine, value, name)
    if isinstance(value, ModuleValue):
        return True if machine.heap.read(value.slots, name) is not MISSING else None
    if isinstance(value, Wrapped):
        return True if name == "module" else None
    if isinstance(value, TensorValue):
        if machine.heap.read(value.slots, name) is not MISSING:
            return True
        return (
            False if name.startswith("_") and not name.startswith("__") and name not in machine.unknown_attrs else None
        )
    if is_scalar(value):
        return hasattr(raw(value), name)
    return None


def _object_has(machine: Calls, value: Instance | ClassValue, name: str) -> bool | None:
    cls = value.cls if isinstance(value, Instance) else value
    own = machine.heap.read(value.slots, name) if isinstance(value, Instance) else MISSING
    found = own if own is not MISSING else machine.find(cls.mro, name)
    if name in machine.unknown_attrs:
        return None
    if found is not MISSING:
        return None if type(found) is Unknown and own is MISSING else True if type(found) is not Unknown else None
    if isinstance(value, Instance) and modules.instance_attribute(value, name) is not None:
        return True if value.is_module and not name.startswith("_") else None
    if machine.find(cls.mro, "__getattr__") is not MISSING:
        return None
    # torch and Python give every object more attributes than are modelled here; the submission's own names are not
    # among them unless they look like library names.
    if name.startswith("__"):
        return None
    return None if cls.derives("torch.nn.Module") and (name in _MODULE_NAMES or name.startswith(_PRIVATE)) else False


_PRIVATE = ("_forward", "_backward", "_state_dict", "_load_state", "_is_full", "_non_persistent", "_version", "_fsdp")
_MODULE_NAMES = words(
    "T_destination call_super_init dump_patches device dtype __call__ module require_backward_grad_sync no_sync "
    "set_extra_state get_extra_state requires_grad_ half to_empty training in_features out_features weight bias"
)


def _hasattr(machine: Calls, args: Args, _: Kwargs, __: Frame) -> Value:
    name = raw(args[1]) if len(args) == 2 else None
    known = has(machine, args[0], name) if isinstance(name, str) else None
    return UNKNOWN if known is None else known


def _setattr(machine: Calls, args: Args, _: Kwargs, frame: Frame) -> Value:
    if len(args) != 3:
        return machine.risky()
    value, name = args[0], raw(args[1])
    if isinstance(name, str):
        machine.set_attribute(value, name, args[2], frame)
    elif isinstance(value, (Instance, ClassValue, ModuleValue)):
        for key, item in machine.heap.entries(value.slots):
            if not isinstance(item, Function):
                machine.heap.write(value.slots, key, machine.heap.join(item, Unknown(deps(args[1]))))
        machine.heap.lose(args[2])
        machine.flush(frame)
    return None


def _delattr(machine: Calls, args: Args, _: Kwargs, frame: Frame) -> Value:
    if len(args) == 2 and isinstance(raw(args[1]), str):
        machine.set_attribute(args[0], raw(args[1]), MISSING, frame)
    return None


def _type(machine: Calls, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
    if len(args) == 1:
        value = args[0]
        if isinstance(value, Instance):
            return value.cls
        names = {int: "int", float: "float", str: "str", bool: "bool", tuple: "tuple"}
        known = names.get(type(raw(value)))
        return External(f"builtins.{known}") if known else machine.risky()
    return machine.call_unknown(UNKNOWN, args, kwargs, frame)


def _vars(machine: Calls, args: Args, _: Kwargs, frame: Frame) -> Value:
    return machine.attribute(args[0], "__dict__", frame) if args else machine.risky()


def _dir(machine: Calls, args: Args, _: Kwargs, __: Frame) -> Value:
    value = args[0] if args else UNKNOWN
    if not isinstance(value, (Instance, ClassValue)):
        return machine.heap.new_list(None)
    names = {key for key, _ in machine.heap.entries(value.slots) if isinstance(key, str)}
    for base in (value.cls if isinstance(value, Instance) else value).mro:
        names |= {key for key in base.slots if isinstance(key, str)} if isinstance(base, ClassValue) else set()
    return machine.heap.new_list(sorted(names))


def _callable(_: Calls, args: Args, __: Kwargs, ___: Frame) -> Value:
    value = args[0] if args else UNKNOWN
    if isinstance(value, (Function, Bound, ClassValue)):
        return True
    return False if is_scalar(value) or isinstance(value, (Container, tuple)) else UNKNOWN


def _super(_: Calls, args: Args, __: Kwargs, frame: Frame) -> Value:
    if len(args) == 2 and isinstance(args[0], ClassValue):
        return Super(args[0], args[1])
    function = frame.function
    while function is not None and function.owner is None:
        function = None
    return Super(function.owner, frame.receiver) if function is not None and function.owner is not None else UNKNOWN


def _issubclass(_: Calls, args: Args, __: Kwargs, ___: Frame) -> Value:
    if len(args) == 2 and all(isinstance(arg, ClassValue) for arg in args):
        found = any(base is args[1] for base in args[0].mro)
        return True if found or not args[0].opaque else UNKNOWN
    return UNKNOWN


RULES: dict[str, Rule] = {
    "isinstance": _isinstance, "issubclass": _issubclass, "getattr": _getattr, "hasattr": _hasattr,
    "setattr": _setattr, "delattr": _delattr, "type": _type, "vars": _vars, "dir": _dir, "callable": _callable,
    "super": _super,
}  # fmt: skip
