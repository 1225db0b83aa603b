"""What joins the values of attention from elsewhere: the first layer's values, and an embedding of the token."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reference_model.config import ModelConfig
from reference_model.model.linear import Linear

VALUE_EMBED_SCALE = 0.1


class ValueResidual(nn.Module):
    """v_i <- v_i + λ_i v_0 for every layer i after the first, λ (layers - 1,) starting at zero.

    v_0 is what the first layer's value matrix makes of its own input, computed once a forward pass (value residual
    learning, Zhou et al. 2024, arXiv:2410.17897).
    """

    def __init__(self, num_layers: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.zeros(num_layers - 1))

    def forward(self, first: Tensor, layer: int) -> Tensor | None:
        """What joins the values of `layer`; None for the first. first: (batch, seq, kv_dim)."""
        return None if layer == 0 else self.mix[layer - 1].to(first.dtype) * first


class ValueEmbedding(nn.Module):
    """A table (vocab, table_dim) and a matrix to the values of the last layers, each with a scale of its own."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        kv_dim = config.num_kv_heads * (config.model_dim // config.num_heads)
        self.first_layer = config.num_layers - config.value_embed_layers
        self.table = nn.Embedding(config.vocab_size, config.value_embed_dim)
        self.project = Linear(config.value_embed_dim, kv_dim)
        self.scale = nn.Parameter(torch.full((config.value_embed_layers,), VALUE_EMBED_SCALE))

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (batch, seq) -> (batch, seq, kv_dim), the same for all layers but for their scales."""
        embedded: Tensor = self.project(self.table(ids))
        return embedded

    def of(self, embedded: Tensor, layer: int) -> Tensor | None:
        """What joins the values of `layer`; None for the layers that have none."""
        if layer < self.first_layer:
            return None
        return self.scale[layer - self.first_layer].to(embedded.dtype) * embedded
