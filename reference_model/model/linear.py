"""The linear layer of every matrix: float32 master weight, optional fake quantisation, optional adapter."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  the field's name for it
from torch import Tensor, nn

from reference_model.model.adapters import Adapter
from reference_model.quant.grid import fake_quantized


class Linear(nn.Module):
    """y = x Wᵀ (+ adapter(x)), without a bias. The weight (out, in) is kept in float32 and used in the type of x.

    `qat_bits` switches fake quantisation on (see `quant.grid`); `zero_init` marks outputs of a block, which start at
    zero so that every block starts as the identity.
    """

    def __init__(self, dim_in: int, dim_out: int, *, zero_init: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim_out, dim_in))
        self.zero_init = zero_init
        self.qat_bits = 0

    def forward(self, x: Tensor, adapter: Adapter | None = None) -> Tensor:
        """x: (batch, seq, in) -> (batch, seq, out)."""
        weight = fake_quantized(self.weight, self.qat_bits) if self.qat_bits else self.weight
        y = F.linear(x, weight.to(x.dtype))
        return y if adapter is None else y + adapter(x)
