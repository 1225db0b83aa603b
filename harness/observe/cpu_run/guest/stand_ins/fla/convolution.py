# ruff: noqa: FBT001, FBT002, ARG001, ARG002  the signatures are those of flash-linear-attention
"""Short causal convolutions, a filter a channel: the operation, and the module around it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.observe.cpu_run.guest.fidelity import NotSupported, used
from harness.observe.cpu_run.guest.stand_ins.fla.options import NAME, refuse


def causal_conv1d(
    x: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
    activation: str | None = None,
    backend: str | None = "triton",
    cu_seqlens: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Each channel of x (batch, steps, channels) convolved with its row of weight (channels, width): no step sees later
    ones, nor those of another sequence between `cu_seqlens`.
    """
    used(NAME)
    refuse(initial_state=initial_state, output_final_state=output_final_state, **options)
    if weight is None:
        raise NotSupported("fla: causal_conv1d without weights", "this option has no equivalent on the CPU")
    parts = [x] if cu_seqlens is None else torch.tensor_split(x, cu_seqlens[1:-1].tolist(), 1)
    y = torch.cat([_convolved(part, weight, bias) for part in parts], 1)
    y = functional.silu(y) if activation in ("silu", "swish") else y
    return (y if residual is None else y + residual), None


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    padded = functional.pad(x.mT, (weight.shape[-1] - 1, 0))
    return functional.conv1d(padded, weight[:, None].to(x), None if bias is None else bias.to(x), groups=x.shape[-1]).mT


def causal_conv1d_fn(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, seq_idx: Tensor | None = None, *_: Any, **options: Any
) -> Tensor:
    """`causal_conv1d.causal_conv1d_fn`: the same for x (batch, channels, steps)."""
    refuse(seq_idx=seq_idx)
    return causal_conv1d(x.mT, weight, bias, **options)[0].mT


class ShortConvolution(nn.Conv1d):
    """A causal convolution a channel, with an activation behind it."""

    def __init__(
        self,
        hidden_size: int,
        kernel_size: int,
        bias: bool = False,
        activation: str | None = "silu",
        backend: str | None = "triton",
        **factory: Any,
    ) -> None:
        super().__init__(
            hidden_size, hidden_size, kernel_size, padding=kernel_size - 1, groups=hidden_size, bias=bias, **factory
        )
        self.hidden_size, self.activation = hidden_size, activation

    def forward(  # type: ignore[override]  # the library's own differs from Conv1d's
        self,
        x: Tensor,
        residual: Tensor | None = None,
        mask: Tensor | None = None,
        cache: Tensor | None = None,
        output_final_state: bool = False,
        cu_seqlens: Tensor | None = None,
        **options: Any,
    ) -> tuple[Tensor, None]:
        """The convolution of x (batch, steps, channels); no state is kept."""
        refuse(mask=mask, cache=cache, output_final_state=output_final_state, **options)
        return causal_conv1d(
            x, self.weight[:, 0], self.bias, residual, activation=self.activation, cu_seqlens=cu_seqlens
        )
