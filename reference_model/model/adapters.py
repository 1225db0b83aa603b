"""Low-rank adapters (LoRA, Hu et al. 2021, arXiv:2106.09685), one for every row of a batch.

Test-time training adapts to many documents at once: row b of a batch has matrices A_b and B_b of its own, and the rows
learn nothing of each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


class Adapter(nn.Module):
    """delta(x)_b = x_b A_bᵀ B_bᵀ, with A (batch, rank, in) uniform in ±1/√in and B (batch, out, rank) zero.

    All rows start with the same A, drawn from `generator`: what a row learns depends on what it is given, and on
    nothing that shares its batch.
    """

    def __init__(
        self,
        batch: int,
        dim_in: int,
        dim_out: int,
        rank: int,
        generator: torch.Generator,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(dim_in)
        down = torch.empty(rank, dim_in).uniform_(-bound, bound, generator=generator)
        self.down = nn.Parameter(down.to(device).repeat(batch, 1, 1))
        self.up = nn.Parameter(torch.zeros(batch, dim_out, rank, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, seq, in) -> (batch, seq, out)."""
        return (x @ self.down.to(x.dtype).transpose(1, 2)) @ self.up.to(x.dtype).transpose(1, 2)


class Adapters:
    """Adapters by the name of the linear layer that they belong to (`blocks.3.attention.query`).

    A layer that a loop visits several times has one adapter, as it has one weight.
    """

    def __init__(self, by_name: Mapping[str, Adapter]) -> None:
        self.by_name = dict(by_name)

    def of(self, prefix: str) -> Adapters:
        """The adapters below a module."""
        start = prefix + "."
        return Adapters({name[len(start) :]: one for name, one in self.by_name.items() if name.startswith(start)})

    def get(self, name: str) -> Adapter | None:
        """The adapter of one layer, if it has one."""
        return self.by_name.get(name)

    def parameters(self) -> Iterator[nn.Parameter]:
        """All matrices."""
        for adapter in self.by_name.values():
            yield from adapter.parameters()


NO_ADAPTERS = Adapters({})
