"""What functions of numpy give that look something up by tokens, or choose between losses: see `arrays`."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.observe.cpu_run.guest.arrays import (
    FUNCTIONS,
    PositionedArray,
    as_tensor,
    at_of,
    bags_in,
    bare,
    named,
    names_any,
    positions_of,
    with_positions,
)
from harness.observe.cpu_run.guest.blocks import loss_of
from harness.observe.cpu_run.guest.lanes import places_of
from harness.observe.cpu_run.guest.places import NOTHING, UNKNOWN, Positions
from harness.observe.cpu_run.guest.sources import SOURCES


def taken(scores: Any, index: Any, out: Any) -> Any:
    """What a plain array has at `index`, which speaks of what its last part does: a score out of a row a token.

    A plain array asks no index of its own, so it is the program that tells of it.
    """
    at = at_of(index[-1])
    if at is None or not _is_plain(scores) or scores.ndim != 2 or np.shape(out) != at.shape:
        return out
    return with_positions(bare(out), _looked_up(at, bare(out), bare(scores), bare(index[0])), bags_in(index))


def _looked_up(at: Positions, found: Any, scores: Any, rows: Any) -> Positions:
    """Names of what was found in `scores[rows]` for each token."""
    places = places_of(at)
    if not SOURCES.active or scores.dtype.kind != "f":
        return places
    given = np.array(np.broadcast_to(scores[rows], (*at.shape, scores.shape[-1])))
    sums = SOURCES.looked_up(places, found, given)
    flat, names = as_tensor(given.reshape(at.size, -1)), as_tensor(at)
    return loss_of(flat, names, as_tensor(places), sums, logits=None).numpy()


def _along_axis(out: Any, scores: Any, index: Any, axis: Any = -1) -> Any:
    """What `take_along_axis` gave: one value a row for a column of tokens."""
    at = at_of(index)
    if at is None or index.shape[-1] != 1 or axis not in {-1, index.ndim - 1}:
        return out
    return with_positions(out, _looked_up(at[..., 0], out[..., 0], bare(scores), ...)[..., None], bags_in((index,)))


def _is_plain(value: Any) -> bool:
    """Whether a value is an array of which nothing is known: as far as this goes, an array like any other."""
    return type(value) is np.ndarray or (isinstance(value, PositionedArray) and positions_of(value) is None)


def _chosen(out: Any, condition: Any, *sides: Any) -> Any:
    """`where`: a zero among losses adds nothing. Without sides it gives places, which speak of nothing."""
    if all(at_of(one) is None for one in sides):
        return out
    found: list[Any] = [_constant(one) if at_of(one) is None else at_of(one) for one in sides]
    at = np.where(bare(condition), *found)
    if names_any(condition):
        at = named(np.where, (condition, *sides), places_of(at))
    return with_positions(out, at, bags_in(sides))


def _constant(value: Any) -> Any:
    return np.where((np.asarray(value) == 0) & (np.asarray(value).dtype.kind == "f"), NOTHING, UNKNOWN)


def follow_lookups() -> None:
    """Have what these functions give speak of what it should."""
    FUNCTIONS.update(take_along_axis=_along_axis, where=_chosen)
