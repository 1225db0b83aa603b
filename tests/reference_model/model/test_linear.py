"""The linear layer: with fake quantisation it computes what the exporter will load."""

import torch

from reference_model.model.linear import Linear
from reference_model.quant.grid import dequantized, quantized


def test_fake_quantisation_is_the_exporters_bit_for_bit() -> None:
    """Output with qat_bits equals that of the dequantised weight, and the gradient passes straight through."""
    linear = Linear(16, 8)
    torch.nn.init.normal_(linear.weight, generator=torch.Generator().manual_seed(0))
    x = torch.randn(1, 3, 16, generator=torch.Generator().manual_seed(1))
    plain = linear(x)
    linear.qat_bits = 6
    loaded = dequantized(quantized(linear.weight, 6))
    y = linear(x)
    assert torch.equal(y, torch.nn.functional.linear(x, loaded))
    assert not torch.equal(y, plain)
    y.sum().backward()
    assert linear.weight.grad is not None
    torch.testing.assert_close(linear.weight.grad, x.sum(dim=(0, 1)).expand(8, 16))
