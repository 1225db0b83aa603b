"""BigramHash: a table of token pairs, found by a hash, added to the embedding.

The row of (previous, current) is ((36313 · previous) xor (27191 · current)) mod (buckets - 1); at the first position
the previous token is 0. Pairs that share a row share what they learn.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  the field's name for it
from torch import Tensor, nn

from reference_model.model.linear import Linear

PREVIOUS_FACTOR, CURRENT_FACTOR = 36_313, 27_191
BIGRAM_SCALE, BIGRAM_STD = 0.05, 0.01


def bigram_rows(ids: Tensor, buckets: int) -> Tensor:
    """ids: (batch, seq), each below 2^15 -> rows (batch, seq), each below buckets - 1."""
    current = ids.long()
    previous = F.pad(current, (1, 0))[:, :-1]
    return ((PREVIOUS_FACTOR * previous) ^ (CURRENT_FACTOR * current)) % (buckets - 1)


class BigramHash(nn.Module):
    """Table (buckets, table_dim), brought to the model's dimension by a matrix that starts at zero."""

    def __init__(self, buckets: int, table_dim: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(buckets, table_dim)
        self.project = Linear(table_dim, dim, zero_init=True)
        self.scale = nn.Parameter(torch.tensor(BIGRAM_SCALE))

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (batch, seq) -> what is added to the embedding, (batch, seq, dim)."""
        rows = self.table(bigram_rows(ids, self.table.num_embeddings))
        added: Tensor = self.project(rows) * self.scale.to(rows.dtype)
        return added
