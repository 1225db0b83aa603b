"""The position-wise network of a block."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812  the field's name for it
from torch import Tensor, nn

from reference_model.config import ModelConfig
from reference_model.model.adapters import NO_ADAPTERS, Adapters
from reference_model.model.linear import Linear

NEGATIVE_SLOPE = 0.5


def activated(x: Tensor, activation: str) -> Tensor:
    """`relu2`: max(x, 0)²; `leaky_relu2`: leaky_relu(x, 0.5)², whose gradient does not die below zero."""
    kept = F.relu(x) if activation == "relu2" else F.leaky_relu(x, NEGATIVE_SLOPE)
    return kept.square()


class MLP(nn.Module):
    """dim -> mlp_mult · dim -> dim."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden = config.mlp_mult * config.model_dim
        self.activation = config.activation
        self.up = Linear(config.model_dim, hidden)
        self.down = Linear(hidden, config.model_dim, zero_init=True)

    def forward(self, x: Tensor, adapters: Adapters = NO_ADAPTERS) -> Tensor:
        """x: (batch, seq, dim) -> the same."""
        hidden = activated(self.up(x, adapters.get("up")), self.activation)
        y: Tensor = self.down(hidden, adapters.get("down"))
        return y
