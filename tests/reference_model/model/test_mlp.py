"""Activations: never negative, and alive below zero where they leak."""

import pytest
import torch

from reference_model.model.mlp import activated


@pytest.mark.parametrize(("activation", "value", "gradient"), [("relu2", 0.0, 0.0), ("leaky_relu2", 0.25, -0.5)])
def test_at_minus_one(activation: str, value: float, gradient: float) -> None:
    """relu² is dead there; leaky_relu² is x²/4."""
    x = torch.tensor([-1.0], requires_grad=True)
    y = activated(x, activation)
    y.sum().backward()
    assert x.grad is not None
    assert (y.item(), x.grad.item()) == (value, gradient)
    assert (activated(torch.linspace(-2, 2, 9), activation) >= 0).all()
