"""Averages of weights over training: what is packed instead of the last step's."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from reference_model.config import AveragingConfig


class Average(Protocol):
    """Watches a model and gives weights at the end."""

    def update(self, model: nn.Module, lr_scale: float) -> None:
        """After a step that was made with that factor of the learning rate."""

    def weights(self) -> dict[str, Tensor]:
        """What to load before packing."""

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""


class Ema:
    """Exponential moving average of the whole state in float32: θ̄ <- d θ̄ + (1 - d) θ after every step."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow = {name: tensor.detach().float().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, lr_scale: float) -> None:
        """One step further, at any learning rate."""
        del lr_scale
        state = model.state_dict()
        torch._foreach_lerp_(list(self.shadow.values()), [state[n].float() for n in self.shadow], 1.0 - self.decay)

    def weights(self) -> dict[str, Tensor]:
        """The average."""
        return self.shadow

    def state(self) -> dict[str, Any]:
        """The average itself."""
        return {"shadow": self.shadow}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up an average."""
        self.shadow = state["shadow"]


class Swa:
    """Mean of snapshots, spread evenly over the end of the decay.

    The decay is over by a share of 1 - lr_scale; snapshots are due at equal distances from `start` to its end. So the
    window follows what the run does, not a number of steps that it may never reach: pull request 457 computed its
    window from 20,000 steps, stopped at 13,137, and averaged nothing.
    """

    def __init__(self, start: float, snapshots: int) -> None:
        self.due = [start + (1.0 - start) * i / snapshots for i in range(snapshots)]
        self.taken = 0
        self.sum: dict[str, Tensor] = {}

    @torch.no_grad()
    def update(self, model: nn.Module, lr_scale: float) -> None:
        """Take a snapshot where one is due; at most one a step."""
        over = 1.0 - lr_scale
        if not self.due or over < self.due[0]:
            return
        self.due = [share for share in self.due if share > over]
        for name, tensor in model.state_dict().items():
            kept = self.sum.setdefault(name, torch.zeros_like(tensor, dtype=torch.float32))
            kept += tensor.float()
        self.taken += 1

    def weights(self) -> dict[str, Tensor]:
        """The mean. Raises ValueError without a snapshot: packing the last weights instead would be silent."""
        if not self.taken:
            raise ValueError(
                "SWA has no snapshot: the learning rate never fell far enough; lower SWA_START or lengthen the warmdown"
            )
        return {name: tensor / self.taken for name, tensor in self.sum.items()}

    def state(self) -> dict[str, Any]:
        """Sum, count and what is still due."""
        return {"due": self.due, "taken": self.taken, "sum": self.sum}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a sum."""
        self.due, self.taken, self.sum = state["due"], state["taken"], state["sum"]


def average_of(model: nn.Module, config: AveragingConfig) -> Average | None:
    """What the configuration asks for; None for the last weights."""
    if config.averaging == "ema":
        return Ema(model, config.ema_decay)
    return Swa(config.swa_start, config.swa_snapshots) if config.averaging == "swa" else None
