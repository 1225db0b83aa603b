"""Do the probabilities that a program gives to the tokens at one place sum to 1? Others are put there, one by one.

A partial sum above 1 is proof already. Tried only where scores are not taken out of one row over the vocabulary: at
the tokens that were scored best, where a table of counts had something to say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from harness.model.proof import Swap
from harness.observe.cpu_run.inputs.stream import Stream
from harness.observe.cpu_run.rows import Rows

LEAST, MOST = 3, 12
"""Tokens that are tried in each place beside its own: of a hashed table without norm any three sufficed; more only
where what they got so far lets a sum above 1 be reached."""
_SHARES = (0.5, 0.7, 0.9)
_EARLIEST = 16

Values = Callable[[Stream], Rows | None]
"""The scores of a run on a stream, with their tokens."""


def swaps(stream: Stream, rows: Rows, values: Values) -> Iterator[Swap]:
    """Places where other tokens were tried, until one shows a sum above 1."""
    for position in places(stream, rows):
        own = first_value(rows, position)
        if own is None:
            continue
        swap = Swap(position=position, tokens=(int(stream.tokens[position]),), values=(own,))
        for token in candidates(stream, position):
            other = values(stream.replaced(position, token))
            value = first_value(other, position) if other is not None else None
            if value is None:
                break
            swap = swap.model_copy(update={"tokens": (*swap.tokens, token), "values": (*swap.values, value)})
            if swap.above or (len(swap.tokens) > LEAST and not _within_reach(swap)):
                break
        yield swap
        if swap.above:
            return


def _within_reach(swap: Swap) -> bool:
    """Whether the tokens that are left, each as probable as the best tried so far, would make more than 1."""
    best = math.exp(-min(swap.values[1:]))
    return swap.total + (MOST + 1 - len(swap.tokens)) * best > 1


def places(stream: Stream, rows: Rows) -> list[int]:
    """Positions to try: in each of a few parts of the stream that whose score, taken out of no row, is the best."""
    starts = set(stream.starts.tolist())
    mixed = rows[(rows["source"] == 0) & (rows["at"] >= _EARLIEST) & (rows["at"] < len(stream.tokens))]
    found = []
    for share, end in zip(_SHARES, (*_SHARES[1:], 1.0), strict=True):
        size = len(stream.tokens)
        part = mixed[(mixed["at"] >= share * size) & (mixed["at"] < end * size)]
        part = part[[int(at) not in starts for at in part["at"]]]
        if len(part):
            found.append(int(part["at"][part["value"].argmin()]))
    return found


def candidates(stream: Stream, position: int) -> list[int]:
    """Other tokens: the commonest of the stream, which tables know, the token's own first-of-document left out."""
    tokens, counts = np.unique(stream.tokens, return_counts=True)
    barred = {int(stream.tokens[position]), int(stream.tokens[0])}
    ordered = [int(token) for token in tokens[np.argsort(-counts, kind="stable")]]
    return [token for token in ordered if token not in barred][:MOST]


def first_value(rows: Rows, position: int) -> float | None:
    """What was added when the token at a position was first scored; None where it was not."""
    values = rows["value"][rows["at"] == position]
    return float(values[0]) if len(values) and math.isfinite(values[0]) else None
