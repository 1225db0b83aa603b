"""First values of the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reference_model.config import ModelConfig
from reference_model.model.bigram import BIGRAM_STD, BigramHash
from reference_model.model.linear import Linear

SPECTRAL_POWER = -0.5


@torch.no_grad()
def initialize(model: nn.Module, config: ModelConfig, generator: torch.Generator) -> None:
    """Set all matrices and tables; gains, gates and scales have their values from where they are made.

    Outputs of blocks start at zero. Other matrices are orthogonal (`ortho_init`) or uniform in ±1/√in, as torch has
    it. The tied embedding is normal with `tied_embed_init_std`.
    """
    tables = {id(module.table): BIGRAM_STD for module in model.modules() if isinstance(module, BigramHash)}
    for module in model.modules():
        if isinstance(module, Linear):
            _fill(module, config, generator)
        elif isinstance(module, nn.Embedding):
            module.weight.normal_(0.0, tables.get(id(module), config.tied_embed_init_std), generator=generator)


def _fill(linear: Linear, config: ModelConfig, generator: torch.Generator) -> None:
    weight = linear.weight
    if linear.zero_init:
        weight.zero_()
    elif config.ortho_init:
        nn.init.orthogonal_(weight, generator=generator)
    else:
        bound = weight.size(1) ** -0.5
        weight.uniform_(-bound, bound, generator=generator)


@torch.no_grad()
def spectral(weight: Tensor) -> Tensor:
    """The matrix with the singular values S_k = S_1 k^(-1/2), k from 1 ("overtones")."""
    u, s, v = torch.linalg.svd(weight.float(), full_matrices=False)
    order = torch.arange(1, s.numel() + 1, dtype=s.dtype, device=s.device)
    overtones: Tensor = (u * (s[0] * order**SPECTRAL_POWER)) @ v
    return overtones
