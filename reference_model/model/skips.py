"""U-Net connections: what the first half of the layers put out enters the second half, in reverse order.

`add`: x + w_i * skip. `gated`: lerp(w_i * skip, x, sigmoid(g_i)), g starting at zero, so that half of each enters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Skips(nn.Module):
    """Weights (count, dim) that start at one, and gates (count, dim) where they are `gated`."""

    def __init__(self, count: int, dim: int, *, gated: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(count, dim))
        self.gate = nn.Parameter(torch.zeros(count, dim)) if gated else None

    def forward(self, x: Tensor, skip: Tensor, index: int) -> Tensor:
        """Stream and skip: (batch, seq, dim); `index` counts the layers of the second half."""
        entering = self.weight[index].to(x.dtype) * skip
        if self.gate is None:
            return x + entering
        return torch.lerp(entering, x, torch.sigmoid(self.gate[index]).to(x.dtype))
