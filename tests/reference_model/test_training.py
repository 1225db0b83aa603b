"""Training: it learns, it ends with its steps or its time, and a run that was stopped goes on bit for bit."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from reference_model.config import (
    AveragingConfig,
    Config,
    DataConfig,
    ModelConfig,
    OptimConfig,
    QuantConfig,
    ScheduleConfig,
)
from reference_model.data.loader import TokenStream, TrainLoader
from reference_model.data.shards import write_shard
from reference_model.model.linear import Linear
from reference_model.runtime import World
from reference_model.training import Step, Trainer

CPU = torch.device("cpu")
CONFIG = Config(
    ModelConfig(vocab_size=32, num_layers=2, model_dim=32, num_heads=4, num_kv_heads=2),
    DataConfig(train_seq_len=16, train_batch_tokens=64, micro_batch_tokens=32),
    schedule=ScheduleConfig(
        iterations=30, max_wallclock_seconds=0, warmdown_iters=15, val_loss_every=0, warmup_steps=2
    ),
)


class Clock:
    """Goes on by a quarter of a second with every reading."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """One reading."""
        self.now += 0.25
        return self.now


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream in which each token follows from the one before."""
    path = tmp_path_factory.mktemp("data") / "train.bin"
    write_shard(path, (np.arange(5_000) * 7 % 32).astype(np.uint16))
    return path


def trainer(config: Config, shard: Path) -> Trainer:
    """A trainer with a clock of its own."""
    return Trainer(config, TrainLoader(TokenStream([shard]), 16, 0, 1, CPU), World(), Clock())


def weights(made: Trainer) -> list[torch.Tensor]:
    """All weights."""
    return [p.detach().clone() for p in made.model.parameters()]


@pytest.mark.parametrize("optimizer", ["muon", "muon_rows", "adamw"])
def test_it_learns(shard: Path, optimizer: str) -> None:
    """The loss falls by more than half where every token follows from the last."""
    rate = 0.01 if optimizer == "adamw" else 0.04
    steps: list[Step] = []
    trainer(replace(CONFIG, optim=OptimConfig(matrix_optimizer=optimizer, matrix_lr=rate)), shard).train(steps.append)
    assert [step.step for step in steps] == list(range(1, 31))
    assert steps[-1].loss < 0.5 * steps[0].loss


def test_warm_up_leaves_no_trace(shard: Path) -> None:
    """Weights, optimisers and the place in the data are as they were."""
    warmed, cold = trainer(CONFIG, shard), trainer(CONFIG, shard)
    warmed.warm_up()
    assert all(torch.equal(a, b) for a, b in zip(weights(warmed), weights(cold), strict=True))
    losses: list[list[float]] = [[], []]
    for made, heard in zip((warmed, cold), losses, strict=True):
        made.train(lambda step, heard=heard: heard.append(step.loss))  # type: ignore[misc]  # bound at once
    assert losses[0] == losses[1]


def test_time_ends_a_run(shard: Path) -> None:
    """Two seconds at a quarter of a second a step are eight steps, and the learning rate has fallen to nothing."""
    config = replace(CONFIG, schedule=replace(CONFIG.schedule, max_wallclock_seconds=2.0, warmdown_iters=4))
    made, steps = trainer(config, shard), list[Step]()
    made.train(steps.append)
    assert made.step == 8
    assert made.over
    assert steps[0].scale == 1.0
    assert steps[-1].scale < 0.3


@pytest.mark.parametrize("averaging", ["off", "ema", "swa"])
def test_a_stopped_run_goes_on_bit_for_bit(shard: Path, averaging: str) -> None:
    """Stopping after any step and restoring elsewhere ends with the same weights."""
    config = replace(CONFIG, averaging=AveragingConfig(averaging=averaging, swa_start=0.1, swa_snapshots=4))
    whole = trainer(config, shard)
    kept: dict[str, object] = {}

    def saved(made: Trainer) -> None:
        if made.step == 17:
            kept.update(copy.deepcopy(made.state()))

    whole.train(saved=saved)
    again = trainer(config, shard)
    again.restore(kept)
    again.train()
    whole.finished(), again.finished()
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(again), strict=True))


def test_fake_quantisation_begins_late_and_ends_with_training(shard: Path) -> None:
    """It is on once the learning rate has fallen to its share, and changes the loss; packed weights are plain."""
    config = replace(CONFIG, quant=QuantConfig(quantizer="int6", qat_bits=6, qat_start=0.5))
    made, bits = trainer(config, shard), list[int]()
    layer = next(module for module in made.model.modules() if isinstance(module, Linear))
    made.train(lambda _: bits.append(layer.qat_bits))
    assert bits[:22] == [0] * 22
    assert set(bits[23:]) == {6}
    made.finished()
    assert layer.qat_bits == 0


def test_what_the_exporter_leaves_alone_training_does_not_round(shard: Path) -> None:
    """Key matrices that are packed in float16 are not rounded to six bits before."""
    quant = QuantConfig(quantizer="int6", qat_bits=6, qat_start=1.0, keep_last_keys=1)
    made = trainer(replace(CONFIG, quant=quant), shard)
    made.train()
    made.warm_up()  # ends with everything on
    plain = [n for n, m in made.model.named_modules() if isinstance(m, Linear) and not m.qat_bits]
    assert plain == ["blocks.1.attention.key"]


def test_warm_up_goes_through_every_phase(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loop off and on, fake quantisation off and on: nothing is left to be compiled when the clock runs."""
    model = replace(CONFIG.model, loop_start=1, loop_end=2, loop_visits=2)
    schedule = replace(CONFIG.schedule, warmup_steps=5)
    made = trainer(replace(CONFIG, model=model, schedule=schedule, quant=QuantConfig(qat_bits=8)), shard)
    seen: list[tuple[bool, int]] = []
    monkeypatch.setattr(made, "_learn", lambda _: seen.append((made.model.loop.on, made.rounded[0].qat_bits)))
    made.warm_up()
    assert seen == [(False, 0), (False, 8), (True, 0), (True, 8), (False, 0)]


def test_a_restored_run_validates_in_the_phase_that_it_stood_in(shard: Path) -> None:
    """Whether the loop is on follows from the step alone, not from what the process did before."""
    model = replace(CONFIG.model, num_layers=3, loop_start=1, loop_end=2, loop_visits=2, loop_at=0.5)
    config = replace(CONFIG, model=model, schedule=replace(CONFIG.schedule, val_loss_every=10))
    whole, again = trainer(config, shard), trainer(config, shard)
    phases: dict[int, list[tuple[int, bool]]] = {0: [], 1: []}
    kept: dict[str, object] = {}
    whole.train(
        validate=lambda m, now: phases[0].append((now.step, m.loop.on)),
        saved=lambda made: kept.update(copy.deepcopy(made.state())) if made.step == 10 else None,
    )
    again.restore(kept)
    again.train(validate=lambda m, now: phases[1].append((now.step, m.loop.on)))
    assert phases[0] == [(0, False), (10, False), (20, True), (30, True)]
    assert phases[1] == phases[0][1:]


def test_the_loop_is_switched_on(shard: Path) -> None:
    """At its share of the run."""
    model = replace(CONFIG.model, num_layers=3, loop_start=1, loop_end=2, loop_visits=2, loop_at=0.5)
    made, on = trainer(replace(CONFIG, model=model), shard), list[bool]()
    made.train(lambda _: on.append(made.model.loop.on))
    assert on == [False] * 15 + [True] * 15


def test_micro_batches_do_not_matter(shard: Path) -> None:
    """The same step in one piece or in four has the same gradient."""
    losses = []
    for micro in (16, 64):
        config = replace(CONFIG, data=replace(CONFIG.data, micro_batch_tokens=micro))
        steps: list[Step] = []
        trainer(config, shard).train(steps.append)
        losses.append([step.loss for step in steps])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


class BothRanks(TrainLoader):
    """What two ranks are given, for one process."""

    def micro_batches(self, batch_tokens: int, micro_tokens: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Both ranks' batches of one step, from the same stretch of the stream."""
        before = self.stream.state()
        for rank in range(2):
            self.stream.restore(before)
            yield from TrainLoader(self.stream, self.seq_len, rank, 2, self.device).micro_batches(
                batch_tokens, micro_tokens
            )


SHARED = replace(
    CONFIG,
    schedule=replace(CONFIG.schedule, iterations=5, warmdown_iters=3, warmup_steps=1),
    optim=OptimConfig(grad_clip_norm=0.5),
    averaging=AveragingConfig(averaging="ema", ema_decay=0.5),
)


def _rank(rank: int, ranks: int, path: str, shard: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{path}/store", rank=rank, world_size=ranks)
    torch.set_num_threads(1)
    world = World(rank, ranks)

    def made() -> Trainer:
        return Trainer(SHARED, TrainLoader(TokenStream([Path(shard)]), 16, rank, ranks, CPU), world, Clock())

    def saved(now: Trainer) -> None:
        if now.step == 3 and world.leads:
            torch.save(now.state(), f"{path}/checkpoint.pt")

    whole, again, losses = made(), made(), list[float]()
    whole.warm_up()
    whole.train(lambda step: losses.append(step.loss), saved=saved)
    world.wait()
    again.restore(torch.load(f"{path}/checkpoint.pt", weights_only=True))
    again.train()
    found = {"losses": losses, "whole": whole.finished().state_dict(), "again": again.finished().state_dict()}
    torch.save({**found, "stream": whole.loader.stream.state()}, f"{path}/{rank}.pt")
    dist.destroy_process_group()


def test_two_ranks_train_what_one_process_does(shard: Path, tmp_path: Path) -> None:
    """Five steps with clipping, Muon in shares and EMA: the same losses and weights.

    Both ranks agree bit for bit, and so does a run that both took up from the first rank's checkpoint.
    """
    torch.multiprocessing.spawn(_rank, args=(2, str(tmp_path), str(shard)), nprocs=2)
    alone, losses = Trainer(SHARED, BothRanks(TokenStream([shard]), 16, 0, 1, CPU), World(), Clock()), list[float]()
    alone.train(lambda step: losses.append(step.loss))
    weights_alone = alone.finished().state_dict()
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert first["stream"] == second["stream"] == alone.loader.stream.state()
    assert first["losses"] == second["losses"] == pytest.approx(losses, rel=1e-5)
    for name, tensor in weights_alone.items():
        torch.testing.assert_close(first["whole"][name], tensor, rtol=1e-4, atol=1e-5)
        assert all(torch.equal(first["whole"][name], other[name]) for other in (second["whole"], first["again"]))
