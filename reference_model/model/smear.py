"""SmearGate: every embedding is blended with that of the token before it.

x_t <- (1 - g) x_t + g x_{t-1} with g = sigmoid(gate), one gate a dimension, zero at first (an even blend). Being a
convex combination it keeps the scale. The first token of a sequence has nothing before it (x_{-1} = 0), and with
`resets` neither has the first token of a document.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  the field's name for it
from torch import Tensor, nn


class SmearGate(nn.Module):
    """The gate (dim,). It belongs to the scalar parameters: forgotten there, it would stay where it starts."""

    def __init__(self, dim: int, *, resets: bool, bos_id: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(dim))
        self.resets, self.bos_id = resets, bos_id

    def forward(self, x: Tensor, ids: Tensor) -> Tensor:
        """x: (batch, seq, dim), ids: (batch, seq) -> like x."""
        gate = torch.sigmoid(self.gate).to(x.dtype)
        if self.resets:
            gate = gate * (ids != self.bos_id).unsqueeze(-1).to(x.dtype)
        before = F.pad(x, (0, 0, 1, 0))[:, :-1]
        return x + gate * (before - x)
