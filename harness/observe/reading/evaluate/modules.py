"""torch modules as objects: construction, containers, methods, and the parameters of a whole model."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from harness.observe.reading.evaluate import layers, tensors
from harness.observe.reading.evaluate.trace import ModelTrace
from harness.observe.reading.evaluate.values import (
    MISSING,
    UNKNOWN,
    Bound,
    ClassValue,
    DictValue,
    Instance,
    ListValue,
    Native,
    TensorValue,
    Unknown,
    Value,
    hidden,
    raw,
    words,
)

if TYPE_CHECKING:
    from harness.observe.reading.evaluate.calls import Calls
    from harness.observe.reading.evaluate.machine import Frame

_RETURN_SELF = words(
    "to cuda cpu float half bfloat16 double train eval requires_grad_ type apply to_empty compile share_memory"
)
_LISTS = frozenset(["parameters", "named_parameters", "state_dict", "buffers", "named_buffers"])
METHODS = (
    _RETURN_SELF
    | _LISTS
    | words(
        "zero_grad load_state_dict register_buffer register_parameter add_module register_module modules "
        "named_modules children named_children get_submodule get_parameter append extend insert keys values items pop "
        "update register_forward_hook register_forward_pre_hook register_full_backward_hook extra_repr __len__"
    )
)
MAX_TENSORS = 5_000


def parameter(machine: Calls, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """`nn.Parameter(tensor)`."""
    data = raw(args[0] if args else kwargs.get("data", UNKNOWN))
    shape = data.shape if isinstance(data, TensorValue) else None
    return machine.heap.new_tensor(shape, parameter=True)


def initialise(
    machine: Calls, instance: Instance, cls: ClassValue, args: list[Value], kwargs: dict[str, Value], frame: Frame
) -> None:
    """`cls.__init__` of a modelled library class, on an instance of it or of a subclass."""
    path = cls.native or ""
    name = path.rsplit(".", 1)[-1]
    if path == "types.SimpleNamespace":
        for key, value in kwargs.items():
            machine.heap.write(instance.slots, key, value)
    elif path == "torch.optim.Optimizer":
        for value in (*args, *kwargs.values()):
            machine.hand_over(value, frame, mutable=False)
        for key in ("param_groups", "state", "defaults"):
            machine.heap.write(instance.slots, key, Unknown(attr=key))
    elif name in layers.CONTAINERS and path.startswith("torch.nn."):
        _fill(machine, instance, name, args, kwargs, frame)
    elif name in layers.SIGNATURES and path.startswith("torch.nn."):
        _layer(machine, instance, name, args, kwargs)


def _layer(machine: Calls, instance: Instance, name: str, args: list[Value], kwargs: dict[str, Value]) -> None:
    names = layers.SIGNATURES[name].split()
    given: dict[str, Value] = {
        **layers.DEFAULTS,
        **layers.OWN_DEFAULTS.get(name, {}),
        **dict(zip(names, args, strict=False)),
        **kwargs,
    }
    write, slots = machine.heap.write, instance.slots
    for key in names:
        if key != "bias":
            write(slots, key, given.get(key, UNKNOWN))
    for key, shape in layers.PARAMETERS[name](given):
        if key == "?":
            write(slots, "weight", Unknown(hides=f"{name} of unknown options"))
            continue
        tensor = machine.heap.new_tensor(tuple(tensors.size(part) for part in shape), parameter=True)
        if "." in key:
            child = Instance(machine.heap.new_slots(), _linear(machine))
            owner, inner = key.split(".")
            existing = slots.get(owner)
            child = existing if isinstance(existing, Instance) else child
            write(slots, owner, child)
            write(child.slots, inner, tensor)
        else:
            write(slots, key, tensor)
    if not raw(given.get("bias", True)) and name != "EmbeddingBag":
        write(slots, "bias", None)


def _linear(machine: Calls) -> ClassValue:
    cls = machine.native_class("torch.nn.Linear")
    if cls is None:
        raise LookupError("torch.nn.Linear is not modelled")
    return cls


def _fill(
    machine: Calls, instance: Instance, name: str, args: list[Value], kwargs: dict[str, Value], frame: Frame
) -> None:
    """Children of a container."""
    given = args[0] if args else next(iter(kwargs.values()), None)
    content: Any
    if name == "Sequential":
        ordered = machine.heap.content(given) if isinstance(given, DictValue) else None
        content = ordered if ordered is not None else None if "**" in kwargs else list(args)
    elif name in ("ModuleDict", "ParameterDict"):
        content = {} if given is None else machine.heap.content(given) if isinstance(given, DictValue) else None
        content = dict(content) if content is not None else None
    else:
        content = [] if given is None else machine.iterate(given, frame)
    if name.startswith("Parameter") and content is not None:
        if isinstance(content, dict):
            content = {key: _as_parameter(machine, value) for key, value in content.items()}
        else:
            content = [_as_parameter(machine, value) for value in content]
    machine.heap.write(instance.slots, "_items", content)


def _as_parameter(machine: Calls, value: Value) -> Value:
    plain = isinstance(value, TensorValue) and not value.parameter
    return machine.heap.new_tensor(value.shape, parameter=True) if plain else value


def instance_attribute(value: Instance, name: str) -> Value | None:
    """Attributes that library base classes give to an instance; None when they give none of that name."""
    if name == "training" and value.is_module:
        return UNKNOWN
    if value.is_module and (name in METHODS or name in ("_parameters", "_modules", "_buffers", "_orig_mod", "device")):
        if name == "_orig_mod":
            return value
        return Native(value, name) if name in METHODS else Unknown(attr=name)
    if value.cls.derives("torch.optim.Optimizer"):
        return Unknown(attr=name)
    if "_items" in value.slots:
        return Native(value, name)
    return None


def call_native(machine: Calls, value: Instance, args: list[Value], node: ast.AST, frame: Frame) -> Value:
    """A library module is called: a container of modules calls each, in turn."""
    content = machine.heap.read(value.slots, "_items")
    if content is MISSING or not value.cls.derives("torch.nn.Sequential"):
        return machine.risky() if value.cls.opaque or content is not MISSING else UNKNOWN
    result = args[0] if args else UNKNOWN
    for child in (content.values() if isinstance(content, dict) else content) or ():
        result = machine.call(child, [result], {}, node, frame)
    return result


def method(
    machine: Calls, value: Instance, name: str, args: list[Value], kwargs: dict[str, Value], frame: Frame
) -> Value:
    """A method that torch gives to every module, or to a container."""
    if name in _RETURN_SELF:
        if name == "apply" and args:
            machine.leak(args[0], frame)
        return value
    if name in _LISTS:
        machine.list_model(value, saved=name == "state_dict")
        return machine.heap.new_dict(None) if name == "state_dict" else machine.heap.new_list(None)
    if name in ("register_buffer", "register_parameter", "add_module", "register_module"):
        _register(machine, value, args, kwargs, frame)
        return None
    if name in ("modules", "named_modules", "children", "named_children"):
        return _descendants(machine, value, name)
    if name in ("get_submodule", "get_parameter"):
        return machine.risky(Unknown(hides=value.cls.name))
    if "_items" in value.slots and name in (
        "append",
        "extend",
        "insert",
        "keys",
        "values",
        "items",
        "pop",
        "update",
        "__len__",
    ):
        return _container(machine, value, name, args, frame)
    for given in (*args, *kwargs.values()):
        machine.hand_over(given, frame, mutable=False)
    return machine.risky()


def _register(machine: Calls, value: Instance, args: list[Value], kwargs: dict[str, Value], frame: Frame) -> None:
    name = raw(args[0] if args else kwargs.get("name", UNKNOWN))
    given = args[1] if len(args) > 1 else next((kwargs[k] for k in ("tensor", "param", "module") if k in kwargs), None)
    if isinstance(name, str):
        machine.set_attribute(value, name, given, frame)
    else:
        machine.heap.write(value.slots, "?", Unknown(hides=hidden(given)))


def _descendants(machine: Calls, value: Instance, name: str) -> Value:
    found: list[tuple[str, Instance]] = []
    exact = _collect(machine, value, "", found, set(), deep="modules" in name)
    if not exact:
        for _, child in found:
            machine.heap.lose(child)
        return machine.heap.new_list(None)
    if name in ("modules", "named_modules"):
        found.insert(0, ("", value))
    return machine.heap.new_list([(path, child) if name.startswith("named") else child for path, child in found])


def _collect(
    machine: Calls, value: Instance, prefix: str, found: list[tuple[str, Instance]], seen: set[int], *, deep: bool
) -> bool:
    exact = len(found) < MAX_TENSORS
    seen.add(id(value))
    machine.heap.entries(value.slots)  # so that a recorded call knows what it went over
    for key, child in members(value):
        if isinstance(child, Instance) and child.is_module and id(child) not in seen and exact:
            seen.add(id(child))
            path = f"{prefix}.{key}" if prefix else key
            found.append((path, child))
            exact = (_collect(machine, child, path, found, seen, deep=True) if deep else True) and exact
        elif type(child) is Unknown and child.hides is not None:
            exact = False
    return exact


def members(value: Instance) -> list[tuple[str, Value]]:
    """Attributes and children of a module by name; unknown children as one Unknown named `?`."""
    pairs: list[tuple[str, Value]] = []
    for key, item in value.slots.items():
        if key == "_items":
            if item is None:
                pairs.append(("?", Unknown(hides=f"{value.cls.name} of unknown content")))
            else:
                pairs += [(str(k), v) for k, v in (item.items() if isinstance(item, dict) else enumerate(item))]
        elif isinstance(key, str):
            pairs.append((key, item))
    return pairs


def _container(machine: Calls, value: Instance, name: str, args: list[Value], frame: Frame) -> Value:
    content = machine.heap.read(value.slots, "_items")
    heap = machine.heap
    if name == "__len__":
        return UNKNOWN if content is None else len(content)
    if name in ("keys", "values", "items"):
        if not isinstance(content, dict):
            return heap.new_list(None)
        return heap.new_list(
            [*content] if name == "keys" else [*content.values()] if name == "values" else [*content.items()]
        )
    changed: Any = None
    if name == "append" and args and isinstance(content, list):
        changed = [*content, _as_parameter(machine, args[0]) if "Parameter" in value.cls.name else args[0]]
    elif name == "extend" and args and isinstance(content, list):
        more = machine.iterate(args[0], frame)
        changed = None if more is None else content + more
    elif name == "insert" and len(args) == 2 and isinstance(content, list) and isinstance(raw(args[0]), int):
        changed = [*content]
        changed.insert(raw(args[0]), args[1])
    elif name == "update" and args and isinstance(content, dict) and isinstance(args[0], DictValue):
        more_items = heap.content(args[0])
        changed = None if more_items is None else {**content, **more_items}
    heap.write(value.slots, "_items", changed)
    return value if name in ("append", "extend") else UNKNOWN


def survey(machine: Calls, instance: Instance, trace: ModelTrace) -> None:
    """Write the parameters of a model into its trace, each tensor once, with torch's names."""
    seen: dict[int, int] = {}
    children: set[int] = set()
    trace.tensors, trace.reason = [], None
    stack: list[tuple[str, Instance, int]] = [("", instance, 0)]
    while stack:
        prefix, module, depth = stack.pop()
        nested: list[tuple[str, Instance, int]] = []
        for key, value in members(module):
            name = f"{prefix}{key}"
            if key in machine.unknown_attrs and hidden(value) and trace.reason is None:
                trace.reason = f"{name}: set through an object that is not known"
            if isinstance(value, TensorValue) and value.parameter:
                _note_tensor(trace, seen, name, value)
            elif isinstance(value, Instance) and value.is_module and depth < 60:
                if id(value) not in children:
                    children.add(id(value))
                    nested.append((f"{name}.", value, depth + 1))
                else:
                    _note_shared(trace, seen, value)
            elif type(value) is Unknown and value.hides is not None and trace.reason is None:
                trace.reason = f"{name}: {value.hides}"
        stack.extend(reversed(nested))
        if len(trace.tensors) > MAX_TENSORS:
            trace.reason = "too many tensors"
            break
    machine.spend(len(trace.tensors) + len(children))
    trace.children = frozenset(children)


def _note_tensor(trace: ModelTrace, seen: dict[int, int], name: str, value: TensorValue) -> None:
    if id(value) in seen:
        index = seen[id(value)]
        first, shape, shared = trace.tensors[index]
        trace.tensors[index] = (first, shape, shared + 1)
        return
    seen[id(value)] = len(trace.tensors)
    trace.tensors.append((name, value.shape, 0))


def _note_shared(trace: ModelTrace, seen: dict[int, int], module: Instance) -> None:
    """A module met under a second name shares its own parameters."""
    for key, value in members(module):
        if isinstance(value, TensorValue) and value.parameter and id(value) in seen:
            _note_tensor(trace, seen, key, value)


def clone(machine: Calls, value: Value, copies: dict[int, Value]) -> Value:
    """`copy.deepcopy`: instances, containers and tensors anew, shared ones shared again."""
    if id(value) in copies:
        return copies[id(value)]
    if isinstance(value, TensorValue):
        copies[id(value)] = copied = machine.heap.new_tensor(value.shape, parameter=value.parameter)
        return copied
    if isinstance(value, Instance):
        machine.spend(4 * (1 + len(value.slots)))
        twin = Instance(machine.heap.new_slots(), value.cls)
        copies[id(value)] = twin
        for key, item in machine.heap.entries(value.slots):
            machine.heap.write(twin.slots, key, _clone_content(machine, item, copies))
        return twin
    if isinstance(value, (ListValue, DictValue)):
        fresh = machine.heap.new_list(None) if isinstance(value, ListValue) else machine.heap.new_dict(None)
        copies[id(value)] = fresh
        machine.heap.write(fresh.slots, "items", _clone_content(machine, machine.heap.content(value), copies))
        return fresh
    if type(value) is tuple:
        return tuple(clone(machine, item, copies) for item in value)
    if isinstance(value, Bound) and id(value.receiver) in copies:
        return Bound(value.function, copies[id(value.receiver)])
    return value


def _clone_content(machine: Calls, content: Any, copies: dict[int, Value]) -> Any:
    if isinstance(content, list):
        return [clone(machine, item, copies) for item in content]
    if isinstance(content, dict):
        return {key: clone(machine, item, copies) for key, item in content.items()}
    return clone(machine, content, copies)
