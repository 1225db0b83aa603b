"""Of which positions the result of an operation speaks, operation by operation.

Moving elements moves their positions. Of two operands the later position counts: a target comes after the token before
it. A factor of zeros and ones is a mask: what it puts to 0 adds
nothing. A loss speaks of its targets, a value that is looked up of the index.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from harness.observe.cpu_run.guest.blocks import elementwise, loss_of, taken_at
from harness.observe.cpu_run.guest.lanes import ALPHABET, position
from harness.observe.cpu_run.guest.places import NOTHING, UNKNOWN
from harness.observe.cpu_run.guest.positioned import (
    FEW,
    FIRST_BAG,
    OTHERS,
    RULES,
    WRITES,
    Bags,
    Call,
    Said,
    at,
    bagged,
    bags_of,
    filled,
    is_positioned,
    joined,
    listed,
    names,
    numbers,
    positioned_in,
)
from harness.observe.cpu_run.guest.reductions import SUMS, masked, mixed, product, summed
from harness.observe.cpu_run.guest.sources import SOURCES

_SAME = (
    "to", "type", "type_as", "long", "int", "short", "float", "double", "half", "bfloat16", "bool", "char",
    "clone", "contiguous", "neg", "negative", "positive", "abs", "absolute", "exp", "exp2", "log", "log2",
    "log10", "log1p", "expm1", "sqrt", "rsqrt", "square", "sign", "round", "floor", "ceil", "trunc",
    "nan_to_num", "logical_not", "bitwise_not", "invert", "isnan", "isfinite", "isinf", "relu", "sigmoid",
    "softplus", "tanh", "clamp", "clamp_min", "clamp_max", "clip", "isin", "reciprocal",
)  # fmt: skip
"""Elements stay where they are, and speak of what they spoke."""
_KEEPING = frozenset({
    "to", "type", "type_as", "long", "int", "float", "double", "half", "bfloat16", "clone", "contiguous", "positive",
})  # fmt: skip
"""Those that leave them what they are, unless fractions become whole numbers."""
_PAIRS = (
    "add", "sub", "subtract", "mul", "multiply", "div", "divide", "true_divide", "truediv", "floordiv",
    "floor_divide", "mod", "remainder", "fmod", "pow", "eq", "ne", "lt", "le", "gt", "ge", "logical_and",
    "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "and", "or", "xor", "lshift",
    "rshift", "bitwise_left_shift", "bitwise_right_shift", "maximum", "minimum", "fmax", "fmin", "logaddexp",
    "rsub", "lerp",
)  # fmt: skip
_MOVERS = (
    "reshape", "flatten", "ravel", "repeat", "repeat_interleave", "tile", "roll", "flip", "fliplr", "flipud",
    "masked_select", "take_along_dim", "movedim", "narrow_copy", "reshape_as", "cat", "concat", "concatenate",
    "stack", "hstack", "vstack", "column_stack", "atleast_1d",
)  # fmt: skip
_MASKS = frozenset({"mul", "multiply"})
_ADDING = frozenset({"add", "sub", "subtract"})


def _shape(*shapes: torch.Size) -> torch.Size:
    found: torch.Size = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return found


def _unary(call: Call) -> Said:
    value = call.argument(0, "input")
    if not is_positioned(value) or call.out.shape != value.shape:
        return None
    if call.word in _KEEPING and (call.out.is_floating_point() or not value.is_floating_point()):
        return names(value), bags_of((value,))
    return _named(call, _of_one(at(value), bags_of((value,)))), bags_of((value,))


def _of_one(positions: torch.Tensor, bags: Bags) -> torch.Tensor:
    """Positions, that of the token instead of a bag that speaks of one: the logarithm of a sum is no sum."""
    if not bags:
        return positions
    found = positions.clone()
    for number in torch.unique(positions[positions >= FIRST_BAG]).tolist():
        tokens = set(bags[number]["at"].tolist()) - {UNKNOWN} if number in bags else set()
        if len(tokens) == 1:
            found[positions == number] = tokens.pop()
    return found


def _named(call: Call, positions: torch.Tensor) -> torch.Tensor:
    """Names of what an operation on single elements gives, where its rows over the vocabulary can be computed."""
    if not ALPHABET.active or call.word == "isin":
        return positions
    first = (call.before,) if call.before is not None else call.args[:1]
    given = [names(one) if is_positioned(one) else None for one in call.args]
    args = (*first, *call.args[1:])
    if any(is_positioned(one) for one in call.keywords.values()):
        return positions
    return elementwise(call.func, args, call.keywords, given, positions, in_place=call.before is not None)


def _binary(call: Call) -> Said:
    """The later of two positions, where the result is no wider than what is positioned."""
    left = call.argument(0, "input")
    right = call.argument(1, "other")
    given = [one for one in (left, right) if is_positioned(one) and not _spread(call, one)]
    if not given:
        return None
    bags = bags_of(given)
    if call.out.shape != _shape(*(one.shape for one in given)):
        return None
    found = [at(one) for one in given]
    if call.word in _ADDING and call.out.numel() <= FEW and (bags or call.empty is not None or _apart(call, found)):
        return _added(call, left, right)
    positions = torch.maximum(*found) if len(found) == 2 else found[0].expand(call.out.shape)
    if call.word not in _MASKS:
        return _named(call, positions), bags
    for one in (left, right):
        # A mask of tokens that is scaled is no loss that is masked: of another token it might be 1.
        if not (ALPHABET.active and is_positioned(one) and len(given) == 1):
            positions = masked(positions, one)
    named = _named(call, positions)
    if ALPHABET.active and len(given) == 1:  # a mask leaves the others what they are
        factor = left if is_positioned(right) else right
        named = torch.where(torch.as_tensor(factor) == 1, names(given[0]), named)
    return torch.where(positions == NOTHING, NOTHING, named), bags


def _spread(call: Call, operand: torch.Tensor) -> bool:
    """Whether few sums stand against many numbers, as weights of experts do: what they are of is no part of each."""
    few: bool = operand.numel() < call.out.numel()
    return few and bool(bags_of((operand,)))


def _apart(call: Call, found: list[torch.Tensor]) -> bool:
    """Whether losses, or single numbers, of different tokens are added; whole numbers in rows make up contexts."""
    summed = call.out.is_floating_point() or not call.out.ndim
    return summed and len(found) == 2 and not torch.equal(*(one.expand(call.out.shape) for one in found))


def _added(call: Call, left: Any, right: Any) -> Said:
    """Sums of sums: what both speak of."""
    bags = bags_of((left, right))
    sides = []
    for one in (left, right):
        if is_positioned(one):
            side = names(one)
        elif isinstance(one, torch.Tensor):
            zero = call.empty if call.empty is not None and one is call.args[0] else one == 0
            side = torch.full(one.shape, UNKNOWN, dtype=torch.int64).masked_fill(zero, NOTHING)
        else:
            # A number that is not 0 may be a sum so far, or a constant such as 1e-9: it is not known.
            side = torch.tensor(NOTHING if one == 0 else UNKNOWN)
        values = torch.as_tensor(one, dtype=torch.float64).expand(call.out.shape).reshape(-1).tolist()
        sides.append(list(zip(side.expand(call.out.shape).reshape(-1).tolist(), values, strict=True)))
    found = []
    for pair in zip(*sides, strict=True):
        kept = [position(one) for one, _ in pair if one != NOTHING]
        if len(set(kept)) < 2 and max(kept, default=0) < FIRST_BAG:  # the same token, or one side alone
            found.append(max(kept, default=NOTHING))
            continue
        number, table = bagged(joined(pair, bags))
        bags |= table
        found.append(number)
    return _named(call, torch.tensor(found, dtype=torch.int64).reshape(call.out.shape)), bags


def _where(call: Call) -> Said:
    method = call.func is torch.Tensor.where  # which has the condition second
    condition, first = call.argument(int(method), "condition"), call.argument(int(not method), "input")
    second = call.argument(2, "other")
    if second is None:  # asked for the places alone
        return None
    given = list(positioned_in((condition, first, second)))
    if call.out.shape != _shape(*(one.shape for one in given)):
        return None
    if not is_positioned(first) and not is_positioned(second):
        return _named(call, at(condition)), {}
    if not is_positioned(condition):
        yes, no = (names(one) if is_positioned(one) else _constant(one) for one in (first, second))
        return torch.where(condition, yes, no), bags_of(given)
    yes, no = (at(one) if is_positioned(one) else _constant(one) for one in (first, second))
    return _named(call, torch.where(condition, yes, no)), bags_of(given)


def _constant(value: Any) -> torch.Tensor:
    """Of what a constant speaks: a zero among losses adds nothing; anything else is unknown."""
    if isinstance(value, torch.Tensor):
        unknown = torch.full(value.shape, UNKNOWN, dtype=torch.int64)
        return unknown.masked_fill(value == 0, NOTHING) if value.is_floating_point() else unknown
    nothing = isinstance(value, (float, bool)) and not value
    return torch.tensor(NOTHING if nothing else UNKNOWN)


def _filled(call: Call) -> Said:
    """masked_fill: zeros for losses add nothing."""
    value, mask, number = call.args[0], call.argument(1, "mask"), call.argument(2, "value")
    if not is_positioned(value) or call.out.shape != value.shape:
        return None
    nothing = call.out.is_floating_point() and not isinstance(number, torch.Tensor) and number == 0
    own = at(value) if is_positioned(mask) else names(value)
    return own.masked_fill(mask, NOTHING if nothing else UNKNOWN), bags_of((value,))


def _moved(call: Call) -> Said:
    """The same, done to the positions."""
    given = positioned_in((*call.args, *call.keywords.values()))
    first = call.args[0] if call.args else None
    args = [_swapped(one) if not number else one for number, one in enumerate(call.args)]
    data = ("input", "tensors")
    keywords = {name: _swapped(one) if name in data else one for name, one in call.keywords.items()}
    if isinstance(first, torch.Tensor) and not is_positioned(first):
        return None
    return call.func(*args, **keywords), bags_of(list(given))


def _swapped(value: Any) -> Any:
    """Data, its tensors replaced by their positions."""
    if isinstance(value, torch.Tensor):
        return names(value) if is_positioned(value) else torch.full(value.shape, UNKNOWN, dtype=torch.int64)
    return [_swapped(one) for one in value] if isinstance(value, (tuple, list)) else value


def _padded(call: Call) -> Said:
    value = call.args[0]
    if not is_positioned(value) or call.argument(2, "mode", "constant") != "constant":
        return None
    return torch.nn.functional.pad(names(value), call.argument(1, "pad"), value=UNKNOWN), bags_of((value,))


def _taken(call: Call) -> Said:
    """getitem: elements of a positioned tensor, or values that a positioned index looks up."""
    value, index = call.args[:2]
    if is_positioned(value):  # what is chosen by the token itself might be another for another token
        own = at(value) if any(True for _ in positioned_in((index,))) else names(value)
        return own[index], bags_of((value,))
    parts = index if isinstance(index, tuple) else (index,)
    tensors = [one for one in parts if isinstance(one, torch.Tensor)]
    if any(one.dtype in {torch.bool, torch.uint8} for one in tensors):
        return None
    shape = _shape(*(one.shape for one in tensors))
    if call.out.shape != shape:
        return None
    found = [at(one).expand(shape) for one in tensors if is_positioned(one)]
    positions = torch.stack(found).amax(0)
    if not ALPHABET.active or len(parts) != len(tensors) or len(parts) != value.ndim:
        return positions, {}
    if len(parts) == 1 or not is_positioned(parts[-1]):
        given = [names(one) if is_positioned(one) else None for one in parts]
        return taken_at(value, parts, given, positions), {}
    rows = value[parts[:-1]]
    sums = SOURCES.looked_up(found[-1].numpy(), call.out, rows)
    token = names(parts[-1]).expand(shape)
    return loss_of(rows.expand(*shape, -1).reshape(-1, rows.shape[-1]), token, positions, sums, logits=None), {}


def _gathered(call: Call) -> Said:
    """gather: a value out of a row for each target."""
    value, dim, index = call.args[0], call.argument(1, "dim"), call.argument(2, "index")
    if is_positioned(index):
        if SOURCES.active and index.shape[-1] == 1 and dim in {-1, value.ndim - 1}:
            sums = SOURCES.looked_up(at(index).numpy(), call.out, value)
            return loss_of(value.reshape(-1, value.shape[-1]), names(index), at(index), sums, logits=None), {}
        return at(index), {}
    return (names(value).gather(dim, index), bags_of((value,))) if is_positioned(value) else None


def _selected(call: Call) -> Said:
    """index_select and take."""
    index = call.argument(len(call.args) - 1 if len(call.args) > 1 else 1, "index")
    if is_positioned(index):
        if call.out.shape != index.shape:
            return None
        value = call.args[0]
        return taken_at(value.reshape(-1), (index,), [names(index)], at(index)), {}
    return _moved(call)


def _loss(call: Call) -> Said:
    """cross_entropy and nll_loss speak of their targets."""
    target = call.argument(1, "target")
    if not is_positioned(target) or target.is_floating_point():
        return None
    ignored = call.argument(4, "ignore_index", -100)
    positions = at(target).clamp_min(UNKNOWN).masked_fill(target == ignored, NOTHING)
    if SOURCES.active:
        named = _took(call, positions, numbers(_each(call, ignored)).reshape(-1))
        if call.out.shape == target.shape and call.out.ndim:
            return named, {}
    if call.out.shape == target.shape and call.out.ndim:
        return positions, {}
    if call.out.ndim:
        return None
    number, table = bagged(listed(positions.reshape(-1).numpy(), numbers(_each(call, ignored)).reshape(-1), {}))
    return torch.tensor(number), table


def _took(call: Call, positions: torch.Tensor, losses: NDArray[np.float64]) -> torch.Tensor:
    """Tell of the rows of scores that plain losses come from; names of the losses."""
    scores = call.argument(0, "input")
    if call.argument(2, "weight") is not None or call.keywords.get("label_smoothing"):
        return positions
    rows = scores if scores.ndim < 3 else scores.movedim(1, -1).reshape(-1, scores.shape[1])
    logits = call.word.startswith("cross")
    sums = SOURCES.took(positions.reshape(-1).numpy(), losses, rows, logits=logits)
    return loss_of(rows, names(call.argument(1, "target")), positions, sums, logits=logits)


def _each(call: Call, ignored: int) -> torch.Tensor:
    """The losses that a mean or a sum of losses is made of, one a target."""
    kind = functional.nll_loss if call.word.startswith("nll") else functional.cross_entropy
    more = {name: call.keywords[name] for name in ("label_smoothing",) if name in call.keywords}
    weight = call.argument(2, "weight")
    with torch.no_grad():
        scores, target = call.argument(0, "input"), call.argument(1, "target")
        return kind(scores, target, weight=weight, ignore_index=ignored, reduction="none", **more)


def fused(call: Call) -> Said:
    """A kernel of the submission's own that gives a number for each of as many targets."""
    targets = [one for one in positioned_in(call.args) if one.ndim and not one.is_floating_point()]
    out = call.out
    if len(targets) != 1 or not isinstance(out, torch.Tensor) or not out.is_floating_point():
        return None
    if out.ndim and out.numel() == targets[0].numel():
        return at(targets[0]).reshape(out.shape), {}
    return None


def _operator(call: Call) -> Said:
    """As `fused`, for operators that were registered with torch."""
    return fused(call) if isinstance(call.func, (torch._ops.OpOverload, torch._ops.OpOverloadPacket)) else None


def _set(call: Call) -> Said:
    """setitem: what is written brings its positions along."""
    target, index, value = call.args[:3]
    whole = names(target) if is_positioned(target) else torch.full(target.shape, UNKNOWN, dtype=torch.int64)
    whole = whole.clone()
    if is_positioned(value):
        whole[index] = at(value) if any(True for _ in positioned_in((index,))) else names(value)
    elif is_positioned(target):
        kept = _constant(float(value) if target.is_floating_point() and isinstance(value, int) else value)
        whole[index] = _rescored(target, index) if _is_score(target, value) else kept
    else:
        return None
    return whole, bags_of((target, value))


def _is_score(target: torch.Tensor, value: Any) -> bool:
    """Whether a number is put among losses that were made together; a buffer that is filled may be filled again."""
    single = isinstance(value, (int, float)) or (isinstance(value, torch.Tensor) and value.numel() == 1)
    return single and target.is_floating_point() and not filled(target) and float(value) != 0


def _rescored(target: torch.Tensor, index: Any) -> torch.Tensor:
    """What losses speak of that are replaced by another number: of the same tokens, which it is a score of."""
    own = at(target)[index]
    return torch.where((own >= 0) & (own < FIRST_BAG), own, UNKNOWN)


def _copied(call: Call) -> Said:
    source = call.argument(1, "src")
    return (names(source).expand(call.args[0].shape), bags_of((source,))) if is_positioned(source) else None


def _accumulated(call: Call) -> Said:
    """index_add_ and scatter_add_ along one dimension: a sum for each group."""
    target, _, index, source = call.args[:4]
    if target.ndim != 1 or target.numel() > FEW or not is_positioned(source):
        return None
    if is_positioned(target):
        before = at(target)
    else:
        before = torch.full(target.shape, UNKNOWN, dtype=torch.int64)
        before = before.masked_fill(call.empty, NOTHING) if call.empty is not None else before
    bags = bags_of((target, source))
    # What was there before is known by its positions alone where it is a bag; else it counts with what it is now.
    groups = {number: [(held, 0.0)] for number, held in enumerate(before.tolist())}
    for number, *added in zip(index.tolist(), names(source).tolist(), numbers(source).tolist(), strict=True):
        groups[number].append(tuple(added))
    found = []
    for held in groups.values():
        number, table = bagged(joined(held, bags))
        bags |= table
        found.append(number)
    return torch.tensor(found, dtype=torch.int64), bags


RULES.update(dict.fromkeys(_SAME, _unary) | dict.fromkeys(_PAIRS, _binary) | dict.fromkeys(_MOVERS, _moved))
RULES.update(dict.fromkeys(SUMS, summed) | dict.fromkeys(("dot", "inner", "vdot"), product), logsumexp=mixed)
RULES.update(
    where=_where, masked_fill=_filled, pad=_padded, getitem=_taken, gather=_gathered, index_select=_selected,
    take=_selected, cross_entropy=_loss, nll_loss=_loss, cross_entropy_loss=_loss, nll_loss_nd=_loss,
)  # fmt: skip
WRITES.update(setitem=_set, copy=_copied, index_add=_accumulated, scatter_add=_accumulated)
OTHERS.append(_operator)
