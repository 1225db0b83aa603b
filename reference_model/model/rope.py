"""Rotary position embedding (Su et al. 2021, arXiv:2104.09864), partial and stretched.

The first `dims` dimensions of a head are rotated by angles position · base^(-2i/dims); the others carry no position.
For sequences longer than those of training the base is stretched so that the slowest frequency covers the whole
length (NTK-aware scaling): base' = base · (length / trained)^(dims / (dims - 2)).
"""

from __future__ import annotations

import torch
from torch import Tensor


def rope_tables(
    length: int, dims: int, base: float, trained: int = 0, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Cosines and sines, each (length, dims / 2), float32. `trained`: length of training sequences; 0: no stretch."""
    if trained and length > trained and dims > 2:
        base = base * (length / trained) ** (dims / (dims - 2))
    frequency = base ** -(torch.arange(0, dims, 2, dtype=torch.float32, device=device) / dims)
    angle = torch.outer(torch.arange(length, dtype=torch.float32, device=device), frequency)
    return angle.cos(), angle.sin()


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the first 2 · cos.size(-1) dimensions of x (batch, heads, seq, head_dim)."""
    half = cos.size(-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return torch.cat((a * cos + b * sin, b * cos - a * sin, rest), dim=-1)
