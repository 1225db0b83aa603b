"""Blocks of elements that one operation made of others, or took out of rows of scores: see `lanes`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch

from harness.observe.cpu_run.guest.lanes import (
    ALPHABET,
    AT,
    LANES,
    MOST,
    TOKENS,
    Block,
    Evaluation,
    Lanes,
    Make,
    Operand,
    Sums,
    place_of,
)
from harness.observe.cpu_run.guest.sources import SOURCES

_arange = torch.arange  # as it is before devices are stood in for


def elementwise(
    func: Callable[..., Any],
    args: Sequence[Any],
    keywords: Mapping[str, Any],
    names: Sequence[torch.Tensor | None],
    positions: torch.Tensor,
    *,
    in_place: bool = False,
) -> torch.Tensor:
    """Names of the result of an operation on single elements; `positions` of the result, for what has none.

    `names`: those of each argument, None for what is plain. Where it changed the first `in_place`, that is as before.
    """
    if not ALPHABET.active or positions.numel() > MOST or "out" in keywords:
        return positions
    known = (positions >= 0) & (positions <= AT)
    any_named = torch.zeros_like(known)
    for one in names:
        if one is not None:
            spread = one.expand(positions.shape)
            own = place_of(spread) == positions
            known &= ~own | (spread >= TOKENS)
            any_named |= own & (spread >= TOKENS)
    known &= any_named
    if not bool(known.any()):
        return positions
    try:
        given = [
            Operand(one, name, positions) if isinstance(one, torch.Tensor) else one
            for one, name in zip(args, names, strict=True)
        ]
        more = {
            key: Operand(one, None, positions) if isinstance(one, torch.Tensor) else one
            for key, one in keywords.items()
        }
    except LookupError:
        return positions
    operands = [one for one in (*given, *more.values()) if isinstance(one, Operand)]
    widths = set().union(*(one.widths for one in operands))

    def make(pick: torch.Tensor, into: Evaluation) -> Lanes:
        def lanes(one: Any) -> Any:
            return one.lanes(pick, into) if isinstance(one, Operand) else one

        values = [lanes(one) for one in given]
        if in_place:
            values[0] = values[0].expand(len(pick), into.width).clone()
        found: Lanes = func(*values, **{key: lanes(one) for key, one in more.items()})
        return found

    block = _block(positions.numel(), widths, make)
    block.when = max(one.when for one in operands)
    block.held = len(operands) == 1 and operands[0].held
    named = ALPHABET.add(block, positions, known)
    ALPHABET.hold(block, sum(one.size for one in operands))
    return named


def _block(size: int, widths: Collection[int], make: Make) -> Block:
    """A block of elements that were made of rows of these widths: of the tokens that all of them have."""
    return Block(size, min(widths, default=0), make, partial=len(widths) > 1)


def loss_of(
    scores: torch.Tensor,
    names: torch.Tensor,
    positions: torch.Tensor,
    sums: Sums | None,
    *,
    logits: bool | None,
) -> torch.Tensor:
    """Names of what was taken out of rows of `scores`, shape (elements, vocabulary), for the tokens with these names.

    `logits`: whether that was cross-entropy over them, or minus what stands there; None for what stands there itself.
    `sums`: checksums and sums of the rows, where they are scored as they are.
    """
    if not ALPHABET.active or scores.ndim != 2 or len(scores) != positions.numel() or len(scores) > MOST:
        return positions
    known = (names >= TOKENS) & (names < LANES) & (place_of(names) == positions)
    held = scores.detach()

    def make(pick: torch.Tensor, _: Evaluation) -> Lanes:
        rows = held[pick]
        if logits is None:
            return rows
        return -(rows.float().log_softmax(-1) if logits else rows)

    block = Block(len(scores), scores.shape[1], make)
    block.held, block.when = True, SOURCES.count
    if sums is not None:
        block.checksums, block.totals = sums
    named = ALPHABET.add(block, positions, known)
    ALPHABET.hold(block, held.numel() * held.itemsize)
    return named


def taken_at(
    values: torch.Tensor,
    index: Sequence[torch.Tensor],
    names: Sequence[torch.Tensor | None],
    positions: torch.Tensor,
) -> torch.Tensor:
    """Names of `values[index]`, an index a dimension: what a table has for the keys with these names."""
    counted = not values.is_inference()  # changes of the others are not counted
    if not counted and values.numel() > MOST:
        return positions
    held = values.detach() if counted else values.detach().clone()
    version = values._version if counted else None

    def lookup(*parts: torch.Tensor) -> Lanes:
        if counted and values._version != version:
            raise LookupError("the table is another one by now")
        return held[tuple(one.long() for one in parts)]

    return elementwise(lookup, index, {}, names, positions)


def mixture(
    func: Callable[..., Any], value: torch.Tensor, names: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    """Names of what `func` makes of a value's last dimension, whose elements speak of one token each; `positions` of
    the result, for what has none.
    """
    if not ALPHABET.active or value.numel() > MOST:
        return positions
    count = value.shape[-1]
    try:
        operand = Operand(value, names, positions[..., None].expand(value.shape))
    except LookupError:
        return positions
    own = place_of(names) == positions[..., None]
    known = (positions >= 0) & (~own | (names >= TOKENS)).all(-1)

    def make(pick: torch.Tensor, into: Evaluation) -> Lanes:
        every = (pick[:, None] * count + _arange(count)).reshape(-1)
        rows = operand.lanes(every, into).expand(len(every), into.width)
        found: Lanes = func(rows.reshape(len(pick), count, into.width), dim=1)
        return found

    block = _block(positions.numel(), operand.widths, make)
    block.when = operand.when
    named = ALPHABET.add(block, positions, known)
    ALPHABET.hold(block, operand.size)
    return named
