"""Which tensor of a model becomes what: integers of some bits, or floating point."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from reference_model.config import QuantConfig
from reference_model.model.gpt import GPT
from reference_model.model.linear import Linear


@dataclass(frozen=True)
class Precision:
    """What becomes of one tensor. `bits` 16 is float16, 32 float32, fewer are integers with a scale a row."""

    bits: int
    clip: float = 0.0
    """Standard deviations of a row at which it is clipped; 0: at its largest element."""


def precisions(model: GPT, config: QuantConfig) -> dict[str, Precision]:
    """The precision of every tensor in the state of a model, by name.

    Vectors and gains are small and stay float32; tables follow the embedding.
    """
    tables = _names(model, nn.Embedding)
    matrices = _names(model, Linear)
    first_kept = model.config.num_layers - config.keep_last_keys
    found: dict[str, Precision] = {}
    for name in model.state_dict():
        if name in tables:
            found[name] = Precision(16) if config.keep_embed else _table(config)
        elif name in matrices:
            found[name] = Precision(16) if _is_kept_key(name, first_kept) else _matrix(name, config)
        else:
            found[name] = Precision(32)
    return found


def _names(model: GPT, kind: type[nn.Module]) -> set[str]:
    return {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, kind)}


def _is_kept_key(name: str, first_kept: int) -> bool:
    parts = name.split(".")
    return parts[0] == "blocks" and parts[-2] == "key" and int(parts[1]) >= first_kept


def _table(config: QuantConfig) -> Precision:
    return Precision(8, config.embed_clip if config.quantizer == "gptq" else 0.0)


def _matrix(name: str, config: QuantConfig) -> Precision:
    if config.quantizer == "gptq":
        return Precision(6, config.matrix_clip)
    if config.quantizer == "mixed":
        return Precision(5 if ".mlp." in name else 6)
    return Precision({"int8": 8, "int6": 6}[config.quantizer])
