# ruff: noqa: FBT001, FBT002, ARG002  the signatures are those of flash-linear-attention
"""Layers around a delta rule: projections, short convolutions, decays, a norm with a gate."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.observe.cpu_run.guest.stand_ins.fla.convolution import ShortConvolution
from harness.observe.cpu_run.guest.stand_ins.fla.norms import FusedRMSNormGated, RMSNorm
from harness.observe.cpu_run.guest.stand_ins.fla.options import refuse
from harness.observe.cpu_run.guest.stand_ins.fla.rules import chunk_delta_rule, chunk_gated_delta_product

_LEAST_TIME, _MOST_TIME = 0.001, 0.1
_LARGEST_DECAY = 16


class _Layer(nn.Module):
    """What the delta-rule layers share: projections, short convolutions, a norm with a gate."""

    def _project(self, hidden: int, keys: int, values: int, updates: int, bias: bool, width: int | None) -> None:
        """Queries have `keys` channels, keys and values `updates` times theirs; `width` of the convolutions, if any."""
        for name, channels in (("q", keys), ("k", keys * updates), ("v", values * updates)):
            self.add_module(f"{name}_proj", nn.Linear(hidden, channels, bias=False))
        self.convolved = width is not None
        if width is not None:
            for name, channels in (("q", keys), ("k", keys * updates), ("v", values * updates)):
                self.add_module(f"{name}_conv1d", ShortConvolution(channels, width, bias))
        self.o_proj = nn.Linear(values, hidden, bias=False)

    def _projected(self, x: Tensor, bounds: Tensor | None) -> list[Tensor]:
        """q, k and v (batch, steps, channels) behind their convolution or SiLU."""
        projected = [self.get_submodule(f"{name}_proj")(x) for name in "qkv"]
        if not self.convolved:
            return [functional.silu(one) for one in projected]
        return [
            self.get_submodule(f"{name}_conv1d")(one, cu_seqlens=bounds)[0]
            for name, one in zip("qkv", projected, strict=True)
        ]

    def _gate(self, hidden: int, heads: int, width: int, eps: float, gated: bool, activation: str = "swish") -> None:
        if gated:
            self.g_proj = nn.Linear(hidden, heads * width, bias=False)
            self.o_norm: RMSNorm = FusedRMSNormGated(width, eps=eps, activation=activation)
        else:
            self.o_norm = RMSNorm(width, eps=eps, dtype=torch.float32)

    def _out(self, x: Tensor, o: Tensor) -> Tensor:
        """The layer's output from the rule's (batch, steps, heads, V)."""
        gate = {"g": self.g_proj(x).view(o.shape)} if hasattr(self, "g_proj") else {}
        projected: Tensor = self.o_proj(self.o_norm(o, **gate).flatten(2))
        return projected

    def _decaying(self, hidden: int, heads: int) -> None:
        """Decays as Mamba 2 begins with them: rates uniform below 16, times between 0.001 and 0.1 on a log scale."""
        self.a_proj = nn.Linear(hidden, heads, bias=False)
        self.A_log = nn.Parameter(torch.empty(heads).uniform_(0, _LARGEST_DECAY).log())
        times = torch.empty(heads).uniform_(math.log(_LEAST_TIME), math.log(_MOST_TIME)).exp()
        self.dt_bias = nn.Parameter(times + torch.log(-torch.expm1(-times)))  # the inverse of softplus

    def _decay(self, x: Tensor) -> Tensor:
        """The log decay (batch, steps, heads)."""
        return -self.A_log.float().exp() * functional.softplus(self.a_proj(x).float() + self.dt_bias.float())


class GatedDeltaNet(_Layer):
    """The layer of https://arxiv.org/abs/2412.06464."""

    updates = 1

    def __init__(
        self,
        hidden_size: int = 2048,
        expand_v: float = 2,
        head_dim: int = 256,
        num_heads: int = 6,
        num_v_heads: int | None = None,
        mode: str = "chunk",
        use_gate: bool = True,
        use_short_conv: bool = True,
        allow_neg_eigval: bool = False,
        conv_size: int = 4,
        conv_bias: bool = False,
        layer_idx: int | None = None,
        norm_eps: float = 1e-5,
        output_gate_activation: str = "swish",
        **options: Any,
    ) -> None:
        super().__init__()
        self.hidden_size, self.layer_idx, self.mode = hidden_size, layer_idx, mode
        self.num_heads, self.head_dim, self.head_k_dim = num_heads, head_dim, head_dim
        self.num_v_heads = num_heads if num_v_heads is None else num_v_heads
        self.allow_neg_eigval = allow_neg_eigval
        self.head_v_dim = int(head_dim * expand_v)
        if not math.isclose(head_dim * expand_v, self.head_v_dim, rel_tol=1e-5):
            raise ValueError(f"expand_v={expand_v} does not produce an integer value when multiplied by {head_dim}")
        if self.num_v_heads % num_heads:
            raise ValueError(f"num_v_heads={num_v_heads} must be divisible by num_heads={num_heads}.")
        self.key_dim, self.value_dim = num_heads * head_dim, self.num_v_heads * self.head_v_dim
        width = conv_size if use_short_conv else None
        self._project(hidden_size, self.key_dim, self.value_dim, self.updates, conv_bias, width)
        self.b_proj = nn.Linear(hidden_size, self.num_v_heads * self.updates, bias=False)
        self._decaying(hidden_size, self.num_v_heads)
        self._gate(hidden_size, self.num_v_heads, self.head_v_dim, norm_eps, use_gate, output_gate_activation)

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = False,
        output_attentions: bool | None = False,
        cu_seqlens: Tensor | None = None,
        **options: Any,
    ) -> tuple[Tensor, None, None]:
        """(batch, steps, hidden) to the same; no cache is kept."""
        refuse(attention_mask=attention_mask, past_key_values=past_key_values, use_cache=use_cache)
        x = hidden_states
        q, k, v = self._projected(x, cu_seqlens)
        rates = self.b_proj(x).sigmoid() * (2.0 if self.allow_neg_eigval else 1.0)
        out, _ = chunk_gated_delta_product(
            q.view(*q.shape[:2], -1, self.head_dim),
            self._spread(k, self.head_dim),
            self._spread(v, self.head_v_dim),
            self._decay(x) if hasattr(self, "A_log") else None,
            self._spread(rates, 1).squeeze(-1),
            num_householder=self.updates,
            use_qk_l2norm_in_kernel=True,
            cu_seqlens=cu_seqlens,
        )
        return self._out(x, out), None, None

    def _spread(self, x: Tensor, width: int) -> Tensor:
        """(batch, steps, updates heads width) to (batch, steps updates, heads, width)."""
        return x.view(*x.shape[:2], self.updates, -1, width).flatten(1, 2)


class GatedDeltaProduct(GatedDeltaNet):
    """The layer of https://arxiv.org/abs/2502.10297: several updates a step."""

    def __init__(
        self,
        hidden_size: int = 2048,
        *,
        num_householder: int = 2,
        use_output_gate: bool = True,
        use_forget_gate: bool = True,
        **options: Any,
    ) -> None:
        self.updates = num_householder
        super().__init__(hidden_size, use_gate=use_output_gate, **options)
        self.num_householder = num_householder
        if not use_forget_gate:
            del self.a_proj, self.A_log, self.dt_bias


class DeltaNet(_Layer):
    """The layer of https://arxiv.org/abs/2406.06484: no decay."""

    def __init__(
        self,
        mode: str = "chunk",
        d_model: int | None = None,
        hidden_size: int = 1024,
        expand_k: float = 1.0,
        expand_v: float = 1.0,
        num_heads: int = 4,
        use_beta: bool = True,
        use_gate: bool = False,
        use_short_conv: bool = True,
        conv_size: int = 4,
        conv_bias: bool = False,
        allow_neg_eigval: bool = False,
        layer_idx: int | None = None,
        qk_activation: str = "silu",
        qk_norm: str = "l2",
        norm_eps: float = 1e-5,
        **options: Any,
    ) -> None:
        super().__init__()
        refuse(qk_activation=qk_activation != "silu", qk_norm=qk_norm != "l2")
        hidden_size = hidden_size if d_model is None else d_model
        self.hidden_size, self.layer_idx, self.mode = hidden_size, layer_idx, mode
        self.num_heads, self.allow_neg_eigval, self.use_beta = num_heads, allow_neg_eigval, use_beta
        self.key_dim, self.value_dim = round(hidden_size * expand_k), round(hidden_size * expand_v)
        self.head_k_dim, self.head_v_dim = self.key_dim // num_heads, self.value_dim // num_heads
        self._project(hidden_size, self.key_dim, self.value_dim, 1, conv_bias, conv_size if use_short_conv else None)
        if use_beta:
            self.b_proj = nn.Linear(hidden_size, num_heads, bias=False)
        self._gate(hidden_size, num_heads, self.head_v_dim, norm_eps, use_gate)

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = False,
        output_attentions: bool | None = False,
        cu_seqlens: Tensor | None = None,
        **options: Any,
    ) -> tuple[Tensor, None, None]:
        """(batch, steps, hidden) to the same; no cache is kept."""
        refuse(attention_mask=attention_mask, past_key_values=past_key_values, use_cache=use_cache)
        x = hidden_states
        q, k, v = (one.view(*one.shape[:2], self.num_heads, -1) for one in self._projected(x, cu_seqlens))
        rates = self.b_proj(x).sigmoid() if self.use_beta else torch.ones_like(v[..., 0])
        rates = rates * 2.0 if self.allow_neg_eigval else rates
        out, _ = chunk_delta_rule(q, k, v, rates, use_qk_l2norm_in_kernel=True, cu_seqlens=cu_seqlens)
        return self._out(x, out), None, None
