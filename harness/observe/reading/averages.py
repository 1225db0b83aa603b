"""Averages over states of the parameters: moving ones (EMA) and those of checkpoints (SWA).

Told by the shape of expressions: the entry that a loop over parameters picks takes in the parameter, in a share or as
one of several. What things are called plays no part.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from harness.observe.reading.actions.lines import lines_holding
from harness.observe.reading.expressions import bound, last_name, own_nodes, root_name, same_name
from harness.observe.reading.source.grammar import Parsed
from harness.observe.reading.source.index import nodes_under
from harness.observe.reading.source.outline import SIMPLE, Outline, Surroundings

_HINTS = ("lerp", ".add", "+", "mean(", "sum(")
"""Without one of these a line averages nothing."""
_STATES = frozenset({"state_dict", "named_parameters", "parameters", "named_buffers"})
"""Methods that hand out the parameters of a module."""
_CONVERTS = frozenset(
    {
        "to", "type", "type_as", "float", "double", "half", "bfloat16", "cpu", "cuda", "clone", "detach", "contiguous",
        "view_as", "reshape", "view",
    }
)  # fmt: skip
LIBRARY = ("AveragedModel(", "_multi_avg_fn(", "get_ema_avg_fn(")
"""What torch itself has for it."""
_OF_LISTS = frozenset({"_foreach_lerp_", "_foreach_lerp"})
_IN_PLACE = frozenset({"add_", "lerp_", "copy_", "div_", "mul_"})
_SCALES = (ast.Mult, ast.Div)


@dataclass(frozen=True, slots=True)
class Average:
    """The statement that averages, with what it stands in."""

    statement: ast.stmt
    around: Surroundings


@lru_cache(maxsize=64)  # the scripts of a submission are asked by two readers, one after the other
def averages(program: Parsed) -> tuple[Average, ...]:
    """Averages of a file, in the order of its text. What an optimizer does to its own buffers is none."""
    names = _Names(program.outline)
    return tuple(
        Average(statement, around)
        for statement, around in program.outline.on_lines(lines_holding(program.text, _HINTS))
        if type(statement) in SIMPLE and _averages(statement, names, around)
    )


class _Picked(NamedTuple):
    """What loops pick: the names that they bind, and with them those that stand for an entry under one of these."""

    keys: frozenset[str]
    entries: frozenset[str]


class _Names:
    """What the names of each function were assigned from."""

    def __init__(self, found: Outline) -> None:
        self._found = found
        self._known: dict[tuple[ast.AST | None, str], frozenset[str]] = {}

    def states(self, around: Surroundings) -> frozenset[str]:
        """Names that hold what `state_dict()` and its like gave, or lists of it."""
        return self._of(around, "states", _hands_out)

    def gradients(self, around: Surroundings) -> frozenset[str]:
        """Names that hold gradients."""
        return self._of(around, "gradients", _is_gradient)

    def several(self, around: Surroundings) -> frozenset[str]:
        """Names that hold one entry of many states."""
        return self._of(around, "several", _one_of_many)

    def picked(self, around: Surroundings) -> _Picked:
        """What the loops around a statement pick; `e` of `e = shadow[k]` and of `e = shadow.get(k)` is an entry."""
        keys = _loop_names(around)
        if not keys:
            return _Picked(keys, keys)
        known = self._known.get((around.function, "entries"))
        if known is None:
            known = self._known[around.function, "entries"] = frozenset(self._entries(around.function))
        return _Picked(keys, keys | known)

    def _of(self, around: Surroundings, kind: str, test: Callable[[ast.AST], bool]) -> frozenset[str]:
        key = (around.function, kind)
        if key not in self._known:
            self._known[key] = frozenset(self._collect(around.function, test))
        return self._known[key]

    def _collect(self, function: ast.AST | None, test: Callable[[ast.AST], bool]) -> Iterator[str]:
        for statement, _ in self._found.inside(function):
            value: ast.expr | None = None
            targets: list[ast.expr] = []
            if isinstance(statement, ast.Assign):
                value, targets = statement.value, statement.targets
            elif isinstance(statement, ast.AnnAssign):
                value, targets = statement.value, [statement.target]
            elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                call = statement.value
                if isinstance(call.func, ast.Attribute) and call.func.attr == "append" and call.args:
                    value, targets = call.args[0], [call.func.value]
            if value is not None and any(map(test, nodes_under(value))):
                yield from (name for target in targets for name in (*bound(target), root_name(target)) if name)

    def _entries(self, function: ast.AST | None) -> Iterator[str]:
        for statement, around in self._found.inside(function):
            if around.loops and isinstance(statement, ast.Assign):
                value = statement.value
                key = value.slice if isinstance(value, ast.Subscript) else None
                if isinstance(value, ast.Call) and last_name(value.func) == "get" and value.args:
                    key = value.args[0]
                if isinstance(key, ast.Name) and key.id in _loop_names(around):
                    yield from (name for target in statement.targets for name in bound(target))


def _averages(statement: ast.stmt, names: _Names, around: Surroundings) -> bool:
    """Whether one statement averages."""
    if _in_optimizer(around) or not (
        _takes_in(statement, names, around) or any(map(_maps_means, own_nodes(statement)))
    ):
        return False
    gradients = names.gradients(around)
    return not any(_is_gradient(node) or getattr(node, "id", None) in gradients for node in own_nodes(statement))


def _takes_in(statement: ast.stmt, names: _Names, around: Surroundings) -> bool:
    """Whether an entry that a loop picks takes something in."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return _takes_in_place(statement.value, names, around)
    picked = names.picked(around) if around.loops else None
    if picked is None:
        return False
    if isinstance(statement, ast.AugAssign):
        adds = isinstance(statement.op, ast.Add) and _is_picked(statement.target, picked)
        return adds and (_approaches(statement.value, statement.target) or _over_states(statement, names, around))
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return isinstance(statement, ast.Assign) and any(
        _is_picked(target, picked) and _is_mean(statement.value, target, names.several(around)) for target in targets
    )


def _takes_in_place(call: ast.Call, names: _Names, around: Surroundings) -> bool:
    """`a[k].mul_(d).add_(v, alpha=1 - d)`, `a[k].lerp_(v, 1 - d)`, `a[k].add_(v)` over states."""
    if last_name(call.func) in _OF_LISTS or last_name(call.func) not in _IN_PLACE:
        return last_name(call.func) in _OF_LISTS
    methods: dict[str, ast.Call] = {}
    node: ast.expr = call
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        methods[node.func.attr] = node
        node = node.func.value
    if "lerp_" in methods and any(_hands_out(inner) for loop in around.loops for inner in nodes_under(loop.iter)):
        return True
    if not _is_picked(node, names.picked(around)):
        return False
    if "lerp_" in methods:
        return True
    if "copy_" in methods:
        return any(map(_is_share, methods["copy_"].args[:1]))
    added = methods.get("add_")
    if added is None or not added.args:
        return False
    alpha = next((word.value for word in added.keywords if word.arg == "alpha"), None)
    if "mul_" in methods:
        return _is_product(added.args[0]) if alpha is None else not isinstance(alpha, ast.UnaryOp)
    if alpha is not None:
        return _is_rest(alpha) or _approaches(added.args[0], node)
    return _over_states(call, names, around)


def _over_states(node: ast.AST, names: _Names, around: Surroundings) -> bool:
    """Whether a loop, or the statement itself, takes parameters out of a module or out of what holds them."""
    states = names.states(around)
    parts = [*(loop.iter for loop in around.loops), node]
    return any(
        _hands_out(inner) or getattr(inner, "id", None) in states for part in parts for inner in nodes_under(part)
    )


def _is_mean(value: ast.expr, target: ast.expr, several: frozenset[str]) -> bool:
    """A value that averages: mean or sum of one entry of many states, or a share of `target` and one of another."""
    value = _plain(value)
    while isinstance(value, ast.BinOp) and isinstance(value.op, _SCALES):
        value = _plain(value.left)
    if isinstance(value, ast.Call):
        name = last_name(value.func)
        inside = [*value.args[:1], *([value.func.value] if isinstance(value.func, ast.Attribute) else [])]
        if name in {"div", "div_", "mul", "mul_"}:
            return _is_mean(inside[-1], target, several)
        if name in {"sum", "mean"}:
            return any(_one_of_many(part) or getattr(part, "id", None) in several for part in inside)
        return name in {"lerp", "add"} and any(
            same_name(inner, target) for part in inside for inner in nodes_under(part)
        )
    return _is_share(value) or _holds_share(value, target)


def _maps_means(node: ast.AST) -> bool:
    """`{k: mean of s[k] over many s ...}`."""
    if not isinstance(node, ast.DictComp):
        return False
    keys = frozenset(name for part in node.generators for name in bound(part.target))
    picked = _Picked(keys, keys)
    entries = (inner for inner in nodes_under(node.value) if isinstance(inner, ast.Subscript))
    return _is_mean(node.value, node.key, frozenset()) and any(_is_picked(entry, picked) for entry in entries)


def _one_of_many(node: ast.AST) -> bool:
    """`[s[k] for s in states]`, stacked or not: one entry of many states."""
    if isinstance(node, ast.Call) and last_name(node.func) == "stack" and node.args:
        node = node.args[0]
    if not isinstance(node, (ast.ListComp, ast.GeneratorExp)):
        return False
    many = frozenset(name for part in node.generators for name in bound(part.target))
    entries = [inner for inner in nodes_under(node.elt) if isinstance(inner, ast.Subscript)]
    return any(root_name(entry) in many and isinstance(entry.slice, ast.Name) for entry in entries)


def _is_share(value: ast.expr) -> bool:
    """`d * a + (1 - d) * b` or `a + d * (b - a)`."""
    value = _plain(value)
    if not isinstance(value, ast.BinOp) or not isinstance(value.op, ast.Add):
        return False
    sides = [_plain(side) for side in (value.left, value.right)]
    products = [side for side in sides if isinstance(side, ast.BinOp) and isinstance(side.op, ast.Mult)]
    if len(products) == 2:
        return any(_is_rest(factor) for side in products for factor in (side.left, side.right))
    others = [side for side in sides if side not in products]
    return len(others) == 1 and _approaches(products[0], others[0])


def _holds_share(value: ast.expr, target: ast.expr) -> bool:
    """`d * target + v`."""
    if not isinstance(value, ast.BinOp) or not isinstance(value.op, ast.Add):
        return False
    return any(
        _is_product(side) and any(same_name(node, target) for node in nodes_under(side))
        for side in (value.left, value.right)
    )


def _approaches(value: ast.expr, target: ast.expr) -> bool:
    """`(v - target) / n`: what is added moves `target` towards `v`."""
    differences = [node for node in nodes_under(value) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)]
    return any(same_name(_plain(node.right), target) for node in differences)


def _is_rest(node: ast.expr) -> bool:
    """`1 - d`."""
    node = _plain(node)
    left = node.left if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) else None
    return isinstance(left, ast.Constant) and left.value == 1


def _is_product(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, _SCALES)


def _is_picked(node: ast.expr, picked: _Picked) -> bool:
    """`a[k]`, or `e` itself (or its `.data`), where the loop picks `k` and `e`."""
    node = _plain(node)
    if isinstance(node, ast.Attribute) and node.attr == "data":
        node = _plain(node.value)
    if isinstance(node, ast.Subscript):
        return any(isinstance(inner, ast.Name) and inner.id in picked.keys for inner in nodes_under(node.slice))
    return isinstance(node, ast.Name) and node.id in picked.entries


def _plain(node: ast.expr) -> ast.expr:
    """An expression without the conversions around it."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CONVERTS:
        node = node.func.value
    return node


def _hands_out(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _STATES


def _is_gradient(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "grad"


def _in_optimizer(around: Surroundings) -> bool:
    return any(last_name(base).endswith("Optimizer") for owner in around.classes for base in owner.bases)


def _loop_names(around: Surroundings) -> frozenset[str]:
    return frozenset(name for loop in around.loops for name in bound(loop.target))
