"""The grid: codes in range, errors within half a step, stable under repetition."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_model.quant.grid import (
    SMALLEST_SCALE,
    dequantized,
    fake_quantized,
    qmax_of,
    quantized,
    rounded_to_half,
)

matrices = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.floats(-8, 8, width=32)
)


@given(matrices, st.integers(2, 8))
def test_codes_and_errors(array: np.ndarray, bits: int) -> None:
    """Codes lie within ±qmax; no element is off by more than half a step, plus what float16 takes from the scale."""
    weight = torch.from_numpy(array)
    found = quantized(weight, bits)
    qmax, scale = qmax_of(bits), found.scales.float()[:, None]
    assert found.codes.abs().max() <= qmax
    room = 0.5 * scale + qmax * (scale * 2.0**-11 + 2.0**-25) + 1e-6
    assert ((dequantized(found) - weight).abs() <= room).all()


@given(matrices, st.integers(2, 8))
def test_what_is_on_the_grid_stays(array: np.ndarray, bits: int) -> None:
    """Quantising with the same scales again gives the same codes."""
    first = quantized(torch.from_numpy(array), bits)
    assert torch.equal(quantized(dequantized(first), bits, first.scales).codes, first.codes)


def test_levels_of_six_bits() -> None:
    """At most 63 levels."""
    assert qmax_of(6) == 31
    weight = torch.linspace(-1, 1, 1_000)[None]
    assert quantized(weight, 6).codes.unique().numel() == 63


@given(hnp.arrays(np.float32, 20, elements=st.floats(0, 65_504, width=32)), st.integers(-24, 0))
def test_rounding_to_half_is_that_of_the_type(array: np.ndarray, power: int) -> None:
    """Equal to a cast to float16 and back, from the largest to the smallest number."""
    x = torch.from_numpy(array) * 2.0**power
    assert torch.equal(rounded_to_half(x), x.half().float())


def test_rounding_to_half_at_the_edges() -> None:
    """Ties go to even; the smallest numbers are the multiples of 2^-24."""
    ties = torch.tensor([1 + 2.0**-11, 1 + 3 * 2.0**-11, 2.0**-14 - 2.0**-26, 1.5 * SMALLEST_SCALE, 0.0, 65_504.0])
    assert torch.equal(rounded_to_half(ties), ties.half().float())


@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.floats(-8, 8, width=32)),
    st.sampled_from([5, 6, 8]),
    st.integers(-30, 4),
)
def test_training_sees_what_the_exporter_writes_bit_for_bit(array: np.ndarray, bits: int, power: int) -> None:
    """At any size of weights: w + (ŵ - w) is ŵ without an error of rounding."""
    weight = torch.from_numpy(array) * 2.0**power
    assert torch.equal(fake_quantized(weight, bits), dequantized(quantized(weight, bits)))


@pytest.mark.parametrize("bits", [5, 6, 8])
def test_fake_quantisation_lies_on_the_grid(bits: int) -> None:
    """Forward the loaded matrix, backward the identity."""
    weight = torch.randn(4, 9, generator=torch.Generator().manual_seed(0), requires_grad=True)
    fake = fake_quantized(weight, bits)
    assert torch.equal(fake, dequantized(quantized(weight, bits)))
    fake.sum().backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad, torch.ones_like(weight))
