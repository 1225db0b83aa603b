"""What libraries do to labels: load, score, draw, copy, fill, store, save, restore."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.observe.reading.evaluate.tree import statements
from harness.observe.reading.evaluate.values import words
from harness.observe.reading.flow.callees import INITIALISERS, LOSSES
from harness.observe.reading.flow.journal import Value, flat
from harness.observe.reading.flow.labels import (
    DISTRIBUTION,
    LN2,
    LOG2,
    LOSS,
    NONE,
    Labels,
    has,
    join,
    of_kind,
    thing,
    things,
    tokens,
    validation_loops,
    variables,
    without,
)
from harness.observe.reading.flow.learning import Learning
from harness.observe.reading.flow.state import Frame

LOADS = words("fromfile memmap load open read_bytes load_file frombuffer loadtxt safe_open")
MEASURES = words("len numel size isinstance hasattr type id callable dim element_size stat exists is_file")
"""What tells of a value's form, not of its content."""
PLACES = words("nonzero flatnonzero argwhere searchsorted bucketize")
"""Where something stands: document boundaries are no tokens."""
DRAWS = words(
    "next get_nowait read readline recv fetch randint randperm choice sample integers random shuffle permutation"
)
"""What gives something else every time."""
NUMBERS = words("int float bool round str")
COPIES = words("clone numpy tobytes tolist copy getvalue item")
APPENDS = words("append extend add insert appendleft put push put_nowait extendleft")
INDEXED = words("index_add_ scatter_add_ index_put_ scatter_ scatter_reduce_ index_copy_")
WRITES = words("save write write_bytes dump savez savez_compressed tofile write_text save_file")
LOGARITHMS = words("log log2 log1p exp exp2 logaddexp")


@dataclass(eq=False, slots=True)
class LibraryCall:
    """A call of a library, of a method of a library's object, or of something unknown."""

    node: ast.Call
    name: str
    """Last word of what is called."""
    base: Labels
    """The object before the dot, or what is called."""
    args: list[Value]
    given: Labels
    """All arguments together."""
    frame: Frame

    @property
    def everything(self) -> Labels:
        """The object and the arguments."""
        return self.base | self.given

    @property
    def method(self) -> bool:
        """Whether it is called on something."""
        return isinstance(self.node.func, ast.Attribute)


class Library(Learning):
    """The library half of calls."""

    def library(self, node: ast.Call, name: str, base: Labels, args: list[Value], given: Labels, frame: Frame) -> Value:
        """What a call of a library gives, and what it changes: the arguments are the fields of a `LibraryCall`."""
        handler = _HANDLERS.get(name)
        if handler is None and name.endswith("_") and not name.endswith("__") and isinstance(node.func, ast.Attribute):
            handler = Library._in_place
        if handler is None:
            return self.combined(base | given if given else base)
        return handler(self, LibraryCall(node, name, base, args, given, frame))

    def _measure(self, _: LibraryCall) -> Value:
        return NONE

    def _loss(self, call: LibraryCall) -> Value:
        return self.loss(without(self.memory.held(call.everything), "thing", "path"))

    def _distribution(self, call: LibraryCall) -> Value:
        return without(self.memory.held(call.everything), "thing", "path") | {DISTRIBUTION}

    def _logarithm(self, call: LibraryCall) -> Value:
        labels = self.combined(call.everything)
        if not labels and call.name == "log" and _is_two(call.node):
            return LN2
        if call.name in {"log", "log2", "log1p"}:
            mixed = has(labels, "known") and validation_loops(labels) is not None
            if DISTRIBUTION in labels or mixed:
                labels = labels | {LOSS}
        return labels | {LOG2} if call.name == "log2" and LOSS in labels else labels

    def _place(self, call: LibraryCall) -> Value:
        return without(self.memory.held(call.everything), "tokens", "thing", "path", "known")

    def _draw(self, call: LibraryCall) -> Value:
        return self.combined(call.everything) | self.memory.passing()

    def _number(self, call: LibraryCall) -> Value:
        return without(self.combined(call.everything), "path")

    def _copy(self, call: LibraryCall) -> Value:
        return without(self.memory.frozen(call.everything), "path")

    def _same(self, call: LibraryCall) -> Value:
        return call.base

    def _load(self, call: LibraryCall) -> Value:
        held = self.memory.held(call.everything)
        splits = {atom[1] for atom in of_kind(held, "path")}
        if splits == {"val"}:
            self.records.read = self.records.read or (call.node, self.records.source)
        if len(splits) == 1:
            return frozenset({tokens(split, variables(held)) for split in splits})
        if has(held, "tokens"):
            return without(held, "thing", "path")
        # What stands in another file may have been changed since by anyone: a counter that all ranks share.
        return self.saved | without(held, "thing", "path") | self.memory.passing()

    def _write(self, call: LibraryCall) -> Value:
        if call.method:
            self.written(call.node, self.memory.held(call.given))
            for site in things(call.base):
                self.memory.add(self.memory.content(site), self.memory.frozen(call.given))
        return NONE

    def _append(self, call: LibraryCall) -> Value:
        if not call.base or not isinstance(call.node.func, ast.Attribute):
            return self.combined(call.everything)
        given = self.memory.held(call.given)
        if LOSS in given:
            given = self.scored(call.node, given)
        elif call.name == "add" and validation_loops(given) is not None:
            given = self.learnt_by_key(call.node, given, NONE)
        self.into(call.node.func.value, call.base, given, call.frame)
        return NONE

    def _add_at(self, call: LibraryCall) -> Value:
        """`np.add.at(table, keys, values)`."""
        if len(call.args) > 1:
            content = self.learnt_by_key(call.node, self.memory.held(flat(call.args[1])), self.memory.held(call.given))
            self.into(call.node.args[0], flat(call.args[0]), content, call.frame)
        return NONE

    def _add_indexed(self, call: LibraryCall) -> Value:
        """`table.index_add_(dim, keys, values)` and its kin."""
        if len(call.args) < 2:
            return self._in_place(call)
        key = self.memory.held(flat(call.args[1] if len(call.args) > 2 else call.args[0]))
        content = self.learnt_by_key(call.node, key, self.memory.held(call.given))
        for site in things(call.base):
            self.memory.add(self.memory.content(site), content)
        return call.base if things(call.base) else call.base | content

    def _count(self, call: LibraryCall) -> Value:
        return self.learnt_by_key(call.node, self.memory.held(call.everything), NONE)

    def _collect(self, call: LibraryCall) -> Value:
        """Collectives that fill their first argument with the others."""
        if len(call.args) > 1:
            content = self.memory.held(join(flat(arg) for arg in call.args[1:]))
            self.into(call.node.args[0], flat(call.args[0]), without(content, "thing"), call.frame)
        return NONE

    def _in_place(self, call: LibraryCall) -> Value:
        held = self.memory.held(call.given)
        if LOSS in held:
            held = self.scored(call.node, held)
        self.changed_in_place(call.node, call.base, held)
        for site in things(call.base):
            self.memory.add(self.memory.content(site), without(held, "thing"))
        return call.base if things(call.base) else self.combined(call.base | held)

    def _copy_into(self, call: LibraryCall) -> Value:
        held = self.memory.held(call.given)
        if has(held, "known") or has(held, "tokens"):
            return self._in_place(call)
        self.forget(call.base)
        return call.base

    def _backward(self, call: LibraryCall) -> Value:
        self.differentiated(call.node, call.base)
        return NONE

    def _gradient(self, call: LibraryCall) -> Value:
        return without(self.memory.held(call.given), "thing")

    def _clear_gradients(self, _: LibraryCall) -> Value:
        self.memory.put(self.memory.gradients, NONE)
        return NONE

    def _step(self, call: LibraryCall) -> Value:
        self.stepped(call.node, call.base)
        return NONE

    def _load_state(self, call: LibraryCall) -> Value:
        self.forget(call.base)
        content = frozenset(atom for atom in self.memory.held(call.given) if atom[0] in {"known", "tokens"})
        for site in things(call.base):
            self.memory.add(self.memory.content(site), content)
        return NONE

    def _optimizer(self, call: LibraryCall) -> Value:
        held = self.memory.held(call.given)
        return self.container(call.node, without(held, "thing") | self.memory.learners(held), "optimizer")

    def _new(self, call: LibraryCall) -> Value:
        learns = any(keyword.arg == "requires_grad" for keyword in call.node.keywords)
        return self.container(call.node, NONE, "tensor" if learns else "table")

    def _hold(self, call: LibraryCall) -> Value:
        return self.container(call.node, self.memory.held(call.given))

    def _mapping(self, call: LibraryCall) -> Value:
        return self.container(call.node, self.memory.held(call.given), "dict")

    def _contents(self, call: LibraryCall) -> Value:
        held = self.memory.held(call.base)
        dicts = {site for site in things(held) if self.memory.kinds.get(site) == "dict"}
        return frozenset(atom for atom in held if atom[0] != "thing" or atom[1] not in dicts)

    def _items(self, call: LibraryCall) -> Value:
        return self.memory.held(call.given)

    def _require_gradient(self, call: LibraryCall) -> Value:
        for site in things(call.base):
            if self.memory.kinds.get(site) == "table":
                self.memory.kinds[site] = "tensor"
        return call.base

    def _gather(self, call: LibraryCall) -> Value:
        held = without(self.memory.held(call.base), "thing")
        index = without(self.memory.held(call.given), "thing")
        if DISTRIBUTION not in held:
            return held | index
        index = self.without_tables(index)
        return self.loss((held | index) - {DISTRIBUTION})

    def _deep_copy(self, call: LibraryCall) -> Value:
        memory = self.memory
        sites = things(call.given)
        if not sites:
            return call.given
        kind = next((memory.kinds[site] for site in sites if site in memory.kinds), "object")
        copy = memory.make((id(call.node), *self.context), kind)
        memory.put(memory.content(copy), memory.frozen(call.given))
        memory.methods[copy] = frozenset().union(*(memory.methods.get(site, frozenset()) for site in sites))
        for site in sorted(sites):
            for name, cell in list(memory.attributes.get(site, {}).items()):
                if cell.value is not None:
                    memory.put(memory.attribute(copy, name), cell.value)
        return frozenset({thing(copy)})

    def _choose(self, call: LibraryCall) -> Value:
        if call.name == "where" and len(call.args) == 1:
            return self._place(call)
        for index, arg in enumerate(call.args):
            for other in call.args[index + 1 :]:
                self.mixed(call.node, flat(arg), flat(other))
        return self.combined(call.everything)

    def _hook(self, call: LibraryCall) -> Value:
        for arg in call.node.args[:1]:
            for function in self._functions(arg):
                self.hooks.setdefault(function, set()).update(things(call.base))
        return NONE

    def _unhook(self, call: LibraryCall) -> Value:
        if not call.args:
            self.hooks.clear()
        return NONE

    def _functions(self, node: ast.expr) -> list[Any]:
        """Functions of the submission that an expression may give: by name, or made by a function called there."""
        if isinstance(node, ast.Lambda):
            return [node]
        if isinstance(node, ast.Name):
            return self._named_functions(node.id)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            makers = self._named_functions(node.func.id)
            return [f for maker in makers for f in ast.walk(maker) if isinstance(f, ast.FunctionDef) and f is not maker]
        return []

    def _named_functions(self, name: str) -> list[ast.FunctionDef]:
        return [function for function in self.functions if function.name == name]

    @cached_property
    def functions(self) -> list[ast.FunctionDef]:
        """Every function of the launched file."""
        return [node for node in statements(self.tree) if isinstance(node, ast.FunctionDef)]


def _is_two(node: ast.Call) -> bool:
    """Whether the argument is the number two, plain or as a tensor."""
    inside = list(ast.walk(node.args[0])) if len(node.args) == 1 else []
    return any(isinstance(n, ast.Constant) and type(n.value) in (int, float) and n.value == 2 for n in inside)


Handler = Callable[[Library, LibraryCall], Value]


def _table(*groups: tuple[str | frozenset[str], Handler]) -> dict[str, Handler]:
    return {
        name: handler for names, handler in groups for name in ((names,) if isinstance(names, str) else sorted(names))
    }


_HANDLERS = _table(
    (MEASURES, Library._measure),
    (LOSSES, Library._loss),
    (words("softmax log_softmax"), Library._distribution),
    (LOGARITHMS, Library._logarithm),
    (PLACES, Library._place),
    (DRAWS, Library._draw),
    (NUMBERS, Library._number),
    (COPIES, Library._copy),
    (INITIALISERS, Library._same),
    (LOADS, Library._load),
    (WRITES, Library._write),
    (APPENDS, Library._append),
    ("at", Library._add_at),
    (INDEXED, Library._add_indexed),
    ("bincount", Library._count),
    (words("all_gather all_gather_object all_gather_into_tensor gather_object"), Library._collect),
    ("copy_", Library._copy_into),
    ("backward", Library._backward),
    ("grad", Library._gradient),
    ("zero_grad", Library._clear_gradients),
    ("step", Library._step),
    ("load_state_dict", Library._load_state),
    ("optim", Library._optimizer),
    (words("zeros ones empty full zeros_like ones_like empty_like randn rand"), Library._new),
    (words("deque BytesIO SimpleNamespace"), Library._new),
    (words("defaultdict Counter OrderedDict dict"), Library._mapping),
    (words("items values keys"), Library._contents),
    (words("list set"), Library._hold),
    ("zip", Library._items),
    ("requires_grad_", Library._require_gradient),
    ("gather", Library._gather),
    ("deepcopy", Library._deep_copy),
    (words("where maximum minimum lerp logaddexp"), Library._choose),
    ("register_forward_hook", Library._hook),
    ("remove", Library._unhook),
)
ACTIONS = (frozenset(_HANDLERS) - NUMBERS - COPIES - words("zip maximum minimum items values keys")) | words(
    "shape ndim exec eval"
)
"""Library calls that do more than to combine what they are given."""
