"""An embedding of token pairs that exists in evaluation only: it starts at zero and learns from scored tokens.

The row of (previous, current) is (2039 · previous + current) mod rows; the first token of a sequence follows itself.
It is no part of the artifact and takes none of its bytes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  the field's name for it
from torch import Tensor, nn

FACTOR = 2_039


class HashTable(nn.Module):
    """Table (rows, dim) of zeros."""

    def __init__(self, rows: int, dim: int, device: torch.device | None = None) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(rows, dim, device=device))

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (batch, seq) -> what is added to the embedding, (batch, seq, dim)."""
        previous = torch.cat((ids[:, :1], ids[:, :-1]), dim=1)
        return F.embedding((FACTOR * previous + ids) % len(self.table), self.table)
