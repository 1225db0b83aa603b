"""Causal grouped-query attention, with everything that a layer may do to queries, keys and values."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from reference_model.config import ModelConfig
from reference_model.model.adapters import NO_ADAPTERS, Adapters
from reference_model.model.kernel import attended
from reference_model.model.linear import Linear
from reference_model.model.norm import rms_norm
from reference_model.model.rope import rotated
from reference_model.model.xsa import without_own_value


class Positions(NamedTuple):
    """What attention knows of positions in a sequence: the same for all layers."""

    cos: Tensor
    """(seq, rope_dims / 2)."""
    sin: Tensor
    mask: Tensor | None
    """What `window_mask` makes."""


class Attention(nn.Module):
    """One layer's attention. `exclusive` switches XSA on (see `xsa`)."""

    def __init__(self, config: ModelConfig, *, exclusive: bool) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.num_heads, config.num_kv_heads
        self.head_dim = config.model_dim // config.num_heads
        self.exclusive, self.window = exclusive, config.attention_window
        kv_dim = self.kv_heads * self.head_dim
        self.query = Linear(config.model_dim, config.model_dim)
        self.key = Linear(config.model_dim, kv_dim)
        self.value = Linear(config.model_dim, kv_dim)
        self.output = Linear(config.model_dim, config.model_dim, zero_init=True)
        self.q_gain = nn.Parameter(torch.full((self.heads,), config.qk_gain_init)) if config.qk_norm else None

    def forward(
        self, x: Tensor, positions: Positions, added_value: Tensor | None = None, adapters: Adapters = NO_ADAPTERS
    ) -> Tensor:
        """x: (batch, seq, dim) -> the same. `added_value` (batch, seq, kv_heads · head_dim) joins the layer's own."""
        batch, seq, dim = x.shape
        q = self._split(self.query(x, adapters.get("query")), self.heads)
        k = self._split(self.key(x, adapters.get("key")), self.kv_heads)
        value = self.value(x, adapters.get("value"))
        v = self._split(value if added_value is None else value + added_value.to(value.dtype), self.kv_heads)
        if self.q_gain is not None:
            q, k = rms_norm(q), rms_norm(k)
        q, k = rotated(q, positions.cos, positions.sin), rotated(k, positions.cos, positions.sin)
        if self.q_gain is not None:
            q = q * self.q_gain.to(q.dtype)[:, None, None]
        y = attended(q, k, v, positions.mask, self.window)
        if self.exclusive:
            y = without_own_value(y, v)
        out: Tensor = self.output(y.transpose(1, 2).reshape(batch, seq, dim), adapters.get("output"))
        return out

    def _split(self, x: Tensor, heads: int) -> Tensor:
        """(batch, seq, heads · head_dim) -> (batch, heads, seq, head_dim)."""
        return x.view(x.size(0), x.size(1), heads, self.head_dim).transpose(1, 2)
