"""Of which positions sums and means speak: of all that went into them.

Several numbers that speak of one token alone, as what several experts give to it, become one number that speaks of it.
"""

from __future__ import annotations

from typing import Any

import torch

from harness.observe.cpu_run.guest.blocks import mixture
from harness.observe.cpu_run.guest.places import NOTHING, UNKNOWN
from harness.observe.cpu_run.guest.positioned import (
    FEW,
    FIRST_BAG,
    Bags,
    Call,
    Said,
    at,
    bagged,
    bags_of,
    is_positioned,
    listed,
    names,
    numbers,
)

EXPERTS = 64
"""Numbers of one token, along one dimension, that may become one."""
SUMS = ("sum", "nansum", "mean", "nanmean")


def masked(positions: torch.Tensor, factor: Any) -> torch.Tensor:
    """Positions of what is multiplied by a mask: what it puts to 0 adds nothing."""
    if not isinstance(factor, torch.Tensor):
        return torch.full_like(positions, NOTHING) if factor == 0 else positions
    if factor.numel() > 1 and not bool(((factor == 0) | (factor == 1)).all()):
        return positions
    return positions.masked_fill(factor == 0, NOTHING)


def mixed(call: Call) -> Said:
    """Numbers along one dimension that speak of the same token: with others that speak of none, they are its own."""
    value, dim = call.argument(0, "input"), call.argument(1, "dim")
    if isinstance(dim, (tuple, list)) and len(dim) == 1:
        (dim,) = dim
    if not is_positioned(value) or type(dim) is not int or value.ndim < 2 or not value.is_floating_point():
        return None
    if not 2 <= value.shape[dim] <= EXPERTS or not isinstance(call.out, torch.Tensor):
        return None
    given = at(value).movedim(dim, -1)
    positions = given.amax(-1)
    several = (given == positions[..., None]).sum(-1) > (call.word in SUMS)
    same = ((given == positions[..., None]) | (given == UNKNOWN) | (given == NOTHING)).all(-1)
    known = positions >= 0
    # Where a document begins a table has nothing to say: there the model's own number may stand alone.
    if not bool(known.any()) or not bool(same.all()) or 2 * int((several & known).sum()) < int(known.sum()):
        return None
    if bool((positions >= FIRST_BAG).any()):
        return None
    named = mixture(call.func, value.movedim(dim, -1), names(value).movedim(dim, -1), positions)
    return named.reshape(call.out.shape), {}


def summed(call: Call) -> Said:
    """Sum and mean, over all or over some dimensions."""
    one = mixed(call)
    if one is not None:
        return one
    value = call.argument(0, "input")
    if not is_positioned(value) or call.out.numel() > FEW:
        return None
    dims = call.argument(1, "dim")
    if isinstance(dims, torch.dtype):
        dims = None
    over = range(value.ndim) if dims is None or dims == () else [dims] if isinstance(dims, int) else dims
    over = [dim % max(value.ndim, 1) for dim in over]
    kept = [dim for dim in range(value.ndim) if dim not in over]
    positions, values = (
        part.permute((*kept, *over)).reshape(call.out.numel(), -1).numpy()
        for part in (names(value), torch.from_numpy(numbers(value)))
    )
    bags, own = bags_of((value,)), Bags()
    found = []
    for row, added in zip(positions, values, strict=True):
        number, table = bagged(listed(row, added, bags))
        own |= table
        found.append(number)
    return torch.tensor(found, dtype=torch.int64).reshape(call.out.shape), own


def product(call: Call) -> Said:
    """dot: weights that are 0 leave out."""
    if call.out.ndim:
        return None
    left, right = call.args[:2]
    found = [at(one) for one in (left, right) if is_positioned(one)]
    positions = torch.maximum(*found) if len(found) == 2 else found[0]
    for one in (left, right):
        positions = masked(positions, one)
    number, table = bagged(listed(positions.numpy(), numbers(left) * numbers(right), bags_of((left, right))))
    return torch.tensor(number), table
