"""The network, put together: the one place where the techniques meet.

ids -> embedding (+ bigram table), norm, smear -> x0 -> layers in the order of `depth` -> norm -> logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  the field's name for it
from torch import Tensor, nn

from reference_model.config import ModelConfig
from reference_model.model.adapters import NO_ADAPTERS, Adapter, Adapters
from reference_model.model.attention import Positions
from reference_model.model.bigram import BigramHash
from reference_model.model.block import Block
from reference_model.model.depth import depth_of
from reference_model.model.init import initialize, spectral
from reference_model.model.kernel import window_mask
from reference_model.model.linear import Linear
from reference_model.model.norm import RMSNorm, rms_norm
from reference_model.model.rope import rope_tables
from reference_model.model.skips import Skips
from reference_model.model.smear import SmearGate
from reference_model.model.values import ValueEmbedding, ValueResidual


@dataclass
class Looping:
    """Whether the loop over layers is on; it is switched on in the course of training."""

    on: bool


class GPT(nn.Module):
    """A causal language model over token ids (batch, seq)."""

    def __init__(self, config: ModelConfig, train_seq_len: int, seed: int = 0) -> None:
        """`train_seq_len` is what `rope_ntk` relates longer sequences to; `seed` draws the first weights."""
        super().__init__()
        self.config, self.train_seq_len = config, train_seq_len
        self.loop = Looping(on=config.loop_visits > 1)
        dim = config.model_dim
        self.embedding = nn.Embedding(config.vocab_size, dim)
        self.bigram = BigramHash(config.bigram_buckets, config.bigram_dim, dim) if config.bigram_buckets else None
        self.smear = SmearGate(dim, resets=config.smear_resets, bos_id=config.bos_id) if config.smear else None
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.num_layers))
        pairs = depth_of(config, looping=self.loop.on).pairs
        self.skips = Skips(pairs, dim, gated=config.skips == "gated") if config.skips != "off" else None
        self.value_residual = ValueResidual(config.num_layers) if config.value_residual else None
        self.value_embedding = ValueEmbedding(config) if config.value_embed_layers else None
        self.final_norm = RMSNorm(dim, weighted=config.weighted_norm)
        self.head = None if config.tie_embeddings else Linear(dim, config.vocab_size, zero_init=True)
        initialize(self, config, torch.Generator().manual_seed(seed))
        if config.spectral_init:
            self.embedding.weight.data.copy_(spectral(self.embedding.weight.data))

    def hidden(self, ids: Tensor, adapters: Adapters = NO_ADAPTERS, extra: Tensor | None = None) -> Tensor:
        """States before the output matrix, (batch, seq, dim). `extra`, of that shape, is added to the embedding."""
        x = self.embedding(ids)
        if self.bigram is not None:
            x = x + self.bigram(ids)
        if extra is not None:
            x = x + extra.to(x.dtype)
        x = rms_norm(x)
        if self.smear is not None:
            x = self.smear(x, ids)
        y: Tensor = self.final_norm(self._through(x, ids, adapters))
        return y

    def logits(self, hidden: Tensor, adapter: Adapter | None = None) -> Tensor:
        """(batch, seq, dim) -> (batch, seq, vocab), soft-capped."""
        if self.head is not None:
            z = self.head(hidden, adapter)
        else:
            z = F.linear(hidden, self.embedding.weight.to(hidden.dtype))
            z = z if adapter is None else z + adapter(hidden)
        cap = self.config.logit_softcap
        return cap * torch.tanh(z / cap) if cap else z

    def nll(
        self, ids: Tensor, targets: Tensor, adapters: Adapters = NO_ADAPTERS, extra: Tensor | None = None
    ) -> Tensor:
        """Negative log-likelihood in nats of each target (batch, seq), in float32."""
        logits = self.logits(self.hidden(ids, adapters, extra), adapters.get("head"))
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none").view_as(targets)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        """The mean loss in nats per token: what training minimises."""
        return self.nll(ids, targets).mean()

    def positions(self, seq: int, device: torch.device) -> Positions:
        """Rotations and mask for sequences of that length."""
        config = self.config
        dims = config.rope_dims or config.model_dim // config.num_heads
        trained = self.train_seq_len if config.rope_ntk else 0
        cos, sin = rope_tables(seq, dims, config.rope_base, trained, device)
        return Positions(cos, sin, window_mask(seq, config.attention_window, device))

    def _through(self, x0: Tensor, ids: Tensor, adapters: Adapters) -> Tensor:
        positions = self.positions(ids.size(1), ids.device)
        first = self._first_value(x0) if self.value_residual is not None else None
        embedded = self.value_embedding(ids) if self.value_embedding is not None else None
        depth = depth_of(self.config, looping=self.loop.on)
        kept: list[Tensor] = []
        x = x0
        for step, layer in enumerate((*depth.encoder, *depth.decoder)):
            after = step - len(depth.encoder)
            if after >= 0 and kept and self.skips is not None:
                x = self.skips(x, kept.pop(), after)
            added = self._added_value(first, embedded, layer)
            x = self.blocks[layer](x, x0, positions, added, adapters.of(f"blocks.{layer}"))
            if after < 0:
                kept.append(x)
        return x

    def _first_value(self, x0: Tensor) -> Tensor:
        """The values of the first layer, from its own matrix and its own input."""
        block = self.blocks[0]
        first: Tensor = block.attention.value(block.normed(block.mixed(x0, x0)))  # type: ignore[operator,union-attr]  # a ModuleList forgets what it holds
        return first

    def _added_value(self, first: Tensor | None, embedded: Tensor | None, layer: int) -> Tensor | None:
        added = None
        if first is not None and self.value_residual is not None:
            added = self.value_residual(first, layer)
        if embedded is not None and self.value_embedding is not None:
            own = self.value_embedding.of(embedded, layer)
            added = own if added is None else added if own is None else added + own
        return added
