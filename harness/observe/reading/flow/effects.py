"""What libraries do: load, score, learn, store, save, restore."""

from __future__ import annotations

import ast
from typing import Any

from harness.model.order import UpdateKind
from harness.observe.reading.evaluate.trace import Trace
from harness.observe.reading.flow.callees import INITIALISERS, LOSSES
from harness.observe.reading.flow.expressions import Expressions
from harness.observe.reading.flow.labels import (
    DISTRIBUTION,
    LN2,
    LOG2,
    LOSS,
    NATIVE,
    NONE,
    Labels,
    counted,
    exposed,
    has,
    join,
    known,
    of_kind,
    thing,
    things,
    tokens,
    validation_loops,
    variables,
    without,
)
from harness.observe.reading.flow.state import Frame, Value, flat, merged

_LOADS = frozenset(
    ["fromfile", "memmap", "load", "open", "read_bytes", "load_file", "frombuffer", "loadtxt", "safe_open"]
)
_MEASURES = frozenset(
    [
        "len",
        "numel",
        "size",
        "isinstance",
        "hasattr",
        "type",
        "id",
        "callable",
        "dim",
        "element_size",
        "stat",
        "exists",
        "is_file",
    ]
)
_PLACES = frozenset(["nonzero", "flatnonzero", "argwhere", "searchsorted", "bucketize"])
"""Where something stands: document boundaries are no tokens."""
_DRAWS = frozenset(
    [
        "next",
        "get_nowait",
        "read",
        "readline",
        "recv",
        "randint",
        "randperm",
        "choice",
        "sample",
        "integers",
        "random",
        "shuffle",
        "permutation",
        "fetch",
    ]
)
"""What gives something else every time."""
_NUMBERS = frozenset(["int", "float", "bool", "round", "str"])
_COPIES = frozenset(["clone", "deepcopy", "numpy", "tobytes", "tolist", "copy", "getvalue", "item"])
_APPENDS = frozenset(["append", "extend", "add", "insert", "appendleft", "put", "push", "put_nowait", "extendleft"])
_INDEXED = frozenset(
    ["add.at", "index_add_", "scatter_add_", "index_put_", "scatter_", "scatter_reduce_", "index_copy_"]
)
_WRITES = frozenset(
    ["save", "write", "write_bytes", "dump", "savez", "savez_compressed", "tofile", "write_text", "save_file"]
)
ACTIONS = (
    LOSSES
    | _LOADS
    | _WRITES
    | _INDEXED
    | _PLACES
    | _MEASURES
    | frozenset(
        ["backward", "step", "zero_grad", "grad", "load_state_dict", "log", "log2", "softmax", "log_softmax", "gather"]
    )
    | frozenset(["shape", "ndim", "at", "bincount", "register_forward_hook", "CDLL", "deepcopy", "exec", "eval"])
)
"""Library calls that do more than compute."""


class Effects(Expressions):
    """The library half of calls, and what is recorded."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        self.hooks: dict[Any, set[int]] = {}
        """Functions registered as forward hooks, with the modules they listen to."""
        self.gradients: dict[int, tuple[Labels, ast.AST]] = {}
        """Pieces of validation tokens that losses were differentiated on since gradients were last cleared."""
        self.saved: Labels = NONE
        """What was written to files that are no shards."""
        self.notes: list[str] = []
        self.complete = True
        self.module_scope = self.memory.scope(None, frozenset())

    def incomplete(self, note: str) -> None:
        """Something could not be followed."""
        self.complete = False
        if note not in self.notes:
            self.notes.append(note)

    def library(
        self,
        node: ast.Call,
        name: str,
        base: Labels,
        args: list[Value],
        named: list[tuple[str | None, Value]],
        frame: Frame,
    ) -> Value:
        """A call of a library, of a method of a library's object, or of something unknown."""
        memory = self.memory
        given = join([*(flat(arg) for arg in args), *(flat(value) for _, value in named)])
        everything = base | given
        if name in _MEASURES:
            return NONE
        if (
            name in {"log", "log2"}
            and not things(everything)
            and not has(everything, "tokens")
            and LOSS not in everything
        ):
            return LN2 if _is_two(node) else self._logarithm(node, name, everything)
        if name in _PLACES or (name == "where" and len(args) == 1):
            return without(self.memory.held(everything), "tokens", "thing", "path", "known")
        special = getattr(self, f"_on_{name}", None)
        if special is not None:
            result: Value = special(node, base, args, given, frame)
            return result
        if name in LOSSES:
            return self.loss(node, without(memory.held(everything), "thing", "path"))
        if name in _LOADS:
            return self._load(node, everything)
        if name in _WRITES and (isinstance(node.func, ast.Attribute)):
            self.written(node, memory.held(given))
            if name == "write":
                for site in things(base):
                    memory.add(("of", site, None), memory.frozen(given))
            return NONE
        if name in _DRAWS:
            return self.combined(everything) | self.memory.passing()
        if name in _NUMBERS:
            return without(self.combined(everything), "path")
        if name in _COPIES:
            return without(memory.frozen(everything), "path")
        if name in _APPENDS and base:
            return self._append(node, base, memory.held(given), frame)
        if name in {"softmax", "log_softmax"}:
            return without(memory.held(everything), "thing", "path") | {DISTRIBUTION}
        if name in {"log", "log2", "log1p", "exp", "exp2", "logaddexp"}:
            return self._logarithm(node, name, self.combined(everything))
        if name in INITIALISERS:
            return base
        if name.endswith("_") and not name.endswith("__") and isinstance(node.func, ast.Attribute):
            return self._in_place(node, name, base, args, given)
        return self.combined(everything)

    def _logarithm(self, node: ast.Call, name: str, labels: Labels) -> Labels:
        held = labels
        if (DISTRIBUTION in held and name in {"log", "log2", "log1p"}) or (
            has(held, "known") and validation_loops(held) is not None and name in {"log", "log2", "log1p"}
        ):
            held = held | {LOSS}
        return held | {LOG2} if name == "log2" and LOSS in held else held

    # Loading, and what splits are

    def _load(self, node: ast.Call, labels: Labels) -> Labels:
        held = self.memory.held(labels)
        splits = {atom[1] for atom in of_kind(held, "path")}
        loops = variables(held)
        if splits == {"val"}:
            self.records.read = self.records.read or (node, self.records.source)
            return frozenset({tokens("val", loops)})
        if splits == {"train"}:
            return frozenset({tokens("train", loops)})
        if has(held, "tokens"):
            return without(held, "thing", "path")
        # What stands in another file may have been changed since by anyone: a counter that all ranks share.
        return self.saved | without(held, "thing", "path") | self.memory.passing()

    # Scoring

    def loss(self, node: ast.AST, labels: Labels) -> Labels:
        """A loss is computed: of full distributions, so that tables in the logits are normalised with them."""
        loops = validation_loops(labels)
        if loops is None:
            return labels | {LOSS}
        knew = exposed(labels, loops)
        kept = frozenset(atom for atom in labels if atom[0] != "known" or atom[1] in knew or not self.is_table(atom[1]))
        return without(kept, "varies") | {LOSS, ("loss_at", id(node))}

    def scored(self, node: ast.AST, value: Labels) -> Labels:
        """Losses are added to a sum: what knew the tokens is noted, and the sum remembers where it comes from."""
        loops = validation_loops(value)
        if loops is None:
            return value
        record = self.records.score(node, node)
        for update, same in exposed(value, loops).items():
            record.exposures[update] = record.exposures.get(update, False) or same
        if LOG2 in value:
            record.reported = True
        for mixture in self.records.mixtures.values():
            if mixture.node is node:
                mixture.scores.add(record.index)
        tables = {atom[1] for atom in of_kind(value, "known") if self.is_table(atom[1])}
        if tables:
            self.records.mixture(node).scores.add(record.index)
        return without(value, "known") | {counted(record.index)}

    def reported(self, node: ast.AST, value: Labels) -> None:
        """A sum of losses becomes bits: the scores in it are reported."""
        held = self.memory.held(value)
        if LOSS in held and not has(held, "counted"):
            held = self.scored(node, held)
        for atom in of_kind(held, "counted"):
            self.records.scores[atom[1]].reported = True

    # Learning

    def _on_backward(self, node: ast.Call, base: Labels, *_: Any) -> Value:
        held = self.memory.held(base)
        pieces = frozenset(atom for atom in held if atom[0] == "tokens" and atom[1] == "val")
        if pieces:
            self.gradients[id(node)] = (pieces, node)
            self.memory.add(("gradients",), pieces)
        return NONE

    def _on_zero_grad(self, *_: Any) -> Value:
        self.memory.put(("gradients",), NONE)
        return NONE

    def _on_grad(self, node: ast.Call, base: Labels, args: list[Value], given: Labels, _: Frame) -> Value:
        return without(self.memory.held(given), "thing")

    def _on_step(self, node: ast.Call, base: Labels, *_: Any) -> Value:
        pieces = flat(self.memory.get(("gradients",)))
        if pieces:
            learnt = next((place for kept, place in reversed(self.gradients.values()) if kept & pieces), None)
            self._learn(UpdateKind.STEP, node, learnt, base, pieces)
        return NONE

    def _learn(self, kind: UpdateKind, node: ast.AST, learnt: ast.AST | None, base: Labels, pieces: Labels) -> None:
        """Objects that a value stands for come to know pieces of the validation tokens."""
        memory = self.memory
        sites = self._reached(base)
        module = any(memory.kinds.get(site) == "module" for site in sites)
        for atom in of_kind(pieces, "tokens"):
            if atom[1] == "val":
                record = self.records.update(kind, node, learnt, atom[2], module=module)
                knowledge = frozenset({known(record.index, atom[2])})
                for site in sites:
                    if memory.kinds.get(site) != "optimizer":
                        memory.add(("of", site, None), knowledge)

    def _reached(self, labels: Labels) -> set[int]:
        sites = set(things(labels))
        for _ in range(3):
            more = set(things(join(flat(self.memory.get(("of", site, None))) for site in sites)))
            if more <= sites:
                break
            sites |= more
        return sites

    def changed_in_place(self, node: ast.AST, target: Labels, value: Labels) -> None:
        """A parameter changes in place by something made of validation tokens."""
        sites = self._reached(target)
        if any(self.memory.kinds.get(site) in {"module", "tensor"} for site in sites):
            pieces = frozenset(atom for atom in value if atom[0] == "tokens" and atom[1] == "val")
            if pieces and not (LOSS in value and has(value, "counted")):
                self._learn(UpdateKind.STEP, node, None, target, pieces)

    def _in_place(self, node: ast.Call, name: str, base: Labels, args: list[Value], given: Labels) -> Value:
        memory = self.memory
        held = memory.held(given)
        if name in _INDEXED and len(args) > 1:
            key = memory.held(flat(args[1] if len(args) > 2 else args[0]))
            content = self.learnt_by_key(node, key, held)
            for site in things(base):
                memory.add(("of", site, None), content)
            return base | (content if not things(base) else NONE)
        if name == "copy_" and not has(held, "known") and not has(held, "tokens"):
            self.forget(base)
            return base
        if LOSS in held:
            held = self.scored(node, held)
        self.changed_in_place(node, base, held)
        for site in things(base):
            memory.add(("of", site, None), without(held, "thing"))
        return base if things(base) else self.combined(base | held)

    def forget(self, base: Labels) -> None:
        """The state of an object is replaced by one that has learnt nothing."""
        for site in self._reached(base):
            cell = ("of", site, None)
            self.memory.put(cell, without(flat(self.memory.get(cell)), "known"))

    def _on_load_state_dict(self, node: ast.Call, base: Labels, args: list[Value], given: Labels, _: Frame) -> Value:
        self.forget(base)
        content = frozenset(a for a in self.memory.held(given) if a[0] in {"known", "tokens"})
        for site in things(base):
            self.memory.add(("of", site, None), content)
        return NONE

    def learnt_by_key(self, node: ast.AST, key: Labels, value: Labels) -> Labels:
        """A store under a key made of validation tokens is learning; what is stored elsewhere stays what it is."""
        loops = validation_loops(key)
        if loops is None:
            return without(value, "thing") if has(value, "tokens") else value
        record = self.records.update(UpdateKind.TABLE, node, None, loops, module=False)
        return frozenset({known(record.index, loops)}) | without(value, "tokens", "thing", "varies") - {LOSS}

    def _append(self, node: ast.Call, base: Labels, given: Labels, frame: Frame) -> Value:
        if LOSS in given:
            given = self.scored(node, given)
        if isinstance(node.func, ast.Attribute):
            if node.func.attr == "add" and validation_loops(given) is not None and LOSS not in given:
                given = self.learnt_by_key(node, given, NONE)
            self._into(node.func.value, base, given, frame)
        return NONE

    def _on_at(self, node: ast.Call, base: Labels, args: list[Value], given: Labels, frame: Frame) -> Value:
        """`np.add.at(table, keys, values)`."""
        if len(args) > 1:
            held = self.memory.held(given)
            content = self.learnt_by_key(node, self.memory.held(flat(args[1])), held)
            self._into(node.args[0], flat(args[0]), content, frame)
        return NONE

    def _on_all_gather_object(
        self, node: ast.Call, base: Labels, args: list[Value], given: Labels, frame: Frame
    ) -> Value:
        """Collectives that fill their first argument with the others."""
        if len(args) > 1:
            content = self.memory.held(join(flat(arg) for arg in args[1:]))
            self._into(node.args[0], flat(args[0]), without(content, "thing"), frame)
        return NONE

    _on_all_gather = _on_all_gather_into_tensor = _on_gather_object = _on_all_gather_object

    def _on_bincount(self, node: ast.Call, base: Labels, args: list[Value], given: Labels, _: Frame) -> Value:
        return self.learnt_by_key(node, self.memory.held(base | given), NONE)

    def _on_register_forward_hook(
        self, node: ast.Call, base: Labels, args: list[Value], given: Labels, frame: Frame
    ) -> Value:
        for arg in node.args[:1]:
            for function in self._functions(arg):
                self.hooks.setdefault(function, set()).update(things(base))
        return NONE

    def _functions(self, node: ast.expr) -> list[Any]:
        """Functions of the submission that an expression may give: by name, or made by a function called there."""
        wanted: list[Any] = []
        if isinstance(node, ast.Lambda):
            return [node]
        if isinstance(node, ast.Name):
            wanted = [f for f in self._defined() if f.name == node.id]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            makers = [f for f in self._defined() if f.name == getattr(node.func, "id", "")]
            wanted = [
                f for maker in makers for f in ast.walk(maker) if isinstance(f, ast.FunctionDef) and f is not maker
            ]
        return wanted

    def _defined(self) -> list[ast.FunctionDef]:
        return [node for node in self.nodes if isinstance(node, ast.FunctionDef)]

    nodes: tuple[ast.AST, ...] = ()

    # Saving

    def written(self, node: ast.AST, content: Labels) -> None:
        """Something is written to a file."""
        kept = frozenset(atom for atom in content if atom[0] in {"known", "tokens"})
        self.saved = self.saved | frozenset(atom for atom in kept if atom[0] == "known")
        updates = {atom[1] for atom in of_kind(kept, "known")}
        statistics = validation_loops(kept) is not None and LOSS not in content and not has(content, "counted")
        if updates or statistics:
            record = self.records.write(node)
            record.updates |= updates
            record.tokens = record.tokens or statistics

    # Objects of libraries

    def _on_optim(self, node: ast.Call, base: Labels, args: list[Value], given: Labels, _: Frame) -> Value:
        site = self.memory.make((id(node), *self.context), "optimizer")
        self.memory.put(("of", site, None), self.memory.held(given))
        return frozenset({thing(site)})

    def _new_tensor(self, node: ast.Call, base: Labels, args: list[Value], given: Labels, _: Frame) -> Value:
        learns = any(k.arg == "requires_grad" for k in node.keywords)
        return self.container(node, NONE, "tensor" if learns else "table")

    _on_zeros = _on_ones = _on_empty = _on_full = _on_zeros_like = _on_ones_like = _on_empty_like = _new_tensor
    _on_randn = _on_rand = _on_defaultdict = _on_Counter = _on_deque = _on_OrderedDict = _new_tensor
    _on_BytesIO = _on_SimpleNamespace = _new_tensor

    def _on_dict(self, node: ast.Call, base: Labels, args: list[Value], given: Labels, _: Frame) -> Value:
        return self.container(node, self.memory.held(given))

    _on_list = _on_set = _on_dict

    def _on_requires_grad_(self, node: ast.Call, base: Labels, *_: Any) -> Value:
        for site in things(base):
            if self.memory.kinds.get(site) == "table":
                self.memory.kinds[site] = "tensor"
        return base

    def _on_CDLL(self, *_: Any) -> Value:
        return frozenset({NATIVE})

    def _on_gather(self, node: ast.Call, base: Labels, args: list[Value], given: Labels, _: Frame) -> Value:
        held = without(self.memory.held(base), "thing")
        index = without(self.memory.held(given), "thing")
        if DISTRIBUTION not in held:
            return held | index
        index = frozenset(atom for atom in index if atom[0] != "known" or not self.is_table(atom[1]))
        return self.loss(node, (held | index) - {DISTRIBUTION})

    def _on_deepcopy(self, node: ast.Call, base: Labels, args: list[Value], given: Labels, _: Frame) -> Value:
        sites = things(given)
        if not sites:
            return given
        kind = next((self.memory.kinds[site] for site in sites if site in self.memory.kinds), "object")
        site = self.memory.make((id(node), *self.context), kind)
        self.memory.put(("of", site, None), self.memory.frozen(given))
        for cell, value in list(self.memory.state.items()):
            if cell[0] == "of" and cell[1] in sites and cell[2] is not None:
                self.memory.put(("of", site, cell[2]), value)
        return frozenset({thing(site)})

    def _on_zip(self, node: ast.Call, base: Labels, args: list[Value], given: Labels, _: Frame) -> Value:
        return self.memory.held(given)

    def _on_where(self, node: ast.Call, base: Labels, args: list[Value], given: Labels, _: Frame) -> Value:
        result: Value = NONE
        for index, arg in enumerate(args):
            for other in args[index + 1 :]:
                self.mixed(node, flat(arg), flat(other))
            result = merged(result, flat(arg))
        return self.combined(base | flat(result))

    _on_maximum = _on_minimum = _on_lerp = _on_logaddexp = _where = _on_where


def _is_two(node: ast.Call) -> bool:
    return (
        len(node.args) == 1
        and any(
            isinstance(n, ast.Constant) and n.value in (2, 2.0) and not isinstance(n.value, bool)
            for n in ast.walk(node.args[0])
        )
        and not any(
            isinstance(n, ast.Name)
            for n in ast.walk(node.args[0])
            if isinstance(n, ast.Name) and n.id not in {"torch", "np", "math"}
        )
    )
