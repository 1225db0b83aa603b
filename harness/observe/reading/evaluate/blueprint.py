"""What a constructor made, kept apart from the state: the same objects can be made again without evaluating it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from harness.observe.reading.evaluate.values import (
    MISSING,
    SCALARS,
    Bound,
    Dep,
    DictValue,
    External,
    Function,
    Held,
    Instance,
    ListValue,
    SetValue,
    Slots,
    TensorValue,
    Unknown,
    Value,
)

MAX_OBJECTS = 200
"""Most objects of one blueprint; more are dearer to copy than they are likely to be asked for."""
DETACHED = sys.maxsize
"""Birth of the objects of a blueprint: younger than everything in the state."""


class NotCopyable(Exception):  # noqa: N818  an answer, not a failure
    """A value that refers to new objects in a way that a copy could not keep."""


def blueprint(made: dict[Any, Value], owner: Instance, start: int) -> dict[Any, Value] | None:
    """A detached copy of the attributes that a constructor set on `owner`.

    Objects born at or after `start` were made by it and are copied; older ones are shared. None where that cannot be.
    """
    copies = {id(owner.slots): owner}
    try:
        return {key: _copied(value, start, copies, lambda: Slots(DETACHED)) for key, value in made.items()}
    except NotCopyable:
        return None


def build(
    plan: dict[Any, Value], former: Instance, owner: Instance, new_slots: Callable[[], Slots]
) -> dict[Any, Value]:
    """The attributes of a blueprint that was taken from `former`, made anew for `owner`."""
    copies = {id(former.slots): owner}
    return {key: _copied(value, DETACHED, copies, new_slots) for key, value in plan.items()}


def _copied(value: Value, start: int, copies: dict[int, Any], new_slots: Callable[[], Slots]) -> Value:
    kind = type(value)
    if kind in SCALARS or kind in (Dep, Unknown, External) or value is MISSING:
        return value
    if kind is tuple:
        return tuple([_copied(item, start, copies, new_slots) for item in value])
    if kind is list:
        return [_copied(item, start, copies, new_slots) for item in value]
    if kind is dict:
        return {key: _copied(item, start, copies, new_slots) for key, item in value.items()}
    if kind is Bound:
        if value.function.scope.slots.born >= start:
            raise NotCopyable
        return Bound(value.function, _copied(value.receiver, start, copies, new_slots))
    if kind is Function and value.scope.slots.born < start:
        return value
    if isinstance(value, Held):
        return _held(value, start, copies, new_slots)
    if kind is set:
        return value
    raise NotCopyable


def _held(value: Held, start: int, copies: dict[int, Any], new_slots: Callable[[], Slots]) -> Value:
    known = copies.get(id(value.slots))
    if known is not None:
        return known
    if value.slots.born < start:
        return value
    if value.slots.volatile is not None or len(copies) >= MAX_OBJECTS:
        raise NotCopyable
    slots = new_slots()
    copy: Held
    if isinstance(value, Instance):
        copy = Instance(slots, value.cls)
    elif isinstance(value, TensorValue):
        copy = TensorValue(slots, value.shape, parameter=value.parameter)
    elif type(value) in (ListValue, DictValue, SetValue):
        copy = type(value)(slots)
    else:
        raise NotCopyable
    copies[id(value.slots)] = copy
    for key, item in value.slots.items():
        slots[key] = _copied(item, start, copies, new_slots)
    return copy
