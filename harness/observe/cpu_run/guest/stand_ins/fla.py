# ruff: noqa: FBT001, FBT002, ARG001, ARG002  the signatures are those of flash-linear-attention
"""The modules of flash-linear-attention (`fla`) that compute delta rules, as their users import them.

Signatures and names of parameters: fla-core 0.4 to 0.6 (https://github.com/fla-org/flash-linear-attention). Layers that
are not here can be imported and are refused where they are used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.observe.cpu_run.guest.fidelity import NotSupported, StandIn, stand_in, used
from harness.observe.cpu_run.guest.stand_ins.delta import delta_rule, unit
from harness.observe.cpu_run.guest.stand_ins.finder import Names

NAME = "fla"

stand_in(StandIn(NAME, exact=True, reason="delta rules and short convolutions by matrix products instead of kernels"))

_GATES: dict[str, Callable[[Tensor], Tensor]] = {
    "swish": functional.silu,
    "silu": functional.silu,
    "sigmoid": torch.sigmoid,
}
_LEAST_TIME, _MOST_TIME = 0.001, 0.1
_LARGEST_DECAY = 16


def _refuse(**options: object) -> None:
    """Raise NotSupported for options in use that change the result and that nothing here computes."""
    for name, value in options.items():
        if isinstance(value, Tensor) or value:
            raise NotSupported(f"fla: {name}", "this option has no equivalent on the CPU")


# ops ---------------------------------------------------------------------------------------------------------------


def chunk_gated_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    beta: Tensor,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
    use_qk_l2norm_in_kernel: bool = False,
    cu_seqlens: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """The gated delta rule on (batch, steps, heads, width); the last memory (sequences, heads, K, V) if asked for."""
    _refuse(**options)
    return _ruled(q, k, v, g, beta, scale, initial_state, output_final_state, use_qk_l2norm_in_kernel, cu_seqlens)


def naive_chunk_gated_delta_rule(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, chunk_size: int = 64, **options: Any
) -> tuple[Tensor, Tensor | None]:
    """The same: the size of a chunk changes nothing but the order of sums."""
    return chunk_gated_delta_rule(q, k, v, g, beta, **options)


def fused_recurrent_gated_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None = None,
    gk: Tensor | None = None,
    gv: Tensor | None = None,
    beta: Tensor | None = None,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
    use_qk_l2norm_in_kernel: bool = False,
    cu_seqlens: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """The same, with a rate of one where none is given."""
    _refuse(gk=gk, gv=gv, **options)
    return _ruled(q, k, v, g, beta, scale, initial_state, output_final_state, use_qk_l2norm_in_kernel, cu_seqlens)


def chunk_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
    use_qk_l2norm_in_kernel: bool = False,
    cu_seqlens: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """The delta rule without decay."""
    _refuse(**options)
    return _ruled(q, k, v, None, beta, scale, initial_state, output_final_state, use_qk_l2norm_in_kernel, cu_seqlens)


def chunk_gated_delta_product(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None,
    beta: Tensor,
    num_householder: int = 1,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
    use_qk_l2norm_in_kernel: bool = False,
    cu_seqlens: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Several updates a step: k, v and beta have `num_householder` times as many rows as q and g.

    The memory decays before the first update of a step and is read behind the last
    (https://arxiv.org/abs/2502.10297).
    """
    _refuse(**options)
    count = num_householder
    decay = None if g is None else functional.pad(g[:, :, None], (0, 0, 0, count - 1)).flatten(1, 2)
    asked = functional.pad(q[:, :, None], (0, 0, 0, 0, count - 1, 0)).flatten(1, 2)
    bounds = None if cu_seqlens is None else cu_seqlens * count
    out, last = _ruled(
        asked, k, v, decay, beta, scale, initial_state, output_final_state, use_qk_l2norm_in_kernel, bounds
    )
    return out[:, count - 1 :: count], last


def _ruled(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None,
    beta: Tensor | None,
    scale: float | None,
    state: Tensor | None,
    keeps: bool,
    normed: bool,
    bounds: Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    used(NAME)
    if normed:
        q, k = unit(q), unit(k)
    rates = torch.ones_like(v[..., 0]) if beta is None else beta
    out, last = delta_rule(q, k, v, rates, g, scale=scale, state=state, bounds=bounds)
    return out, last if keeps else None


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
    _refuse(initial_state=initial_state, output_final_state=output_final_state, **options)
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
    _refuse(seq_idx=seq_idx)
    return causal_conv1d(x.mT, weight, bias, **options)[0].mT


# modules -----------------------------------------------------------------------------------------------------------


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
        _refuse(**options)
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
        _refuse(mask=mask, cache=cache, output_final_state=output_final_state, **options)
        return causal_conv1d(
            x, self.weight[:, 0], self.bias, residual, activation=self.activation, cu_seqlens=cu_seqlens
        )


# layers ------------------------------------------------------------------------------------------------------------


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
        _refuse(attention_mask=attention_mask, past_key_values=past_key_values, use_cache=use_cache)
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
        _refuse(qk_activation=qk_activation != "silu", qk_norm=qk_norm != "l2")
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
        _refuse(attention_mask=attention_mask, past_key_values=past_key_values, use_cache=use_cache)
        x = hidden_states
        q, k, v = (one.view(*one.shape[:2], self.num_heads, -1) for one in self._projected(x, cu_seqlens))
        rates = self.b_proj(x).sigmoid() if self.use_beta else torch.ones_like(v[..., 0])
        rates = rates * 2.0 if self.allow_neg_eigval else rates
        out, _ = chunk_delta_rule(q, k, v, rates, use_qk_l2norm_in_kernel=True, cu_seqlens=cu_seqlens)
        return self._out(x, out), None, None


def modules() -> dict[str, Names]:
    """What is in each module of fla, and in causal_conv1d."""
    gated: Names = {
        "chunk_gated_delta_rule": chunk_gated_delta_rule,
        "chunk_gdn": chunk_gated_delta_rule,
        "fused_recurrent_gated_delta_rule": fused_recurrent_gated_delta_rule,
        "naive_chunk_gated_delta_rule": naive_chunk_gated_delta_rule,
    }
    plain: Names = {"chunk_delta_rule": chunk_delta_rule, "fused_recurrent_delta_rule": chunk_delta_rule}
    product: Names = {"chunk_gated_delta_product": chunk_gated_delta_product}
    parts: Names = {
        "RMSNorm": RMSNorm,
        "FusedRMSNormGated": FusedRMSNormGated,
        "FusedRMSNormSwishGate": FusedRMSNormGated,
        "ShortConvolution": ShortConvolution,
    }
    layers = {"gated_deltanet": GatedDeltaNet, "gated_deltaproduct": GatedDeltaProduct, "delta_net": DeltaNet}
    rules = {"gated_delta_rule": gated, "delta_rule": plain, "gated_delta_product": product}
    return {
        "fla": {"__version__": "0.4.2"},
        "fla.ops": {**gated, **plain, **product},
        **{f"fla.ops.{name}": names for name, names in rules.items()},
        **{f"fla.ops.{name}.{part}": names for name, names in rules.items() for part in ("chunk", "naive")},
        "fla.layers": {layer.__name__: layer for layer in layers.values()},
        **{f"fla.layers.{name}": {layer.__name__: layer, **gated, **product} for name, layer in layers.items()},
        "fla.layers.mamba2": {},
        "fla.layers.rwkv7": {},
        "fla.modules": parts,
        "fla.modules.convolution": {"ShortConvolution": ShortConvolution, "causal_conv1d": causal_conv1d},
        "causal_conv1d": {"__version__": "1.5.0", "causal_conv1d_fn": causal_conv1d_fn},
    }
