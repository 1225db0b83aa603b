"""Which optimiser a parameter belongs to: every one to exactly one.

`matrix`: matrices of linear layers, by Muon. `token`: embeddings and tables, whose rows are seen rarely. `head`: an
output matrix that is not tied. `scalar`: everything else: gains, gates, scales. A parameter that belongs to none would
stay where it starts and nobody would notice (as the gate of pull request 371's SmearGate did at first), so the rest is
a group and not left out.
"""

from __future__ import annotations

import torch
from torch import nn

from reference_model.config import OptimConfig
from reference_model.model.gpt import GPT
from reference_model.model.linear import Linear
from reference_model.optim.muon import Muon

GROUPS = ("matrix", "token", "head", "scalar")


def grouped(model: GPT) -> dict[str, dict[str, nn.Parameter]]:
    """Parameters by group and name."""
    kind: dict[int, str] = {}
    for module in model.modules():
        if isinstance(module, Linear):
            kind[id(module.weight)] = "head" if module is model.head else "matrix"
        elif isinstance(module, nn.Embedding):
            kind[id(module.weight)] = "token"
    found: dict[str, dict[str, nn.Parameter]] = {name: {} for name in GROUPS}
    for name, parameter in model.named_parameters():
        found[kind.get(id(parameter), "scalar")][name] = parameter
    return found


def optimizers(model: GPT, config: OptimConfig) -> list[torch.optim.Optimizer]:
    """AdamW for tokens, head and scalars, and what `matrix_optimizer` names for matrices."""
    groups = {name: list(parameters.values()) for name, parameters in grouped(model).items()}
    rates = {"token": config.tied_embed_lr, "head": config.head_lr, "scalar": config.scalar_lr}
    decays = {"token": config.token_decay, "head": config.token_decay, "scalar": config.scalar_decay}
    if config.matrix_optimizer == "adamw":
        rates["matrix"], decays["matrix"] = config.matrix_lr, config.matrix_decay
    adam = torch.optim.AdamW(
        [{"params": groups[name], "lr": rates[name], "weight_decay": decays[name]} for name in rates if groups[name]],
        betas=(config.beta1, config.beta2),
        eps=config.adam_eps,
        fused=next(model.parameters()).is_cuda,
    )
    made: list[torch.optim.Optimizer] = [adam]
    if "matrix" not in rates:
        row_norm = config.matrix_optimizer == "muon_rows"
        rate, momentum, steps = config.matrix_lr, config.muon_momentum, config.muon_ns_steps
        made.append(Muon(groups["matrix"], rate, momentum, steps, config.matrix_decay, row_norm=row_norm))
    for optimizer in made:
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
    return made
