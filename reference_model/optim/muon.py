"""Muon (Jordan et al. 2024): momentum whose update is orthogonalised, for matrices.

    buffer <- momentum · buffer + g;   u = g + momentum · buffer;   W <- (1 - lr · decay) W - lr · s · orthogonal(u)

with s = max(1, rows / columns)^½. `row_norm` divides the rows of u by their norms first (MuonEq-R): rows of small
gradients get their share of the step. With several ranks each orthogonalises its share of the matrices, which is nearly
all of the work, and all get all updates. Every rank keeps all momentum, so that the result does not depend on how many
there are, and the first rank's state is all that a checkpoint needs.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

A, B, C = 3.4445, -4.7750, 2.0315
"""Coefficients of the quintic iteration: they pull all singular values into about [0.7, 1.2]."""


def orthogonalized(g: Tensor, steps: int) -> Tensor:
    """Newton-Schulz iteration on g (rows, columns): its singular directions with singular values near 1.

    In bfloat16 on a GPU, in float32 elsewhere.
    """
    x = g.bfloat16() if g.is_cuda else g.float()
    tall = x.size(0) > x.size(1)
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = A * x + (B * gram + C * gram @ gram) @ x
    found: Tensor = (x.T if tall else x).to(g.dtype)
    return found


def row_normalized(u: Tensor) -> Tensor:
    """Every row of u divided by its norm."""
    rows: Tensor = u / (u.norm(dim=1, keepdim=True) + 1e-7)
    return rows


class Muon(torch.optim.Optimizer):
    """For matrices only. `momentum` of the group may be changed between steps."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float,
        ns_steps: int = 5,
        decay: float = 0.0,
        *,
        row_norm: bool = False,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "ns_steps": ns_steps, "decay": decay, "row_norm": row_norm}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure is evaluated here
        """One step from the gradients, which are the same on all ranks."""
        del closure
        ranks, rank = (dist.get_world_size(), dist.get_rank()) if dist.is_initialized() else (1, 0)
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            directions = [self._direction(p, p.grad, group) for p in parameters]
            updates = [
                orthogonalized(u, int(group["ns_steps"])) if index % ranks == rank else torch.zeros_like(u)
                for index, u in enumerate(directions)
            ]
            if ranks > 1 and updates:
                flat = torch.cat([update.flatten() for update in updates])
                dist.all_reduce(flat)
                updates = list(torch.split(flat, [p.numel() for p in parameters]))
            for p, update in zip(parameters, updates, strict=True):
                p.mul_(1.0 - group["lr"] * group["decay"])
                p.add_(update.view_as(p), alpha=-group["lr"] * max(1.0, p.size(0) / p.size(1)) ** 0.5)

    def _direction(self, p: nn.Parameter, gradient: Tensor, group: dict[str, float]) -> Tensor:
        """The u of the formula, after the momentum has taken up the gradient."""
        state = self.state[p]
        if "buffer" not in state:
            state["buffer"] = torch.zeros_like(p)
        buffer: Tensor = state["buffer"]
        buffer.mul_(group["momentum"]).add_(gradient)
        u = gradient + group["momentum"] * buffer
        return row_normalized(u) if group["row_norm"] else u
