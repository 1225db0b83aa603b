"""Test-time training of all weights over the stream (pull requests 461, 549, 1413, 1493): score a chunk, then learn it.

The stream is cut into chunks of positions. All windows whose first scored position lies in a chunk are scored with the
weights as they are; then the weights take `ttt_epochs` passes of SGD over the chunk in sequences of the training
length, and the next chunk is scored. The learning rate falls along half a cosine over the chunks; nothing is learned
from the last. What is learned from is counted before, so passes may repeat; what is scored never is again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import nn

from reference_model.config import Config
from reference_model.evaluation.hashing import HashTable
from reference_model.evaluation.score import Batch, Tally, add_scores
from reference_model.evaluation.trace import Event, Kind
from reference_model.evaluation.windows import Window, plain_windows, sliding_windows
from reference_model.model.gpt import GPT
from reference_model.runtime import autocast


def by_chunk(windows: Iterator[Window], chunk: int) -> list[list[Window]]:
    """Windows by the chunk in which their first scored position lies. Position 1 is the first of chunk 0."""
    found: list[list[Window]] = []
    for window in windows:
        number = (window.first - 1) // chunk
        while len(found) <= number:
            found.append([])
        found[number].append(window)
    return found


def learned_parameters(model: GPT, config: Config) -> list[dict[str, object]]:
    """Groups for SGD: all weights, or those of the last layers; the first of these layers at a rate of its own."""
    evaluation = config.evaluation
    if not evaluation.ttt_layers_last_n:
        return [{"params": list(model.parameters()), "factor": 1.0}]
    first = model.config.num_layers - evaluation.ttt_layers_last_n
    blocks = list(model.blocks)[first:]
    rest = [p for block in blocks[1:] for p in block.parameters()]
    groups: list[dict[str, object]] = [
        {"params": list(blocks[0].parameters()), "factor": evaluation.ttt_first_layer_lr},
        {"params": rest, "factor": 1.0},
    ]
    return [group for group in groups if group["params"]]


def learn_stream(model: GPT, tally: Tally, config: Config) -> None:
    """Score a stream and learn from it, all ranks together. The model ends with what it learned."""
    evaluation, device = config.evaluation, tally.tokens.device
    table = None
    groups = learned_parameters(model, config)
    if evaluation.ttt_hash_buckets:
        table = HashTable(evaluation.ttt_hash_buckets, config.model.model_dim, device)
        groups.append({"params": [table.table], "factor": 1.0})
    optimizer = torch.optim.SGD(groups, lr=evaluation.ttt_lr, momentum=evaluation.ttt_momentum)
    windows = sliding_windows(len(tally.tokens), config.eval_seq_len, evaluation.eval_stride)
    plan = by_chunk(windows, evaluation.ttt_chunk_tokens)
    for number, chunk in enumerate(plan):
        add_scores(model, tally, chunk, evaluation.eval_batch_seqs, table)
        if chunk and number + 1 < len(plan):
            scale = 0.5 * (1.0 + math.cos(math.pi * number / max(len(plan) - 1, 1)))
            for group in optimizer.param_groups:
                group["lr"] = evaluation.ttt_lr * scale * group["factor"]
            _learn(model, table, optimizer, tally, config, chunk[0].first, chunk[-1].stop)


def _learn(
    model: GPT,
    table: HashTable | None,
    optimizer: torch.optim.Optimizer,
    tally: Tally,
    config: Config,
    first: int,
    last: int,
) -> None:
    """Passes over the targets at `first` to `last`, which have been scored, in sequences shared between ranks."""
    world, evaluation = tally.world, config.evaluation
    held: list[nn.Parameter] = [p for group in optimizer.param_groups for p in group["params"]]
    sequences = [
        Window(first - 1 + w.start, first - 1 + w.stop, first - 1 + w.first)
        for w in plain_windows(last - first + 2, config.data.train_seq_len)
    ]
    size = evaluation.eval_batch_seqs * world.size
    for _ in range(evaluation.ttt_epochs):
        for start in range(0, len(sequences), size):
            together = sequences[start : start + size]
            mine = together[world.rank :: world.size]
            optimizer.zero_grad()
            if mine:
                batch = Batch(tally.tokens, mine)
                with autocast(tally.tokens.device):
                    nll = model.nll(batch.inputs, batch.targets, extra=table(batch.inputs) if table else None)
                # Divided by the tokens of all ranks, so that their mean gradient is that of one process.
                share = world.size / sum(w.stop - w.start for w in together)
                loss = torch.cat([losses for _, losses in batch.scored(nll)]).sum() * share
                loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            world.average_gradients(held)
            if evaluation.ttt_grad_clip:
                nn.utils.clip_grad_norm_(held, evaluation.ttt_grad_clip)
            optimizer.step()
    tally.events.append(Event(Kind.UPDATE, 0, first, last))
