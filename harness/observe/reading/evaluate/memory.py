"""Calls that were evaluated once and go the same way again: with the same arguments, or on a module built alike."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from harness.observe.reading.evaluate.blueprint import blueprint, build
from harness.observe.reading.evaluate.heap import Changes, Listings, Recorder, hold, same
from harness.observe.reading.evaluate.machine import Machine
from harness.observe.reading.evaluate.values import (
    MISSING,
    SCALARS,
    Bound,
    Container,
    Dep,
    External,
    Function,
    Held,
    Instance,
    ModuleValue,
    Slots,
    TensorValue,
    Unknown,
    Value,
    is_scalar,
)

REMEMBERED = 4
"""Remembered calls of one function with the same arguments, in different states."""
KIN = 8
"""Remembered calls of one method with the same arguments on different modules."""

_TIELESS = SCALARS | {Dep, External, Function, type(MISSING)}
"""Types of values that lead to no part of a module."""

Key = tuple[Any, ...]
Counterparts = dict[int, Slots]
"""State of the parts of one module, by identity, and the state of the same part of another module."""


@dataclass(eq=False)
class Memory:
    """A call that was evaluated: what it read, what it wrote, what it gave."""

    args: list[Value]
    reads: Changes
    writes: Changes
    result: Value
    version: int
    """`Heap.version` when the reads were last seen to hold."""
    attrs: int
    """How many attributes had been set through an Unknown."""
    risks: int
    passing: bool
    """`Recorder.passing`: a handler of exceptions around the call might see more than its outcome."""
    listed: Listings = field(default_factory=dict)
    """`Recorder.listed`."""
    plan: dict[Any, Value] | None = None
    """What a constructor set on its object, as a blueprint; `writes` is empty then."""


class Memories(Machine):
    """Remembering and recalling calls."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._memories: dict[Key, list[Memory]] = {}
        self._kin: dict[Key, list[Memory]] = {}

    def recall(self, key: Key) -> Memory | None:
        """A remembered call that would go the same way in the present state; its changes are made."""
        for memory in self._memories.get(key, ()):
            if self._unseen(memory):
                continue
            settled = memory.version == self.heap.version
            if self._undisturbed(memory) and (settled or hold(memory.reads, memory.listed, memory.version)):
                self.spend(1 if settled else len(memory.reads) // 8 + 1)
                self.heap.note(memory.reads, memory.listed)
                memory.version = self.heap.version
                self._repeat(memory.writes, memory)
                return memory
        return None

    def _unseen(self, memory: Memory) -> bool:
        """Whether a handler must see what the call changes on its way, which is not remembered."""
        return memory.passing and bool(self.heap.witnesses)

    def _repeat(self, writes: Changes, memory: Memory) -> None:
        for slots, name, value in writes.values():
            self.heap.write(slots, name, value)
        if memory.passing:
            self.heap.escaped()
        self.risks += memory.risks

    def _undisturbed(self, memory: Memory) -> bool:
        """Whether none of the attributes set through an Unknown since then was read by the call."""
        if memory.attrs == len(self.unknown_attrs):
            return True
        fresh = set(islice(self.unknown_attrs, memory.attrs, None))
        if any(key in fresh for _, key in memory.reads):
            return False
        memory.attrs = len(self.unknown_attrs)
        return True

    def remember(self, key: Key, kin: Key | None, recorder: Recorder, memory: Memory, *, exposed: bool) -> None:
        """Keep a call, if nothing that it made outlives it, or only as attributes of the object it constructs.

        `exposed` says that unknown code got hold of something in the call.
        """
        values = [value for _, _, value in memory.writes.values()]
        if all(_lasting(value, recorder.start) for value in (*values, memory.result)):
            _keep(self._memories.setdefault(key, []), memory, REMEMBERED)
            if kin is not None and all(_plain(value) for value in (*values, memory.result)):
                _keep(self._kin.setdefault(kin, []), memory, KIN)
        elif kin is not None and memory.result is None and not recorder.passing and not exposed:
            self._remember_constructor(kin, recorder, memory)

    def _remember_constructor(self, kin: Key, recorder: Recorder, memory: Memory) -> None:
        """Keep a call that only sets attributes of its object to new objects."""
        owner = memory.args[0]
        if all(slots is owner.slots for slots, _, _ in memory.writes.values()):
            made = {name: value for _, name, value in memory.writes.values()}
            plan = blueprint(made, owner, recorder.start)
            if plan is not None:
                _keep(self._kin.setdefault(kin, []), replace(memory, writes={}, plan=plan), KIN)

    def recall_kin(self, key: Key, kin: Key, args: list[Value]) -> Memory | None:
        """A remembered call on another module whose parts, as far as the call read them, are the same."""
        for memory in self._kin.get(kin, ()):
            if not self._undisturbed(memory) or self._unseen(memory):
                continue
            pairs = {id(memory.args[0].slots): args[0].slots}
            reads = _moved_reads(memory.reads, pairs) if memory.args[0].cls is args[0].cls else None
            if reads is None or not all(id(slots) in pairs for slots, _, _ in memory.writes.values()):
                continue
            listed = _moved_listings(memory.listed, pairs)
            if listed is None:
                continue
            self.spend(len(reads) // 4 + 1)
            self.heap.note(reads, listed)
            if memory.plan is not None:
                self.spend(len(memory.plan))
                for name, value in build(memory.plan, memory.args[0], args[0], self.heap.new_slots).items():
                    self.heap.write(args[0].slots, name, value)
                self.risks += memory.risks
                return memory
            writes: Changes = {}
            for slots, name, value in memory.writes.values():
                target = pairs[id(slots)]
                writes[(id(target), name)] = (target, name, value)
            self._repeat(writes, memory)
            moved = Memory(
                list(args), reads, writes, memory.result, -1, memory.attrs, memory.risks, memory.passing, listed
            )
            _keep(self._memories.setdefault(key, []), moved, REMEMBERED)
            return moved
        return None


def _moved_reads(reads: Changes, pairs: Counterparts) -> Changes | None:
    """The reads as they would be on the other module; None when one would give something else.

    A call gets hold of the parts of its module by reading, so that in the order of the reads each part is paired with
    its counterpart before it is read itself; what has no counterpart by then is the same object for both modules.
    """
    moved: Changes = {}
    for slots, name, value in reads.values():
        target = pairs.setdefault(id(slots), slots)
        present = target.get(name, MISSING)
        if not (present is value and type(value) in _TIELESS) and not _alike(value, present, pairs):
            return None
        target.watched = True
        moved[(id(target), name)] = (target, name, present)
    return moved


def _moved_listings(listed: Listings, pairs: Counterparts) -> Listings | None:
    """What would be gone over on the other module; None when other names stand there."""
    moved: Listings = {}
    for identity, (_, keys) in listed.items():
        target = pairs.get(identity)
        if target is None or tuple(target) != keys:
            return None
        target.watched = True
        moved[id(target)] = (target, keys)
    return moved


def _alike(value: Value, present: Value, pairs: Counterparts) -> bool:
    """Whether `present` is to the one module what `value` is to the other; if so, they are paired."""
    kind = type(value)
    if kind is not type(present):
        return False
    if isinstance(value, (Instance, TensorValue, Container)):
        if pairs.setdefault(id(value.slots), present.slots) is not present.slots:
            return False
        if isinstance(value, TensorValue):
            return value.shape == present.shape and value.parameter is present.parameter
        return not isinstance(value, Instance) or value.cls is present.cls
    if kind in (tuple, list):
        return len(value) == len(present) and all(_alike(a, b, pairs) for a, b in zip(value, present, strict=True))
    if kind is dict:
        return value.keys() == present.keys() and all(_alike(value[key], present[key], pairs) for key in value)
    return same(value, present)


def _keep(memories: list[Memory], memory: Memory, limit: int) -> None:
    memories.append(memory)
    if len(memories) > limit:
        del memories[0]


def identity(value: Value) -> Any:
    """A key under which two arguments make the same call."""
    kind = type(value)
    if kind is Instance:
        return id(value)
    if kind is Unknown:
        return ("?", value.hides)
    if kind is Dep:
        return (type(value.value), value.value)
    if kind in SCALARS:
        return (kind, value)
    if kind is tuple:
        return tuple(identity(item) for item in value)
    if kind is TensorValue and not value.parameter:
        return ("tensor", value.shape)
    if kind is External:
        return ("external", value.path)
    if kind is Bound:
        return ("bound", id(value.function), id(value.receiver))
    return id(value)


def call_keys(function: Function, args: list[Value], kwargs: dict[str, Value]) -> tuple[Key, Key | None]:
    """The key of a call, and (for a method of a torch module) the key that calls on modules of its class share."""
    code = (id(function.node), id(function.scope))
    given: list[Any] = [identity(arg) for arg in args]
    given += [(name, identity(value)) for name, value in kwargs.items()]
    key = (*code, *given)
    if not (args and type(args[0]) is Instance and args[0].cls.is_module):
        return key, None
    return key, (*code, id(args[0].cls), *given[1:])


def _plain(value: Value) -> bool:
    """Whether a value means the same for any module."""
    if type(value) is TensorValue:
        return not value.parameter
    if type(value) is tuple:
        return all(_plain(item) for item in value)
    return is_scalar(value) or type(value) in (Unknown, External) or value is MISSING


def _lasting(value: Value, start: int) -> bool:
    """Whether a value can be given again: a constant, or an object older than the call."""
    if is_scalar(value) or type(value) in (Unknown, External, ModuleValue) or value is MISSING:
        return True
    if type(value) is TensorValue:
        return not value.parameter or value.slots.born < start
    if isinstance(value, Held):
        return value.slots.born < start
    if type(value) in (tuple, list, set):
        return all(_lasting(item, start) for item in value)
    if type(value) is dict:
        return all(_lasting(item, start) for item in value.values())
    return type(value) is Bound and _lasting(value.receiver, start)
