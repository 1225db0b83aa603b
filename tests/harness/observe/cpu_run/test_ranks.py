"""Runs of two ranks in a real sandbox: what opens at more than one rank runs, sums over the ranks make the score."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests_support.cases import facts_of
from tests_support.sandbox import needs_sandbox

from harness.model.cpu_run import CpuRunFacts, Fault, RunStage
from harness.observe.cpu_run.runner import CpuRunner
from harness.observe.probes.prove import prove
from harness.observe.sandbox.bubblewrap import Bubblewrap

pytestmark = needs_sandbox

SCRIPT = """
import math, os
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel as DDP

rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
grad_accum_steps = 8 // world_size
device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
torch.cuda.set_device(device)
dist.init_process_group(backend="nccl", device_id=device)
torch.manual_seed(7)
torch.set_default_dtype(torch.float64)
tokens = torch.randint(0, 32, (4096,), device=device)

class Sharded(torch.optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for i, p in enumerate(group["params"]):
                update = -group["lr"] * p.grad if i % world_size == rank else torch.zeros_like(p)
                if world_size > 1:
                    dist.all_reduce(update, op=dist.ReduceOp.SUM)
                p.add_(update)

base = torch.nn.Sequential(torch.nn.Embedding(32, 16), torch.nn.Linear(16, 32)).to(device)
model = DDP(base, device_ids=[device.index]) if world_size > 1 else base
optimizer = Sharded(base.parameters(), 3.0)
for step in range(6):
    optimizer.zero_grad()
    for micro in range(grad_accum_steps):
        start = (step * 8 + micro * world_size + rank) * 64
        piece = tokens[start : start + 65]
        (F.cross_entropy(model(piece[:-1]), piece[1:]) / grad_accum_steps).backward()
    optimizer.step()
if rank == 0:
    torch.save(base.state_dict(), "final_model.pt")
dist.barrier(device_ids=[device.index])
base.load_state_dict(torch.load("final_model.pt", map_location=device))

def eval_val():
    loss_sum = torch.zeros((), device=device)
    byte_count = torch.zeros((), device=device)
    sequences = 32
    with torch.inference_mode():
        for number in range(sequences * rank // world_size, sequences * (rank + 1) // world_size):
            piece = tokens[number * 64 : number * 64 + 65]
            loss_sum += F.cross_entropy(base(piece[:-1]), piece[1:], reduction="sum")
            byte_count += (piece[1:] % 3 + 1).sum()
    if world_size > 1:
        dist.all_reduce(loss_sum, op=dist.ReduceOp.SUM)
        dist.all_reduce(byte_count, op=dist.ReduceOp.SUM)
    return loss_sum / (sequences * 64), loss_sum / math.log(2.0) / byte_count

loss, bpb = eval_val()
if rank == 0:
    print(f"final_int8_zlib_roundtrip val_loss:{loss.item():.8f} val_bpb:{bpb.item():.8f}")
dist.destroy_process_group()
"""


Run = Callable[..., CpuRunFacts]


@pytest.fixture
def run(runner: CpuRunner, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The run of a script at a world size, with other files beside it."""

    def found(script: str, world_size: int, **others: str) -> CpuRunFacts:
        texts = {"train_gpt.py": textwrap.dedent(script), **{f"{name}.py": text for name, text in others.items()}}
        monkeypatch.setattr(runner, "world_size", world_size)
        return runner.run(facts_of(texts), {path: text.encode() for path, text in texts.items()})

    return found


def test_two_ranks_score_as_one(run: Run) -> None:
    """Micro batches, updates and sequences shared among two ranks give the score of one, made of sums over both."""
    one, two = run(SCRIPT, 1), run(SCRIPT, 2)
    for facts in (one, two):
        assert facts.failure is None, facts.failure
        assert set(facts.reached) == set(RunStage)
    assert [score.over_ranks for score in one.scores] == [False]
    assert [score.over_ranks for score in two.scores] == [True]
    assert two.scores[0].val_bpb == pytest.approx(one.scores[0].val_bpb, abs=2e-8)
    assert (one.steps, two.steps, [other.steps for other in two.others]) == (6, 6, [6])
    assert (one.others, two.others[0].ended) == ((), "exit 0")
    alone, shared = (next(t for t in facts.totals if t.target == "byte_count") for facts in (one, two))
    other = next(t for t in two.others[0].totals if t.target == "byte_count")
    assert (shared.values[0] or 0) + (other.values[0] or 0) == alone.values[0]
    assert "Gloo for NCCL" in {one.name for one in two.fidelity.stand_ins}


READ = """
import numpy as np
path = "./data/datasets/fineweb10B_sp1024/fineweb_val_000000.bin"
tokens = torch.from_numpy(np.fromfile(path, dtype="<u2")[512:].astype(np.int64)).to(device)
if rank == 1:
    import helper
    helper.only_here()
"""


def test_tokens_of_all_ranks(run: Run) -> None:
    """A score over two ranks is of the tokens of both; what only the second executes was executed."""
    script = SCRIPT.replace("tokens = torch.randint(0, 32, (4096,), device=device)", READ)
    script = script.replace("Embedding(32, 16)", "Embedding(1024, 16)").replace("Linear(16, 32)", "Linear(16, 1024)")
    found = {ranks: run(script, ranks, helper="def only_here():\n    return 1\n") for ranks in (1, 2)}
    one, two = found[1].coverage, found[2].coverage
    assert one is not None, found[1].failure
    assert two is not None, found[2].failure
    assert one.losses is not None
    assert two.losses is not None
    assert [score.over_ranks for score in found[2].scores] == [True]
    assert (one.losses.once, one.bytes_true) == (2048, two.bytes_true)
    assert two.losses.spans == one.losses.spans
    programs = [{file.path for file in facts.weighed.program} for facts in found.values() if facts.weighed is not None]
    assert programs == [{"train_gpt.py"}, {"train_gpt.py", "helper.py"}]
    assert not [at for at in found[2].fidelity.not_executed if at.path == "helper.py"]


@pytest.mark.parametrize("before", [False, True])
def test_experiments_over_ranks(tmp_path: Path, before: bool) -> None:
    """Scores of both ranks are compared, and what one of them learns before it scores is found."""
    script = SCRIPT.replace("tokens = torch.randint(0, 32, (4096,), device=device)", READ)
    script = script.replace("Embedding(32, 16)", "Embedding(1024, 16)").replace("Linear(16, 32)", "Linear(16, 1024)")
    script = script.replace("tokens[start : start + 65]", "train[start : start + 65]")
    script = script.replace("\nbase =", "\ntrain = torch.randint(0, 1024, (4096,), device=device)\nbase =")
    script = script.replace("    import helper\n    helper.only_here()", "    second = True")
    if before:
        learn = (
            "    if world_size > 1:\n"
            "        optimizer.zero_grad()\n"
            "        F.cross_entropy(base(tokens[:2048]), tokens[1:2049]).backward()\n"
            "        optimizer.step()\n"
        )
        script = script.replace("    with torch.inference_mode():", learn + "    with torch.inference_mode():")
    files = {"train_gpt.py": textwrap.dedent(script)}
    with CpuRunner(Bubblewrap(), tmp_path, world_size=2, prove=partial(prove, cache=tmp_path)) as runner:
        facts = runner.run(facts_of(files), {path: text.encode() for path, text in files.items()})
    proof = facts.proof
    assert proof is not None, facts.failure
    assert (proof.reason, proof.rows, proof.positions) == (None, 2048, 2048)
    assert [bool(one.moved) for one in proof.divergences] == [before] * 3
    assert all(one.failure is None and one.rows + one.late == one.position for one in proof.divergences)
    assert [one.late for one in proof.divergences[::2]] == [0, 0], (
        "what a rank scores after the other one's is left out"
    )
    assert (proof.lessons.steps, proof.lessons.tokens, proof.lessons.late) == ((2, 2048, 2) if before else (0, 0, 0))


def test_failure_of_one_rank(run: Run) -> None:
    """What fails at rank 1 alone is the run's failure, with its line and its rank; rank 0 is stopped."""
    script = """
    import os, select, torch
    if int(os.environ["RANK"]) > 0:
        raise ValueError("only the first may be here")
    select.select([], [], [], 300)
    """
    facts = run(script, 2)
    assert facts.failure is not None
    assert facts.failure.message.startswith("rank 1: ")
    assert "only the first" in facts.failure.message
    assert facts.failure.at is not None
    assert facts.failure.at.line == 4
    assert facts.failure.fault is not Fault.LIMIT
