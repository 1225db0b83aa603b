"""GPTQ (Frantar et al. 2022, arXiv:2210.17323): rounding that makes up for its own errors.

Columns of a matrix are rounded one after the other, those with the largest inputs first; what each rounding gets wrong
is taken back by the columns that are still to come, weighted by how inputs vary together (H = Σ x xᵀ over calibration
tokens of the TRAINING data). Rows are clipped at `clip` standard deviations: scale = clip · std(row) / qmax.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from reference_model.model.gpt import GPT
from reference_model.model.linear import Linear
from reference_model.quant.grid import SMALLEST_SCALE, Quantized, qmax_of, quantized

BLOCK = 128
"""Columns that are rounded before the rest of the matrix is brought up to date."""


class Hessians:
    """Σ x xᵀ (in, in) of what every linear layer and the output matrix, tied or not, is given."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}

    def add(self, name: str, x: Tensor) -> None:
        """Inputs (..., in) of one layer."""
        flat = x.detach().flatten(0, -2).float()
        product = flat.T @ flat
        self.sums[name] = product if name not in self.sums else self.sums[name] + product


@torch.no_grad()
def collected(model: GPT, batches: Iterable[Tensor]) -> Hessians:
    """Hessians over calibration batches of token ids (rows, seq), by the names of weights."""
    hessians = Hessians()

    def listen(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        return module.register_forward_pre_hook(lambda _, inputs: hessians.add(f"{name}.weight", inputs[0]))

    handles = [listen(name, module) for name, module in model.named_modules() if isinstance(module, Linear)]
    try:
        for ids in batches:
            hessians.add("embedding.weight" if model.head is None else "head.weight", model.hidden(ids))
    finally:
        for handle in handles:
            handle.remove()
    return hessians


def clipped_scales(weight: Tensor, bits: int, clip: float) -> Tensor:
    """float16 (rows,): `clip` standard deviations of a row are its largest code."""
    return (clip * weight.float().std(dim=1) / qmax_of(bits)).clamp_min(SMALLEST_SCALE).half()


@torch.no_grad()
def gptq(weight: Tensor, hessian: Tensor, bits: int, scales: Tensor, damp: float = 0.01) -> Quantized:
    """Codes of a matrix (rows, columns) on the grid of `scales` (rows,); hessian: (columns, columns).

    `damp` times its mean is added to the diagonal, so that it can be inverted whatever the inputs were.
    """
    left = weight.detach().float().clone()
    h = hessian.detach().float().clone()
    dead = h.diagonal() == 0
    h.diagonal()[dead] = 1.0
    left[:, dead] = 0.0
    order = h.diagonal().argsort(descending=True)
    left, h = left[:, order], h[order][:, order]
    h.diagonal().add_(damp * h.diagonal().mean())
    inverse = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)
    codes = torch.empty_like(left, dtype=torch.int8)
    columns = left.size(1)
    for start in range(0, columns, BLOCK):
        end = min(start + BLOCK, columns)
        errors = torch.empty(left.size(0), end - start, device=left.device)
        for column in range(start, end):
            rounded = quantized(left[:, column : column + 1], bits, scales).codes
            codes[:, column] = rounded[:, 0]
            error = (left[:, column] - rounded[:, 0].float() * scales.float()) / inverse[column, column]
            left[:, column:end] -= error[:, None] * inverse[column, column:end]
            errors[:, column - start] = error
        left[:, end:] -= errors @ inverse[start:end, end:]
    return Quantized(codes[:, order.argsort()], scales)
