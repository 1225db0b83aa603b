"""Out of which row of scores over the vocabulary the loss of a token was taken.

A loss that is cross-entropy over a row of logits, or minus the logarithm of what stands at the token's place in a row
of probabilities that sum to 1, is normalised by construction: every token of the vocabulary had its share before this
one was looked at. What is kept of a row is a checksum, so that two runs can be compared.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from harness.observe.cpu_run.guest.places import Positions
from harness.observe.cpu_run.rows import Rows

_RECENT = 32
"""Calls whose rows are remembered: a loss is summed up soon after it was taken."""
_AT_ONCE = 1 << 22
"""Scores that are summed over at once."""
_WHOLE = 1e-3
"""Difference from 1 up to which single precision leaves the sum of a distribution."""
_ROUNDED = 1e-6
"""Relative difference between logarithms of single precision that different libraries make of the same number."""
_ODD = np.uint64(0x9E3779B97F4A7C15)
"""The golden ratio in 64 bits: multiples of it are spread out."""
_from_numpy = torch.from_numpy  # as it is before positions enter through it
Scores = torch.Tensor | NDArray[np.floating]
_KEY = np.dtype([("at", np.int64), ("value", np.float32)])


class _Call(NamedTuple):
    """What one call took out of rows: tokens and losses, in their order, and checksums and sums of the rows."""

    number: int
    learning: bool
    """Whether gradients of the rows can be taken."""
    keys: NDArray[np.void]
    sums: NDArray[np.uint64]
    totals: NDArray[np.float64]


class Sources:
    """Rows of scores of the last calls that took a value for each of several tokens out of them."""

    def __init__(self) -> None:
        self.active = False
        """Off unless a run is to be compared with others: every row costs a pass over it."""
        self.count = 0
        """Calls so far."""
        self._calls: deque[_Call] = deque(maxlen=_RECENT)

    def took(
        self, at: Positions, losses: NDArray[np.float64], scores: torch.Tensor, *, logits: bool
    ) -> tuple[NDArray[np.uint64], NDArray[np.float64]] | None:
        """From each row of `scores`, shape (len(at), vocabulary), the loss of the token at a position was taken.

        Rows of `logits` are normalised by what takes the loss; others must be a distribution, or its logarithm. Gives
        the checksum of each row, 0 where it is no distribution, and its sum.
        """
        if not self.active or scores.ndim != 2 or len(scores) != len(at) or scores.shape[1] < 2:
            return None
        sums = checksums(scores)
        totals = np.ones(len(at)) if logits else _totals(scores)
        sums[np.abs(totals - 1) > _WHOLE] = 0
        keys = _keys(at, losses)
        order = np.argsort(keys, order=("at", "value"), kind="stable")
        self.count += 1
        self._calls.append(_Call(self.count, scores.requires_grad, keys[order], sums[order], totals[order]))
        return sums, totals

    def looked_up(
        self, at: Positions, found: Scores, scores: Scores
    ) -> tuple[NDArray[np.uint64], NDArray[np.float64]] | None:
        """From each row of `scores`, shape (len(at), vocabulary), one was taken: a probability, or its logarithm."""
        taken, rows = (one if isinstance(one, torch.Tensor) else _from_numpy(one) for one in (found, scores))
        values = taken.detach().to(torch.float32).reshape(-1)
        losses = -values.log() if bool((values >= 0).all()) else values
        flat = rows.reshape(-1, rows.shape[-1])
        return self.took(at.reshape(-1), losses.to(torch.float64).numpy(), flat, logits=False)

    def tell(self, rows: Rows) -> None:
        """Of each element, note the checksum and the sum of the row that its value was taken from, where known, and the
        call that took this value, where that is not known: the last that did not learn from it, as training on what was
        scored takes it again; else the first.
        """
        if not self.active or not len(rows):
            return
        wanted = _keys(rows["at"], rows["value"])
        scored = rows["when"] > 0
        first, last = rows["at"].min(), rows["at"].max()
        for call in reversed(tuple(self._calls)):
            if not len(call.keys) or call.keys["at"][0] > last or call.keys["at"][-1] < first:
                continue
            after = np.searchsorted(call.keys, wanted)
            for index in (np.minimum(after, len(call.keys) - 1), np.maximum(after, 1) - 1):
                same = _same(call.keys[index], wanted)
                rows["when"][same & ~scored] = call.number
                scored |= same & (not call.learning)
                hit = same & (rows["source"] == 0) & ~rows["mixed"]
                hit &= (call.sums[index] != 0) | (rows["total"] == 0)  # a distribution comes before what is none
                rows["source"][hit], rows["total"][hit] = call.sums[index[hit]], call.totals[index[hit]]


def checksums(scores: torch.Tensor) -> NDArray[np.uint64]:
    """A number for the very bits of each row, as single precision; never 0."""
    count, width = scores.shape
    factors = _from_numpy((np.arange(1, width + 1, dtype=np.uint64) * _ODD | np.uint64(1)).view(np.int64))
    found = []
    for part in torch.split(scores.detach(), max(1, _AT_ONCE // max(1, width))):
        bits = part.to(torch.float32).contiguous().view(torch.int32).to(torch.int64)
        found.append((bits * factors).sum(1).numpy().view(np.uint64))
    sums = np.concatenate(found) if count else np.empty(0, np.uint64)
    sums[sums == 0] = 1
    return sums


def _totals(scores: torch.Tensor) -> NDArray[np.float64]:
    """What each row of probabilities, or of their logarithms, sums to; 0 where it is neither."""
    values = scores.detach().to(torch.float64)
    plain, logarithms = (values >= 0).all(1), (values <= _WHOLE).all(1)
    sums = torch.where(plain, values.sum(1), values.logsumexp(1).exp())
    found: NDArray[np.float64] = torch.where(plain | logarithms, sums, 0.0).numpy()
    return found


def _keys(at: Positions, losses: NDArray[np.float64]) -> NDArray[np.void]:
    keys = np.empty(len(at), _KEY)
    keys["at"], keys["value"] = at, np.abs(losses)
    return keys


def _same(keys: NDArray[np.void], wanted: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which are of the same token, and of values that only rounding sets apart."""
    near = np.abs(keys["value"] - wanted["value"]) <= _ROUNDED * wanted["value"]
    same: NDArray[np.bool_] = (keys["at"] == wanted["at"]) & near
    return same


SOURCES = Sources()
"""Of this process."""
