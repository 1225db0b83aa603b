"""Test-time training with low-rank adapters, a document at a time (pull request 77 and its descendants).

Documents are cut into chunks. A chunk is scored with the adapters as they are; then they take one step of Adam on that
chunk, and the next chunk is scored. Nothing is learned from a document's last chunk, since nothing comes after it, and
every document begins with the same new adapters. Documents of about the same length share a batch, in which every row
has adapters of its own.

`ttt_documents` sees nothing before its document; `ttt_stream` sees the tokens before it as context (causal all the
same: they come earlier in the stream).

`rehearsed_documents` is what pull request 1254 did: several passes over a document, of which only the last is counted.
By then every token that counts has been learned from, so the score is that of a model that has seen the answers. It is
kept to show what the rule forbids; every review calls it a violation.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from reference_model.config import Config
from reference_model.data.documents import Document, documents
from reference_model.evaluation.score import Batch, Tally
from reference_model.evaluation.trace import Event, Kind
from reference_model.evaluation.windows import Window
from reference_model.model.adapters import Adapter, Adapters
from reference_model.model.gpt import GPT
from reference_model.model.linear import Linear
from reference_model.runtime import autocast

BETAS, EPS = (0.9, 0.95), 1e-10


def adapters_for(model: GPT, config: Config, rows: int, device: torch.device) -> Adapters:
    """New adapters for a batch of documents: on the layers that TTT_LORA_TARGETS and TTT_LAYERS_LAST_N name.

    They are drawn from the seed alone, so that no document's score depends on its batch or its rank.
    """
    generator = torch.Generator().manual_seed(config.seed)
    targets = set(config.evaluation.ttt_lora_targets.split(","))
    first = model.config.num_layers - (config.evaluation.ttt_layers_last_n or model.config.num_layers)
    rank = config.evaluation.ttt_lora_rank
    made = {}
    for name, module in model.named_modules():
        parts = name.split(".")
        if isinstance(module, Linear) and parts[0] == "blocks" and int(parts[1]) >= first and parts[-1] in targets:
            out, into = module.weight.shape
            made[name] = Adapter(rows, into, out, rank, generator, device)
    if "head" in targets:
        sizes = model.config.model_dim, model.config.vocab_size
        made["head"] = Adapter(rows, *sizes, rank, generator, device)
    if not made:
        raise ValueError(f"TTT_LORA_TARGETS is {config.evaluation.ttt_lora_targets!r}: no layer has such a name")
    return Adapters(made)


def chunks(document: Document, length: int, chunk: int, context: int, *, stream: bool) -> list[Window]:
    """Windows of a document, each scoring one chunk, with at most `context` tokens of input."""
    end = min(document.end, length - 1)
    found = []
    for first in range(document.start + 1, end + 1, chunk):
        stop = min(first + chunk - 1, end)
        found.append(Window(max(0 if stream else document.start, stop - context), stop, first))
    return found


def learn_documents(model: GPT, tally: Tally, config: Config) -> None:
    """Score this rank's share of the documents of a stream. The model itself stays as it is."""
    model.requires_grad_(requires_grad=False)
    device = tally.tokens.device
    for number, group in enumerate(_groups(tally, config)):
        adapters = adapters_for(model, config, len(group), device)
        optimizer = _optimizer(adapters, config)
        tally.events.append(Event(Kind.RESET, number, 0, 0))
        for left in reversed(range(_passes(config))):
            for step in range(len(group[0])):
                active = [plan[min(step, len(plan) - 1)] for plan in group]
                _score_and_learn(model, tally, adapters, optimizer, group, active, step, number, counts=not left)
    model.requires_grad_(requires_grad=True)


def _passes(config: Config) -> int:
    """Passes over each document. The rules allow one."""
    return config.evaluation.ttt_epochs if config.evaluation.evaluation == "rehearsed_documents" else 1


def _groups(tally: Tally, config: Config) -> Iterator[list[list[Window]]]:
    """Chunk plans of documents in batches, those with most chunks first, shared out between ranks."""
    evaluation, world = config.evaluation, tally.world
    length = len(tally.tokens)
    found = documents(tally.tokens.cpu().numpy(), config.model.bos_id)
    context, stream = config.eval_seq_len, evaluation.evaluation == "ttt_stream"
    plans = [chunks(one, length, evaluation.ttt_chunk_tokens, context, stream=stream) for one in found]
    plans = sorted((plan for plan in plans if plan), key=len, reverse=True)
    groups = [plans[i : i + evaluation.eval_batch_seqs] for i in range(0, len(plans), evaluation.eval_batch_seqs)]
    yield from groups[world.rank :: world.size]


def _optimizer(adapters: Adapters, config: Config) -> torch.optim.Optimizer:
    return torch.optim.Adam(adapters.parameters(), lr=config.evaluation.ttt_lr, betas=BETAS, eps=EPS)


def _score_and_learn(
    model: GPT,
    tally: Tally,
    adapters: Adapters,
    optimizer: torch.optim.Optimizer,
    group: list[list[Window]],
    active: list[Window],
    step: int,
    number: int,
    *,
    counts: bool,
) -> None:
    """One chunk of every document that still has one: counted first, if it `counts`, and learned from afterwards, in
    one forward pass.

    Rows of documents that are over run along and count nothing.
    """
    batch = Batch(tally.tokens, active)
    with autocast(tally.tokens.device):
        nll = model.nll(batch.inputs, batch.targets, adapters)
    losses: list[Tensor] = []
    for plan, (window, scored) in zip(group, batch.scored(nll), strict=True):
        if counts and step < len(plan):
            tally.add(scored.detach(), window.first, window.stop, number)
        if step + counts < len(plan):
            losses.append(scored.mean())
            tally.events.append(Event(Kind.UPDATE, number, window.first, window.stop))
    if losses:
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]  # torch gives it no types
        optimizer.step()
