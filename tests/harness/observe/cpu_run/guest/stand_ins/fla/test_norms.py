"""Norms against their formula."""

import torch

from harness.observe.cpu_run.guest.stand_ins.fla.norms import FusedRMSNormGated


def test_the_gated_norm():
    """Channels over their root mean square by their weights, times SiLU of the gate."""
    layer = FusedRMSNormGated(6)
    torch.nn.init.uniform_(layer.weight)
    x, g = torch.randn(2, 6), torch.randn(2, 6)
    expected = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * layer.weight * g * g.sigmoid()
    torch.testing.assert_close(layer(x, g), expected)
    assert not layer(x, torch.zeros_like(g)).any()
