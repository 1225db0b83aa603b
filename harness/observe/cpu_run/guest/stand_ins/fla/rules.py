# ruff: noqa: FBT001, FBT002, ARG001  the signatures are those of flash-linear-attention
"""The operations of the library: delta rules with decay, without, and with several updates a step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from harness.observe.cpu_run.guest.fidelity import used
from harness.observe.cpu_run.guest.stand_ins.fla.delta import delta_rule, unit
from harness.observe.cpu_run.guest.stand_ins.fla.options import NAME, refuse


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
    refuse(**options)
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
    refuse(gk=gk, gv=gv, **options)
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
    refuse(**options)
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
    refuse(**options)
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
