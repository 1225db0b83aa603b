"""SmearGate: a convex blend with the token before."""

import torch

from reference_model.model.smear import SmearGate


def test_it_starts_as_an_even_blend_and_keeps_the_scale() -> None:
    """Sigmoid(0) is a half; no element grows beyond the largest of the two."""
    gate = SmearGate(4, resets=False, bos_id=1)
    x = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    y = gate(x, torch.full((2, 6), 5))
    torch.testing.assert_close(y[:, 1:], (x[:, 1:] + x[:, :-1]) / 2)
    torch.testing.assert_close(y[:, 0], x[:, 0] / 2)
    assert y.abs().max() <= x.abs().max()


def test_a_shut_gate_is_the_identity() -> None:
    """A gate far below zero lets nothing of the token before in."""
    gate = SmearGate(4, resets=False, bos_id=1)
    torch.nn.init.constant_(gate.gate, -200.0)
    x = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(gate(x, torch.full((1, 5), 5)), x)
