"""The score: nats and bytes added up over positions, each exactly once.

val_loss is the mean loss in nats per token, val_bpb = nats / ln 2 / bytes. Sums are float64 and whole numbers, so that
their order does not show; a count a position proves that nothing was left out or counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from reference_model.data.bytes import ByteTable
from reference_model.evaluation.hashing import HashTable
from reference_model.evaluation.trace import Event, Kind
from reference_model.evaluation.windows import Window
from reference_model.model.adapters import NO_ADAPTERS
from reference_model.model.gpt import GPT
from reference_model.runtime import World, autocast


@dataclass(frozen=True)
class Score:
    """Of a whole stream."""

    val_loss: float
    """Nats per token."""
    val_bpb: float
    """Bits per byte."""
    tokens: int
    bytes: int


class Tally:
    """Sums over the scored positions of a stream (length,) of token ids."""

    def __init__(self, tokens: Tensor, table: ByteTable, world: World) -> None:
        self.tokens, self.table, self.world = tokens, table.to(tokens.device), world
        self.nats = torch.zeros((), dtype=torch.float64, device=tokens.device)
        self.bytes = torch.zeros((), dtype=torch.int64, device=tokens.device)
        self.counts = torch.zeros(len(tokens), dtype=torch.int32, device=tokens.device)
        self.events: list[Event] = []

    def add(self, nll: Tensor, first: int, last: int, learner: int = 0) -> None:
        """Losses in nats (last - first + 1,) of the tokens at these positions. Raises ValueError for another number."""
        if len(nll) != last - first + 1:
            raise ValueError(f"{len(nll)} losses were given for the {last - first + 1} positions {first} to {last}")
        self.nats += nll.double().sum()
        self.bytes += self.table.bytes_of(self.tokens[first - 1 : last], self.tokens[first : last + 1]).sum()
        self.counts[first : last + 1] += 1
        self.events.append(Event(Kind.SCORE, learner, first, last))

    def score(self) -> Score:
        """The score over all ranks. Raises ValueError where a position was not scored exactly once."""
        nats, count, bytes_ = (self.world.sum(part.clone()) for part in (self.nats, self.counts, self.bytes))
        wrong = int((count[1:] != 1).sum())
        if wrong or bool(count[0]):
            raise ValueError(f"{wrong} of {len(count) - 1} positions were not scored exactly once")
        tokens = len(count) - 1
        return Score(float(nats) / tokens, float(nats) / math.log(2) / int(bytes_), tokens, int(bytes_))


class Batch:
    """Windows of one batch as tensors (rows, longest); shorter rows are filled up behind, where nothing looks."""

    def __init__(self, tokens: Tensor, windows: Sequence[Window]) -> None:
        self.windows = windows
        lengths = [window.stop - window.start for window in windows]
        steps = torch.arange(max(lengths) + 1, device=tokens.device)
        starts = torch.tensor([window.start for window in windows], device=tokens.device)
        rows = tokens[(starts[:, None] + steps).clamp_max(len(tokens) - 1)]
        self.inputs, self.targets = rows[:, :-1], rows[:, 1:]

    def scored(self, nll: Tensor) -> Iterator[tuple[Window, Tensor]]:
        """Of losses (rows, longest), those that each window scores."""
        for window, row in zip(self.windows, nll, strict=True):
            yield window, row[window.first - 1 - window.start : window.stop - window.start]


def batched(windows: Iterable[Window], size: int, world: World) -> Iterator[list[Window]]:
    """Windows of this rank in batches, long ones not mixed with short ones."""
    mine = sorted(islice(windows, world.rank, None, world.size), key=lambda window: window.start - window.stop)
    for start in range(0, len(mine), size):
        yield mine[start : start + size]


@torch.no_grad()
def add_scores(model: GPT, tally: Tally, windows: Iterable[Window], rows: int, extra: HashTable | None = None) -> None:
    """Score this rank's share of the windows with the model as it is. `extra`: see `hashing`."""
    for batch in (Batch(tally.tokens, group) for group in batched(windows, rows, tally.world)):
        with autocast(tally.tokens.device):
            added = extra(batch.inputs) if extra is not None else None
            nll = model.nll(batch.inputs, batch.targets, NO_ADAPTERS, added)
        for window, losses in batch.scored(nll):
            tally.add(losses, window.first, window.stop)
