"""The training loop: steps, schedules, switches, validation, an end by steps or by time, and resuming exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from reference_model.config import Config
from reference_model.data.loader import TrainLoader
from reference_model.model.gpt import GPT
from reference_model.model.linear import Linear
from reference_model.optim.averaging import average_of
from reference_model.optim.groups import optimizers
from reference_model.optim.schedule import Progress, lr_scale, muon_momentum, share_done
from reference_model.quant.plan import precisions
from reference_model.runtime import Clock, World, autocast, fused


@dataclass(frozen=True)
class Step:
    """What is told after a step."""

    step: int
    loss: float
    """Nats per token, mean over the step."""
    seconds: float
    """Of training, validation excluded."""
    scale: float
    """Factor of the learning rates."""


class Phase(NamedTuple):
    """What begins in the course of a run and then stays."""

    looping: bool
    """The loop over layers."""
    rounding: bool
    """Fake quantisation."""


class Trainer:
    """A model in training. `train` may be called again after `restore`."""

    def __init__(self, config: Config, loader: TrainLoader, world: World, clock: Clock) -> None:
        self.config, self.loader, self.world, self.clock = config, loader, world, clock
        self.model = GPT(config.model, config.data.train_seq_len, config.seed).to(world.device)
        self.optimizers = optimizers(self.model, config.optim)
        self.average = average_of(self.model, config.averaging)
        self.step, self.seconds = 0, 0.0
        self.rounded = _rounded(self.model, config)
        # Fused kernels are worth their making on a GPU only.
        self.loss: Callable[[Tensor, Tensor], Tensor] = fused(self.model) if world.device.type == "cuda" else self.model

    @property
    def progress(self) -> Progress:
        """Where the run stands."""
        return Progress(self.step, self.seconds)

    @property
    def over(self) -> bool:
        """Whether steps or time have run out."""
        schedule = self.config.schedule
        late = 0 < schedule.max_wallclock_seconds <= self.seconds
        return self.step >= schedule.iterations or late

    def warm_up(self) -> None:
        """Steps whose every effect is undone: they compile every phase, and wake thread pools and allocators."""
        stream = self.loader.stream.state()
        kept = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        phases = self._phases()
        for number in range(self.config.schedule.warmup_steps):
            self._switch(phases[number % len(phases)])
            self._learn(1.0)
        self.model.load_state_dict(kept)
        self.optimizers = optimizers(self.model, self.config.optim)
        self.loader.stream.restore(stream)

    def train(
        self,
        told: Callable[[Step], None] = lambda _: None,
        validate: Callable[[GPT, Progress], None] = lambda _model, _now: None,
        saved: Callable[[Trainer], None] = lambda _: None,
    ) -> None:
        """Steps until the end. `validate` and `saved` (once a step) take no training time."""
        schedule = self.config.schedule
        since = self.clock()
        while True:
            scale = lr_scale(schedule, self.progress)
            self._switch(self._phase(scale))
            if self.over or (schedule.val_loss_every and self.step % schedule.val_loss_every == 0):
                validate(self.model, self.progress)
                since = self.clock()
            if self.over:
                return
            loss = self._learn(scale)
            self.step += 1
            if self.average is not None:
                self.average.update(self.model, lr_scale(schedule, self.progress))
            now = self.clock()
            self.seconds = self._agreed(self.seconds + now - since)
            since = now
            told(Step(self.step, loss, self.seconds, scale))
            saved(self)
            since = self.clock()

    def finished(self) -> GPT:
        """The model with the weights that are packed: the average where there is one."""
        if self.average is not None:
            dtypes = {name: tensor.dtype for name, tensor in self.model.state_dict().items()}
            weights = {name: tensor.to(dtypes[name]) for name, tensor in self.average.weights().items()}
            self.model.load_state_dict(weights)
        self._switch(Phase(self._phases()[-1].looping, rounding=False))
        return self.model

    def state(self) -> dict[str, Any]:
        """Everything that a run is made of between two steps."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "average": self.average.state() if self.average is not None else None,
            "stream": self.loader.stream.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Stand where that run stood."""
        self.step, self.seconds = state["step"], state["seconds"]
        self.model.load_state_dict(state["model"])
        for optimizer, held in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(held)
        if self.average is not None:
            self.average.restore(state["average"])
        self.loader.stream.restore(state["stream"])

    def _learn(self, scale: float) -> float:
        """One step; the mean loss over all ranks."""
        data = self.config.data
        batches = list(self.loader.micro_batches(data.train_batch_tokens, data.micro_batch_tokens))
        rows = sum(len(x) for x, _ in batches)
        total = torch.zeros((), device=self.world.device)
        for x, y in batches:
            with autocast(self.world.device):
                loss = self.loss(x, y) * (len(x) / rows)
            loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            total += loss.detach()
        held = list(self.model.parameters())
        self.world.average_gradients(held)
        if self.config.optim.grad_clip_norm:
            nn.utils.clip_grad_norm_(held, self.config.optim.grad_clip_norm)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * scale
                if "momentum" in group:
                    group["momentum"] = muon_momentum(self.config.optim, self.step)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return float(self.world.sum(total)) / self.world.size

    def _phases(self) -> list[Phase]:
        """All that a run of this configuration may come to, the last with everything on."""
        loops = (False, True) if self.config.model.loop_visits > 1 else (False,)
        rounds = (False, True) if self.rounded else (False,)
        return [Phase(looping, rounding) for looping in loops for rounding in rounds]

    def _phase(self, scale: float) -> Phase:
        """That of the next step, whose learning rates have the factor `scale`."""
        done = share_done(self.config.schedule, self.progress)
        model, quant = self.config.model, self.config.quant
        begun = done >= quant.qat_start if quant.qat_by_steps else scale <= quant.qat_start
        return Phase(model.loop_visits > 1 and done >= model.loop_at, begun)

    def _switch(self, phase: Phase) -> None:
        self.model.loop.on = phase.looping
        for linear in self.rounded:
            linear.qat_bits = self.config.quant.qat_bits if phase.rounding else 0

    def _agreed(self, seconds: float) -> float:
        """The first rank's clock, so that all ranks end with the same step."""
        if self.world.size == 1:
            return seconds
        told = torch.tensor(seconds if self.world.leads else 0.0, dtype=torch.float64, device=self.world.device)
        return float(self.world.sum(told))


def _rounded(model: GPT, config: Config) -> list[Linear]:
    """The layers that the exporter rounds, where training is to see it; those that it leaves alone, training does."""
    if not config.quant.qat_bits:
        return []
    plan = precisions(model, config.quant)
    named = ((f"{name}.weight", module) for name, module in model.named_modules() if isinstance(module, Linear))
    return [module for name, module in named if plan[name].bits == config.quant.qat_bits]
