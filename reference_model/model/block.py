"""One layer: attention and MLP around the residual stream."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from reference_model.config import ModelConfig
from reference_model.model.adapters import NO_ADAPTERS, Adapters
from reference_model.model.attention import Attention, Positions
from reference_model.model.mlp import MLP
from reference_model.model.norm import RMSNorm

PHASE_SLOPE = 3.0


class Block(nn.Module):
    """Layer `layer` of the network; `exclusive` as in `Attention`.

    In sequence: x += a * attention(norm(x)), then x += m * mlp(norm(x)). In parallel both read the same x. Before
    either, the embedding is mixed in again (`resid_mix`).
    """

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        dim = config.model_dim
        self.parallel = 0 <= config.parallel_from <= layer
        self.input_scale = 1.0 / math.sqrt(layer + 1) if config.ln_scale else 1.0
        self.attention_norm = RMSNorm(dim, weighted=config.weighted_norm)
        self.mlp_norm = RMSNorm(dim, weighted=config.weighted_norm)
        self.attention = Attention(config, exclusive=layer >= config.num_layers - config.xsa_last_n)
        self.mlp = MLP(config)
        self.attention_scale = nn.Parameter(torch.ones(dim)) if config.block_scales else None
        self.mlp_scale = nn.Parameter(torch.ones(dim)) if config.block_scales else None
        self.resid_mix = nn.Parameter(_mix(config, layer)) if config.resid_mix != "off" else None

    def mixed(self, x: Tensor, x0: Tensor) -> Tensor:
        """The residual stream with the embedding x0 mixed in; both (batch, seq, dim)."""
        if self.resid_mix is None:
            return x
        mix = self.resid_mix.to(x.dtype)
        return mix[0] * x + mix[1] * x0

    def normed(self, x: Tensor) -> Tensor:
        """What attention reads of a mixed stream."""
        y: Tensor = self.attention_norm(x)
        return y * self.input_scale

    def forward(
        self,
        x: Tensor,
        x0: Tensor,
        positions: Positions,
        added_value: Tensor | None = None,
        adapters: Adapters = NO_ADAPTERS,
    ) -> Tensor:
        """The stream x after the layer. x and the embedding x0: (batch, seq, dim)."""
        x = self.mixed(x, x0)
        heard = self.attention(self.normed(x), positions, added_value, adapters.of("attention"))
        after = x + _scaled(heard, self.attention_scale)
        thought = self.mlp(self.mlp_norm(x if self.parallel else after) * self.input_scale, adapters.of("mlp"))
        return after + _scaled(thought, self.mlp_scale)


def _scaled(x: Tensor, scale: Tensor | None) -> Tensor:
    return x if scale is None else scale.to(x.dtype) * x


def _mix(config: ModelConfig, layer: int) -> Tensor:
    """(2, dim): shares of the stream and of the embedding at the start."""
    share = 1.0
    if config.resid_mix == "phase":
        depth = layer / max(config.num_layers - 1, 1)
        share = 1.0 / (1.0 + math.exp(-PHASE_SLOPE * (depth - 0.5)))
    return torch.tensor([share, 1.0 - share])[:, None].repeat(1, config.model_dim)
