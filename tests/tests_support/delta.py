"""Delta rules as sums written out in float64, and inputs for them."""

from __future__ import annotations

import torch

from harness.observe.cpu_run.guest.stand_ins.fla.delta import unit


def reference(q, k, v, beta, decay=None, *, updates=1, scale=None, state=None):
    """Outputs and last memory, one sequence, head and step at a time."""
    batch, steps, key_heads, width = q.shape
    heads = v.shape[2]
    scale = width**-0.5 if scale is None else scale
    out = torch.zeros(batch, steps, heads, v.shape[-1], dtype=torch.float64)
    first = torch.zeros(batch, heads, width, v.shape[-1], dtype=torch.float64) if state is None else state.double()
    last = torch.zeros_like(first)
    for b in range(batch):
        for h in range(heads):
            group = h // (heads // key_heads)
            memory = first[b, h]
            for t in range(steps):
                memory = memory * (1.0 if decay is None else decay[b, t, h].exp())
                for n in range(t * updates, (t + 1) * updates):
                    error = v[b, n, h] - memory.T @ k[b, n, group]
                    memory = memory + beta[b, n, h] * torch.outer(k[b, n, group], error)
                out[b, t, h] = scale * memory.T @ q[b, t, group]
            last[b, h] = memory
    return out, last


def inputs(batch, steps, heads, groups=1, updates=1, width=4, seed=0):
    """q, k, v, beta and the log decay, in float64; keys have unit length, as every layer gives them."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    q, k = unit(draw(batch, steps, heads, width)), unit(draw(batch, steps * updates, heads, width))
    v = draw(batch, steps * updates, heads * groups, width + 1)
    beta = draw(batch, steps * updates, heads * groups).sigmoid()
    return q, k, v, beta, -draw(batch, steps, heads * groups).exp()
