"""The gated delta rule: a linear recurrence over a matrix of memory, one a head.

With keys k_t and queries q_t of width K, values v_t of width V, a rate b_t and a log decay g_t, the memory S (K, V) and
the output of step t are (https://arxiv.org/abs/2412.06464, equation 10; without decay https://arxiv.org/abs/2406.06484)

    S_t = exp(g_t) S_{t-1} + k_t u_t^T,    u_t = b_t (v_t - exp(g_t) S_{t-1}^T k_t),    o_t = scale S_t^T q_t.

Inside a chunk that begins with memory S and has the cumulated decays c_t, the u_t solve one triangular system,

    u_t + sum_{i<t} b_t exp(c_t - c_i) (k_t . k_i) u_i = b_t (v_t - exp(c_t) S^T k_t),

so that a chunk costs some products of matrices instead of a loop over its steps.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

CHUNK = 64
"""Steps of a chunk."""
_EPS = 1e-6


def unit(x: Tensor) -> Tensor:
    """Vectors (..., d) of length one."""
    return x * torch.rsqrt((x * x).sum(-1, keepdim=True) + _EPS)


def delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    decay: Tensor | None = None,
    *,
    scale: float | None = None,
    state: Tensor | None = None,
    bounds: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Outputs (batch, steps, heads, V) in the type of q, and the last memory (sequences, heads, K, V) in float32.

    q and k (batch, steps, key heads, K), v (batch, steps, heads, V), beta and the log decay (batch, steps, heads); head
    h reads key head h // (heads / key heads). `scale` is K^-0.5 by default, `state` what the memory begins with (zero).
    `bounds` (sequences + 1) are the places at which sequences that lie one behind another in a batch of one begin.
    Computed in float32, in float64 where q is.
    """
    if bounds is not None:
        spans = list(pairwise(bounds.tolist()))
        parts = [
            delta_rule(
                q[:, begin:end],
                k[:, begin:end],
                v[:, begin:end],
                beta[:, begin:end],
                None if decay is None else decay[:, begin:end],
                scale=scale,
                state=None if state is None else state[number : number + 1],
            )
            for number, (begin, end) in enumerate(spans)
        ]
        return torch.cat([out for out, _ in parts], 1), torch.cat([last for _, last in parts])
    wide = torch.promote_types(q.dtype, torch.float32)
    groups = v.shape[2] // q.shape[2]
    factor = q.shape[-1] ** -0.5 if scale is None else scale
    keys = k.to(wide).repeat_interleave(groups, 2).transpose(1, 2)  # from here on heads before steps
    queries = q.to(wide).repeat_interleave(groups, 2).transpose(1, 2) * factor
    values, rates = v.to(wide).transpose(1, 2), beta.to(wide).transpose(1, 2)
    decays = torch.zeros_like(rates) if decay is None else decay.to(wide).transpose(1, 2)
    empty = keys.new_zeros(*keys.shape[:2], keys.shape[-1], values.shape[-1])
    memory = empty if state is None else state.to(wide)
    outputs = []
    for begin in range(0, keys.shape[2], CHUNK):
        one = slice(begin, begin + CHUNK)
        out, memory = _chunk(
            queries[:, :, one], keys[:, :, one], values[:, :, one], rates[:, :, one], decays[:, :, one], memory
        )
        outputs.append(out)
    return torch.cat(outputs, 2).transpose(1, 2).to(q.dtype), memory


def _chunk(
    queries: Tensor, keys: Tensor, values: Tensor, rates: Tensor, decays: Tensor, memory: Tensor
) -> tuple[Tensor, Tensor]:
    """Outputs of a chunk and the memory behind it; all tensors are (batch, heads, steps, ...)."""
    steps = keys.shape[2]
    passed = decays.cumsum(-1)
    earlier = torch.ones(steps, steps, dtype=torch.bool, device=keys.device).tril()
    between = (passed[..., :, None] - passed[..., None, :]).masked_fill(~earlier, -torch.inf).exp()
    mixing = (rates[..., None] * (keys @ keys.mT) * between).tril(-1)
    wanted = rates[..., None] * (values - passed.exp()[..., None] * (keys @ memory))
    updates = torch.linalg.solve_triangular(mixing, wanted, upper=False, unitriangular=True)
    outputs = passed.exp()[..., None] * (queries @ memory) + ((queries @ keys.mT) * between) @ updates
    left = (passed[..., -1:] - passed).exp()[..., None]
    return outputs, passed[..., -1:, None].exp() * memory + (keys * left).mT @ updates
