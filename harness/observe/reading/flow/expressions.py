"""Expressions: what a value is made of."""

from __future__ import annotations

import ast
import re
from abc import abstractmethod
from functools import lru_cache
from typing import Any

from harness.observe.reading.flow.journal import Value, flat
from harness.observe.reading.flow.labels import (
    DISTRIBUTION,
    LN2,
    LOSS,
    NONE,
    Labels,
    chosen,
    has,
    join,
    of_kind,
    path,
    thing,
    things,
    validation_loops,
    without,
)
from harness.observe.reading.flow.names import stored_names
from harness.observe.reading.flow.records import MixRecord
from harness.observe.reading.flow.state import Exhausted, Frame, Scope, mapped
from harness.observe.reading.flow.statements import Statements
from harness.observe.reading.source.index import parts_of

_SPLIT = re.compile(r"(?<![A-Za-z])(val|valid|validation|train|training)(?![A-Za-z])", re.IGNORECASE)
_LONGEST = 400
"""Letters of the longest text that is taken for a name."""
_MEASURES = frozenset(
    ["shape", "ndim", "dtype", "device", "size", "numel", "nbytes", "itemsize", "is_cuda", "requires_grad", "training"]
)
"""Attributes that tell of a value's form, not of its content."""
FEW = 8
"""Items of a comprehension that are followed one by one."""
_PARTS = ("weight", "bias", "data", "grad", "module", "_orig_mod", "T", "mT", "param", "buffer")
"""First letters of the attributes of library modules that are parameters or the module itself."""


class Expressions(Statements):
    """The expression half of the analysis."""

    @abstractmethod
    def call(self, node: ast.Call, frame: Frame) -> Value:
        """What a call gives."""

    @abstractmethod
    def reported(self, node: ast.AST, value: Labels) -> None:
        """A sum of losses becomes bits."""

    def value(self, node: ast.expr, frame: Frame) -> Value:
        """What an expression gives."""
        memory = self.memory
        memory.fuel = left = memory.fuel - 1
        if left < 0:
            raise Exhausted
        if type(node) is ast.Name:  # every other node, so it goes before all
            scope = frame.scope
            return (scope.seen.get(node.id) or scope.variable(node.id)).value or NONE
        handler = _HANDLERS.get(type(node))
        if handler is not None:
            result: Value = handler(self, node, frame)
            return result
        return self.together([child for child in parts_of(node) if isinstance(child, ast.expr)], frame)

    def _constant(self, node: ast.Constant, _: Frame) -> Value:
        value = node.value
        if isinstance(value, str):
            return _split_of(value)
        if isinstance(value, float) and (abs(value - 0.6931472) < 1e-4 or abs(value - 1.442695) < 1e-4):
            return LN2
        return NONE

    def _attribute(self, node: ast.Attribute, frame: Frame) -> Value:
        if node.attr in _MEASURES:
            self.value(node.value, frame)
            return NONE
        return self.attribute(self.labels(node.value, frame), node.attr)

    def attribute(self, base: Labels, name: str) -> Value:
        """An attribute of an object, of its class, or a part of the value itself."""
        sites = things(base)
        if not sites:
            return base
        memory = self.memory
        found: list[Value] = []
        for site in sites:
            value = memory.looked_up(site, name)
            if value is None:
                value = memory.looked_up(memory.classes.get(site), name)
            if value is not None:
                found.append(value)
        if found:
            value = found[0] if len(found) == 1 else join([flat(value) for value in found])
            # Of objects in a list, the one that a loop has chosen: what it says differs from iteration to iteration.
            by = of_kind(base, "varies")
            return mapped(value, lambda labels, _: labels.union(by), 0) if by else value
        if not name.startswith(_PARTS):
            # What a module of torch tells of itself is a size; only parameters and methods stand for it.
            modules = [
                thing(site)
                for site in sites
                if memory.kinds.get(site) == "module" and name not in memory.methods.get(site, ())
            ]
            return base.difference(modules) if modules else base
        return base

    def _subscript(self, node: ast.Subscript, frame: Frame) -> Value:
        value = self.value(node.value, frame)
        place = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if isinstance(value, tuple) and isinstance(place, int) and -len(value) <= place < len(value):
            item: Value = value[place]
            return item
        base = flat(value) if isinstance(value, tuple) else value
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            return self.attribute(self.memory.held(base) | base, node.slice.value)
        if _is_empty(node.slice):
            return NONE
        index = self.labels(node.slice, frame)
        held = self.memory.held(base)
        if not index:
            return held
        if DISTRIBUTION in held:
            # Which entry of a distribution is asked may depend on a table; what it says does not.
            index = self.without_tables(index)
        if has(index, "tokens"):
            return chosen(without(held, "thing"), without(index, "path"))
        # The name of a parameter tells nothing that the parameter knows.
        return chosen(held, without(index, "path", "thing", "known"))

    def _slice(self, node: ast.Slice, frame: Frame) -> Value:
        return self.together(filter(None, (node.lower, node.upper, node.step)), frame)

    def _tuple(self, node: ast.Tuple, frame: Frame) -> Value:
        values = tuple(self.value(item, frame) for item in node.elts)
        return flat(values) if any(isinstance(e, ast.Starred) for e in node.elts) else values

    def _list(self, node: ast.List | ast.Set, frame: Frame) -> Value:
        return self.container(node, self.together(node.elts, frame))

    def _dict(self, node: ast.Dict, frame: Frame) -> Value:
        site = self.memory.make((id(node), *self.context), "dict")
        content = NONE
        for key, item in zip(node.keys, node.values, strict=True):
            value = self.value(item, frame)
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                self.memory.add(self.memory.attribute(site, key.value), value)
                content |= flat(value)
            else:
                content |= flat(value) | (self.labels(key, frame) if key is not None else NONE)
        self.memory.add(self.memory.content(site), content)
        return frozenset({thing(site)})

    def container(self, node: ast.AST, content: Labels, kind: str = "table") -> Labels:
        """A new object with a content."""
        site = self.memory.make((id(node), *self.context), kind)
        self.memory.put(self.memory.content(site), content)
        return frozenset({thing(site)})

    def _comprehension(self, node: Any, frame: Frame) -> Value:
        first = node.generators[0]
        few = isinstance(first.iter, (ast.Tuple, ast.List)) and len(first.iter.elts) <= FEW and not first.ifs
        if few and len(node.generators) == 1 and not isinstance(node, ast.DictComp):
            return self._spelled_out(node, first.iter.elts, frame)
        loops: list[int] = []
        chosen_by = NONE
        names = frozenset([name for generator in node.generators for name in stored_names(generator.target)])
        scope = Scope(frame.scope, names)
        inner = Frame(scope, frame.node)
        mark = self.memory.mark()
        for generator in node.generators:
            iterated = self.value(generator.iter, inner if loops else frame)
            loop = self.memory.loop_id((id(generator), *self.context))
            loops.append(loop)
            self.store(generator.target, self.item_of(flat(iterated), loop), inner)
            for test in generator.ifs:
                # `[name for name in names if "val" in name]`: what is chosen by a split is of that split.
                chosen_by |= frozenset(of_kind(self.labels(test, inner), "path"))
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        content = self.together(parts, inner) | chosen_by
        result = self.container(node, content, "dict" if isinstance(node, ast.DictComp) else "table")
        for loop in reversed(loops):
            self.memory.leave(loop, mark)
        return result

    def _spelled_out(self, node: Any, items: list[ast.expr], frame: Frame) -> Value:
        """A comprehension over a few items that are written out, such as both splits: its values stay apart."""
        target = node.generators[0].target
        inner = Frame(Scope(frame.scope, frozenset(stored_names(target))), frame.node)
        values: list[Value] = []
        for item in items:
            self.store(target, self.value(item, frame), inner)
            values.append(self.value(node.elt, inner))
        return tuple(values)

    def _binary(self, node: ast.BinOp, frame: Frame) -> Value:
        left, right = self.labels(node.left, frame), self.labels(node.right, frame)
        self.mixed(node, left, right)
        if isinstance(node.op, (ast.Div, ast.Mult)):
            unit_left, unit_right = ("ln2",) in left, ("ln2",) in right
            if unit_left != unit_right:
                self.reported(node, right if unit_left else left)
        return self.combined(left | right if left and right else left or right)

    def combined(self, labels: Labels) -> Labels:
        """The result of a computation: what its operands held just now, where tokens are among them."""
        if len(labels) > 1 and ("ln2",) in labels:
            labels = without(labels, "ln2")
        if not has(labels, "thing"):
            return labels
        held = self.memory.held(labels)
        return without(held, "thing") if has(held, "tokens") else labels

    def mixed(self, node: ast.AST, left: Labels, right: Labels) -> None:
        """Note where the realised token's probability meets what a table says."""
        if not self.records.tables:
            return
        left, right = self.memory.held(left), self.memory.held(right)
        for score, other in ((left, right), (right, left)):
            if LOSS not in score or LOSS in other:
                continue
            if validation_loops(other) is None and not has(other, "known"):
                continue
            if any(self.is_table(atom[1]) for atom in other if atom[0] == "known"):
                record: MixRecord = self.records.mixture(node)
                record.scores.update(atom[1] for atom in score if atom[0] == "counted")

    def is_table(self, update: int) -> bool:
        """Whether an update is a store into a table."""
        return self.records.updates[update].kind == "table"

    def without_tables(self, labels: Labels) -> Labels:
        """All atoms but those that a table learnt."""
        return frozenset(atom for atom in labels if atom[0] != "known" or not self.is_table(atom[1]))

    def _compare(self, node: ast.Compare, frame: Frame) -> Value:
        together = self.memory.held(self.labels(node.left, frame))
        for part in node.comparators:
            together |= self.memory.held(self.labels(part, frame))
        if has(together, "tokens") and isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            # Whether a token is the one that a table proposes: a tilt of one entry, whose norm has a closed form.
            together = self.without_tables(together)
        return self.combined(together)

    def _boolean(self, node: ast.BoolOp, frame: Frame) -> Value:
        return self.together(node.values, frame)

    def _unary(self, node: ast.UnaryOp, frame: Frame) -> Value:
        return self.labels(node.operand, frame)

    def _ternary(self, node: ast.IfExp, frame: Frame) -> Value:
        self.value(node.test, frame)
        decided = self.decided(node.test)
        if decided is not None:
            return self.value(node.body if decided else node.orelse, frame)
        return self.labels(node.body, frame) | self.labels(node.orelse, frame)

    def _named(self, node: ast.NamedExpr, frame: Frame) -> Value:
        value = self.value(node.value, frame)
        self.store(node.target, value, frame)
        return value

    def _lambda(self, node: ast.Lambda, frame: Frame) -> Value:
        self.define(node, frame)
        return NONE

    def _starred(self, node: ast.Starred, frame: Frame) -> Value:
        return self.memory.held(self.labels(node.value, frame))

    def _yield(self, node: ast.Yield, frame: Frame) -> Value:
        if node.value is not None:
            value = self.labels(node.value, frame)
            frame.yielded.append(value)
        return NONE

    def _joined(self, node: ast.JoinedStr, frame: Frame) -> Value:
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
        found = _split_of(text)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                found |= frozenset(a for a in self.labels(part.value, frame) if a[0] in {"path", "varies"})
        return found


def _is_empty(index: ast.expr) -> bool:
    """Whether a slice selects nothing: `[:0]`."""
    upper = index.upper if isinstance(index, ast.Slice) else None
    return isinstance(upper, ast.Constant) and upper.value == 0


def _split_of(text: str) -> Labels:
    """Which shards a text names: a file name, a pattern, or the bare word for a split."""
    return _split_of_name(text) if len(text) <= _LONGEST else NONE


@lru_cache(maxsize=4096)
def _split_of_name(text: str) -> Labels:
    found = {match[1].lower()[:3] for match in _SPLIT.finditer(text)}
    bare = _SPLIT.fullmatch(text) is not None
    if not (bare or ".bin" in text or "*" in text or "/" in text or "_" in text):
        return NONE
    if found == {"val"}:
        return frozenset({path("val")})
    return frozenset({path("train")}) if found == {"tra"} else NONE


_HANDLERS: dict[type[ast.AST], Any] = {
    ast.Constant: Expressions._constant,
    ast.Attribute: Expressions._attribute,
    ast.Call: lambda self, node, frame: self.call(node, frame),
    ast.Subscript: Expressions._subscript,
    ast.Slice: Expressions._slice,
    ast.Tuple: Expressions._tuple,
    ast.List: Expressions._list,
    ast.Set: Expressions._list,
    ast.Dict: Expressions._dict,
    ast.ListComp: Expressions._comprehension,
    ast.SetComp: Expressions._comprehension,
    ast.GeneratorExp: Expressions._comprehension,
    ast.DictComp: Expressions._comprehension,
    ast.BinOp: Expressions._binary,
    ast.Compare: Expressions._compare,
    ast.BoolOp: Expressions._boolean,
    ast.UnaryOp: Expressions._unary,
    ast.IfExp: Expressions._ternary,
    ast.NamedExpr: Expressions._named,
    ast.Lambda: Expressions._lambda,
    ast.Starred: Expressions._starred,
    ast.Await: Expressions._starred,
    ast.Yield: Expressions._yield,
    ast.YieldFrom: Expressions._yield,
    ast.JoinedStr: Expressions._joined,
}
