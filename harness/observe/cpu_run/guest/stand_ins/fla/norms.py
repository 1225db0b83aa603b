# ruff: noqa: FBT001, FBT002  the signatures are those of flash-linear-attention
"""Norms over channels, with a gate and without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.observe.cpu_run.guest.stand_ins.fla.options import refuse

_GATES: dict[str, Callable[[Tensor], Tensor]] = {
    "swish": functional.silu,
    "silu": functional.silu,
    "sigmoid": torch.sigmoid,
}


class RMSNorm(nn.Module):
    """Channels over their root mean square, by a weight each."""

    def __init__(
        self, hidden_size: int, elementwise_affine: bool = True, bias: bool = False, eps: float = 1e-5, **factory: Any
    ) -> None:
        super().__init__()
        self.hidden_size, self.eps = hidden_size, eps
        self.weight = nn.Parameter(torch.ones(hidden_size, **factory)) if elementwise_affine else None
        self.bias = nn.Parameter(torch.zeros(hidden_size, **factory)) if elementwise_affine and bias else None

    def forward(self, x: Tensor, **options: Any) -> Tensor:
        """Normed in float32, in the type of x."""
        refuse(**options)
        weight = None if self.weight is None else self.weight.float()
        y = functional.rms_norm(x.float(), (self.hidden_size,), weight, self.eps)
        return (y if self.bias is None else y + self.bias.float()).to(x.dtype)


class FusedRMSNormGated(RMSNorm):
    """The same, times a gate's activation."""

    def __init__(
        self,
        hidden_size: int,
        elementwise_affine: bool = True,
        eps: float = 1e-5,
        activation: str = "swish",
        **factory: Any,
    ) -> None:
        super().__init__(hidden_size, elementwise_affine, eps=eps, **factory)
        self.activation = activation

    def forward(self, x: Tensor, g: Tensor | None = None, **options: Any) -> Tensor:
        """RMSNorm(x) act(g), for g of the shape of x."""
        normed = super().forward(x, **options)
        return normed if g is None else (normed * _GATES[self.activation](g.float())).to(x.dtype)
