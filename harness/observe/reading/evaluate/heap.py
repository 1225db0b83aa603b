"""State of the evaluated program: a journal to undo and join changes, and recorders that make calls repeatable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from harness.observe.reading.evaluate.values import (
    MISSING,
    Bound,
    Container,
    Dep,
    DictValue,
    External,
    ListValue,
    Native,
    SetValue,
    Slots,
    TensorValue,
    Unknown,
    Value,
    deps,
    hidden,
    is_scalar,
    raw,
    tag,
    union,
)

Cell = tuple[int, Any]
Changes = dict[Cell, tuple[Slots, Any, Value]]
"""Cells and the values they end with."""
Listings = dict[int, tuple[Slots, tuple[Any, ...]]]
"""Objects by the identity of their slots, with the keys there were."""

CONTENT = frozenset({"items", "_items"})
"""Keys under which containers keep their content; None there means that it is unknown."""


class Mark(NamedTuple):
    """Start of a stretch that may be undone. Objects younger than `clock` exist only on the paths that made them."""

    at: int
    clock: int


START = Mark(0, 0)


class Witness:
    """The values that cells had at any time in a stretch of code, also on paths that were undone."""

    __slots__ = ("clock", "seen")

    def __init__(self, clock: int) -> None:
        self.clock = clock
        self.seen: Changes = {}


class Recorder:
    """What a call read from, and wrote to, state older than itself."""

    __slots__ = ("absent", "before", "listed", "parent", "passing", "reads", "start", "writes")

    def __init__(self, start: int, parent: Recorder | None) -> None:
        self.start = start
        self.parent = parent
        self.reads: Changes = {}
        self.absent: Changes = {}
        """Variables that some path did not set and that had no value: what they end with depends on that. For the next
        iteration of a loop it makes no difference, since a variable without a value adds nothing to a join."""
        self.writes: Changes = {}
        self.before: dict[Cell, Value] = {}
        """What the cells in `writes` were at the start."""
        self.passing = False
        """Whether a cell had a value on the way that neither its first nor its last value stands for."""
        self.listed: Listings = {}
        """Older objects whose attributes were gone over, with the names there were."""


class Heap:
    """All mutable state is read and written here."""

    def __init__(self) -> None:
        self.clock = 0
        self.regions: list[int] = []
        """Clock at the start of each stretch in progress that may be undone; younger objects need no journal."""
        self.journal: list[tuple[Slots, Any, Value]] = []
        self.witnesses: list[Witness] = []
        """Stretches in progress from which an exception may escape anywhere."""
        self.work = 0
        """Steps spent here and not yet charged."""
        self.version = 0
        """Counts changes of state that a recorded call has read."""
        self.recorder: Recorder | None = None
        self.exposed: list[int] = []
        """Births of the objects that unknown code has got hold of, and of those that it changes, in order."""
        self.leaks: list[Value] = []
        """Values that were lost in a join and may now be used from anywhere."""

    def new_slots(self, *, scope: bool = False) -> Slots:
        """New state, younger than all before."""
        self.clock += 1
        return Slots(self.clock, scope=scope)

    def new_list(self, items: Any) -> ListValue:
        """A new list value; `items` None for unknown content."""
        slots = self.new_slots()
        slots["items"] = items
        return ListValue(slots)

    def new_dict(self, items: Any) -> DictValue:
        """A new dict value; `items` None for unknown content."""
        slots = self.new_slots()
        slots["items"] = items
        return DictValue(slots)

    def new_set(self, items: Any) -> SetValue:
        """A new set value; `items` None for unknown content."""
        slots = self.new_slots()
        slots["items"] = items
        return SetValue(slots)

    def new_tensor(self, shape: tuple[int | None, ...] | None, *, parameter: bool = False) -> TensorValue:
        """A new tensor."""
        return TensorValue(self.new_slots(), shape, parameter=parameter)

    def read(self, slots: Slots, key: Any) -> Value:
        """The value under `key`, or MISSING."""
        value = slots.get(key, MISSING)
        recorder = self.recorder
        if recorder is not None and slots.born < recorder.start:
            cell = (id(slots), key)
            if cell not in recorder.reads and cell not in recorder.writes:
                recorder.reads[cell] = (slots, key, value)
                slots.watched = True
        return value

    def entries(self, slots: Slots) -> list[tuple[Any, Value]]:
        """Everything in `slots`, as it stands."""
        recorder = self.recorder
        if recorder is not None and slots.born < recorder.start:
            recorder.listed.setdefault(id(slots), (slots, tuple(slots)))
            slots.watched = True
        return [(key, self.read(slots, key)) for key in list(slots)]

    def content(self, container: Container) -> Any:
        """The content of a container, None when unknown."""
        return self.read(container.slots, "items")

    def write(self, slots: Slots, key: Any, value: Value) -> None:
        """Set (or with MISSING delete) the value under `key`."""
        if slots.volatile is not None and key in slots.volatile:
            value = self._degraded(key, value)
        recorder = self.recorder
        old = slots.get(key, MISSING)
        if recorder is not None and slots.born < recorder.start:
            cell = (id(slots), key)
            first = recorder.before.setdefault(cell, old)
            if first is not old and old is not value and not same(first, old):
                recorder.passing = True
            recorder.writes[cell] = (slots, key, value)
        if old is value:
            return
        if self.regions and slots.born <= self.regions[-1]:
            self.journal.append((slots, key, old))
        if slots.watched:
            self.version = slots.changed = self.version + 1
        if value is MISSING:
            slots.pop(key, None)
        else:
            slots[key] = value

    def make_volatile(self, changes: Changes) -> None:
        """These cells are written by code that may run at any time: they are unknown from now on."""
        for slots, key, _ in changes.values():
            if slots.volatile is None:
                slots.volatile = set()
            if key not in slots.volatile:
                slots.volatile.add(key)
                self.exposed.append(slots.born)
            self.write(slots, key, slots.get(key, MISSING))

    def _degraded(self, key: Any, value: Value) -> Value:
        if type(value) is Unknown or (value is None and key in CONTENT):
            return value
        for item in value if isinstance(value, list) else value.values() if isinstance(value, dict) else (value,):
            self.lose(item)
        return None if key in CONTENT else Unknown(deps(value), None, hidden(value))

    def begin(self) -> Mark:
        """Start a stretch that may be undone; returns its mark. `end` must follow."""
        self.regions.append(self.clock)
        return Mark(len(self.journal), self.clock)

    def end(self) -> None:
        """End the innermost stretch; its changes stay."""
        self.regions.pop()
        if not self.regions:
            self.journal.clear()

    def changes(self, mark: Mark) -> Changes:
        """Cells changed since `mark` with their present values."""
        cells: Changes = {}
        clock = mark.clock
        for slots, key, _ in self.journal[mark.at :]:
            cell = (id(slots), key)
            if cell not in cells and slots.born <= clock:
                cells[cell] = (slots, key, slots.get(key, MISSING))
        return cells

    def rollback(self, mark: Mark) -> Changes:
        """Undo everything since `mark`; returns what the cells had become."""
        cells = self.changes(mark)
        self.work += len(cells)
        recorder = self.recorder
        if self.witnesses:
            self._testify(mark, cells)
        for slots, key, old in reversed(self.journal[mark.at :]):
            if slots.born > mark.clock:
                continue
            if slots.watched:
                self.version = slots.changed = self.version + 1
            volatile = slots.volatile is not None and key in slots.volatile
            _put(slots, key, self._degraded(key, old) if volatile else old)
            if recorder is not None:
                cell = (id(slots), key)
                if cell in recorder.writes:
                    recorder.writes[cell] = (slots, key, old)
                    seen = recorder.absent if old is MISSING and slots.scope else recorder.reads
                    seen.setdefault(cell, (slots, key, old))
                    slots.watched = True
        del self.journal[mark.at :]
        return cells

    def watch(self) -> Witness:
        """Start to keep every value that a cell has; `witnessed` must follow."""
        self.witnesses.append(Witness(self.clock))
        return self.witnesses[-1]

    def witnessed(self, mark: Mark) -> Changes:
        """End the innermost watch, which began with `mark`: cells and the join of all values they have had."""
        self._testify(mark, self.changes(mark))
        return self.witnesses.pop().seen

    def _testify(self, mark: Mark, final: Changes) -> None:
        values = [*self.journal[mark.at :], *final.values()]
        for witness in self.witnesses:
            for slots, key, value in values:
                if slots.born <= witness.clock:
                    known = witness.seen.get((id(slots), key))
                    joined = value if known is None else self.join(known[2], value, scope=slots.scope)
                    witness.seen[(id(slots), key)] = (slots, key, joined)

    def merge(self, outcomes: list[Changes]) -> None:
        """Make the present state the join of several outcomes, each given as changes to the present state."""
        if len(outcomes) == 1:
            for slots, key, value in outcomes[0].values():
                self.write(slots, key, value)
            return
        touched: Changes = {}
        for outcome in outcomes:
            touched.update(outcome)
        for cell, (slots, key, _) in touched.items():
            present = slots.get(key, MISSING)
            values = [outcome[cell][2] if cell in outcome else present for outcome in outcomes]
            self.write(slots, key, self.join_all(values, scope=slots.scope))

    def join_all(self, values: Iterable[Value], *, scope: bool = False) -> Value:
        """Join of several values of one cell."""
        iterator = iter(values)
        result = next(iterator)
        for value in iterator:
            result = self.join(result, value, scope=scope)
        return result

    def join(self, left: Value, right: Value, *, scope: bool = False) -> Value:
        """A value that stands for either. What is lost in it is put on `leaks`."""
        if left is right:
            return left
        if left is MISSING or right is MISSING:
            return self._maybe(right if left is MISSING else left, scope=scope)
        if is_scalar(left) and is_scalar(right):
            a, b = raw(left), raw(right)
            names = union(deps(left), deps(right))
            if type(a) is type(b) and a == b:
                return left if names == deps(left) else tag(a, names)
            return Unknown(names)
        kind = type(left)
        if kind is type(right):
            if kind is tuple and len(left) == len(right):
                return tuple(self.join(a, b) for a, b in zip(left, right, strict=True))
            if kind in (list, dict, set):
                return self._join_contents(left, right)
            if kind is External and left.path == right.path:
                return left
            if kind is Bound and left.function is right.function and left.receiver is right.receiver:
                return left
            if kind is Native and left.name == right.name and left.receiver is right.receiver:
                return left
            if kind is TensorValue and not left.parameter and not right.parameter:
                return left if left.shape == right.shape else self.new_tensor(None)
            if kind is Unknown and left.deps == right.deps and left.hides == right.hides and left.attr == right.attr:
                return left
        if left is None and type(right) in (list, dict, set):
            return self._join_contents(right, ())
        if right is None and kind in (list, dict, set):
            return self._join_contents(left, ())
        self.lose(left)
        self.lose(right)
        attr = left.attr if type(left) is Unknown else right.attr if type(right) is Unknown else None
        return Unknown(union(deps(left), deps(right)), attr, hidden(left) or hidden(right))

    def _maybe(self, value: Value, *, scope: bool) -> Value:
        """A value that may be absent: a variable is then never read, an attribute or key may be asked for."""
        if scope or type(value) in (list, dict, set):
            return value
        if type(value) is Unknown:
            return value
        self.lose(value)
        return Unknown(deps(value), None, hidden(value))

    def _join_contents(self, left: Any, right: Any) -> Any:
        self.work += len(left)
        if type(left) is list and type(right) is list and len(left) == len(right):
            return [self.join(a, b) for a, b in zip(left, right, strict=True)]
        if type(left) is dict and type(right) is dict and left.keys() == right.keys():
            return {key: self.join(value, right[key]) for key, value in left.items()}
        if type(left) is set and type(right) is set and left == right:
            return left
        for content in (left, right):
            for value in content.values() if type(content) is dict else content:
                self.lose(value)
        return None

    def lose(self, value: Value) -> None:
        """Note that `value` may from now on be used through an Unknown."""
        if not is_scalar(value) and type(value) not in (Unknown, External, TensorValue) and value is not MISSING:
            self.leaks.append(value)

    def record(self) -> Recorder:
        """Start recording reads and writes of older state."""
        self.recorder = Recorder(self.clock + 1, self.recorder)
        return self.recorder

    def stop(self, recorder: Recorder) -> None:
        """End recording; the enclosing recorder learns what this one saw."""
        parent = recorder.parent
        self.recorder = parent
        if parent is None:
            return
        start = parent.start
        for cell, entry in recorder.reads.items():
            if entry[0].born < start and cell not in parent.reads and cell not in parent.writes:
                parent.reads[cell] = entry
        for cell, entry in recorder.absent.items():
            if entry[0].born < start and cell not in parent.writes:
                parent.absent.setdefault(cell, entry)
        for cell, entry in recorder.writes.items():
            if entry[0].born < start:
                first = recorder.before[cell]
                if parent.before.setdefault(cell, first) is not first:
                    parent.passing = True
                parent.writes[cell] = entry
        parent.passing = parent.passing or recorder.passing
        for identity, listing in recorder.listed.items():
            if listing[0].born < start:
                parent.listed.setdefault(identity, listing)

    def escaped(self) -> None:
        """An exception ended a path: what it had changed is part of no outcome, but a handler may have seen it."""
        if self.recorder is not None and self.recorder.writes:
            self.recorder.passing = True

    def note(self, reads: Changes, listed: Listings) -> None:
        """Count these cells as read now, and these objects as gone over."""
        recorder = self.recorder
        if recorder is None:
            return
        for identity, listing in listed.items():
            if listing[0].born < recorder.start:
                recorder.listed.setdefault(identity, listing)
        start, known, written = recorder.start, recorder.reads, recorder.writes
        if reads.keys() <= known.keys():
            return
        for cell, entry in reads.items():
            if cell not in known and entry[0].born < start and cell not in written:
                known[cell] = entry


def hold(reads: Changes, listed: Listings, version: int) -> bool:
    """Whether all cells have the values that were read; at `version` of the heap they were last seen to have them."""
    for slots, keys in listed.values():
        if slots.changed > version and tuple(slots) != keys:
            return False
    for slots, key, value in reads.values():
        if slots.changed > version:
            present = slots.get(key, MISSING)
            if present is not value and not same(present, value):
                return False
    return True


def same(left: Value, right: Value) -> bool:
    """Whether two values are interchangeable for a repeated call."""
    if left is right:
        return True
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is Unknown:
        return bool(left.hides == right.hides and left.attr == right.attr)
    if kind is Dep:
        return type(left.value) is type(right.value) and bool(left.value == right.value)
    if kind is TensorValue:
        return not left.parameter and not right.parameter and bool(left.shape == right.shape)
    if kind in (tuple, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if kind is dict:
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if kind in (int, float, str, bytes, bool, set, range):
        return bool(left == right)
    if kind is External:
        return bool(left.path == right.path)
    if kind is Bound:
        return left.function is right.function and left.receiver is right.receiver
    return False


def _put(slots: Slots, key: Any, value: Value) -> None:
    if value is MISSING:
        slots.pop(key, None)
    else:
        slots[key] = value
