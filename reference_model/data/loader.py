"""The stream of training tokens, dealt to ranks and micro batches.

Shards follow each other for ever. A step takes `batch_tokens + ranks` consecutive tokens; every rank takes its share of
rows, whose last token is a target only. Where a run stands is two numbers, so a run that was stopped goes on exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reference_model.data.shards import Tokens, read_shard


class TokenStream:
    """Consecutive tokens of shards, from the first after the last again."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths, self.shard, self.position = list(paths), 0, 0
        self._tokens = read_shard(self.paths[0])
        if not any(len(read_shard(path)) for path in self.paths):
            raise ValueError(f"{self.paths[0].parent}: the shards hold no token")

    def take(self, count: int) -> Tokens:
        """The next tokens (count,)."""
        parts: list[Tokens] = []
        while count:
            part = self._tokens[self.position : self.position + count]
            parts.append(part)
            count -= len(part)
            self.position += len(part)
            if count:
                self._open((self.shard + 1) % len(self.paths), 0)
        return np.concatenate(parts)

    def state(self) -> dict[str, int]:
        """Where the stream stands."""
        return {"shard": self.shard, "position": self.position}

    def restore(self, state: dict[str, int]) -> None:
        """Stand there again."""
        self._open(state["shard"], state["position"])

    def _open(self, shard: int, position: int) -> None:
        self.shard, self.position = shard, position
        self._tokens = read_shard(self.paths[shard])


class TrainLoader:
    """Batches of one rank."""

    def __init__(self, stream: TokenStream, seq_len: int, rank: int, ranks: int, device: torch.device) -> None:
        self.stream, self.seq_len, self.rank, self.ranks, self.device = stream, seq_len, rank, ranks, device

    def micro_batches(self, batch_tokens: int, micro_tokens: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets (rows, seq_len) of one step, at most `micro_tokens` of this rank at once.

        Raises ValueError where a step cannot be shared evenly.
        """
        own, rest = divmod(batch_tokens, self.ranks)
        if rest or own % self.seq_len:
            raise ValueError(
                f"TRAIN_BATCH_TOKENS is {batch_tokens}; make it a multiple of TRAIN_SEQ_LEN, {self.seq_len}, "
                f"times the number of ranks, {self.ranks}"
            )
        span = own + 1
        tokens = self.stream.take(span * self.ranks)[self.rank * span : (self.rank + 1) * span]
        ids = torch.from_numpy(tokens.astype(np.int64))
        rows = max(1, micro_tokens // self.seq_len)
        inputs, targets = ids[:-1].view(-1, self.seq_len), ids[1:].view(-1, self.seq_len)
        for x, y in zip(torch.split(inputs, rows), torch.split(targets, rows), strict=True):
            yield x.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True)
