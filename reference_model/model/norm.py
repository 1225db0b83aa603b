"""Root-mean-square normalisation (Zhang and Sennrich 2019, arXiv:1910.07467)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  the field's name for it
from torch import Tensor, nn


def rms_norm(x: Tensor) -> Tensor:
    """Divide x (..., dim) by its root mean square over the last dimension."""
    return F.rms_norm(x, (x.size(-1),))


class RMSNorm(nn.Module):
    """`rms_norm`, times a learned weight (dim,) where it is `weighted`."""

    def __init__(self, dim: int, *, weighted: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim)) if weighted else None

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., dim)."""
        return rms_norm(x) if self.weight is None else rms_norm(x) * self.weight.to(x.dtype)
