"""Integers of n bits with one scale a row: what exporter and quantisation-aware training share.

codes = round(w / scale) within ±qmax, qmax = 2^(bits-1) - 1, scale = max |row| / qmax, kept as float16. Training sees
exactly what the exporter will write, because both call `quantized`: a fake quantisation that differs from the real one
trains for a model that nobody loads.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

SMALLEST_SCALE = 2.0**-24
"""The smallest float16 above zero: a row of zeros keeps a scale that can be divided by."""


class Quantized(NamedTuple):
    """A matrix in few bits."""

    codes: Tensor
    """(rows, columns), int8."""
    scales: Tensor
    """(rows,), float16."""


def qmax_of(bits: int) -> int:
    """Largest code of a signed grid that is symmetric around zero."""
    return (1 << bits - 1) - 1


def rounded_to_half(x: Tensor) -> Tensor:
    """float32 numbers from 0 to 65504, each brought to the nearest float16 (ties to even) and still float32.

    On their bits: a compiler that fuses kernels leaves out a cast to float16 and back, and training would see scales
    that no exporter writes. Below 2^-14 the numbers of float16 are the multiples of 2^-24.
    """
    bits = x.contiguous().view(torch.int32)
    normal = ((bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)
    return torch.where(x < 2.0**-14, (x * 2.0**24).round() * 2.0**-24, normal)


def row_scales(weight: Tensor, bits: int, floor: float = SMALLEST_SCALE) -> Tensor:
    """float16 scales (rows,) with which the largest element of each row is the largest code."""
    largest = weight.detach().float().abs().amax(dim=1)
    return rounded_to_half((largest / qmax_of(bits)).clamp_min(floor)).half()


def quantized(weight: Tensor, bits: int, scales: Tensor | None = None) -> Quantized:
    """A matrix (rows, columns) on its grid, with given scales (rows,) or those of its largest elements."""
    kept = row_scales(weight, bits) if scales is None else scales
    qmax = qmax_of(bits)
    codes = (weight.detach().float() / kept.float()[:, None]).round().clamp(-qmax, qmax)
    return Quantized(codes.to(torch.int8), kept)


def dequantized(matrix: Quantized) -> Tensor:
    """float32 (rows, columns)."""
    return matrix.codes.float() * matrix.scales.float()[:, None]


def fake_quantized(weight: Tensor, bits: int) -> Tensor:
    """The matrix as it will be loaded, in float32; its gradient passes straight through, as if nothing was done."""
    return weight + (dequantized(quantized(weight, bits)) - weight).detach()
