"""Groups: every parameter of every preset is in exactly one, and in the right one."""

from dataclasses import replace

import pytest

from reference_model.config import ModelConfig
from reference_model.model.gpt import GPT
from reference_model.optim.groups import grouped, optimizers
from reference_model.presets import PRESETS

SMALL = {"vocab_size": 64, "model_dim": 32, "num_heads": 4, "num_kv_heads": 2, "ortho_init": False, "rope_dims": 0}


@pytest.mark.parametrize("name", PRESETS)
def test_every_parameter_is_optimised_once(name: str) -> None:
    """Of each preset's network, at a small size."""
    config = PRESETS[name]
    model = GPT(replace(config.model, **SMALL), 16)
    held = [p for o in optimizers(model, config.optim) for group in o.param_groups for p in group["params"]]
    assert sorted(map(id, held)) == sorted(map(id, model.parameters()))


def test_kinds() -> None:
    """Matrices of layers, rows of tables, the head, and all gains, gates and scales."""
    config = ModelConfig(num_layers=2, smear=True, bigram_buckets=16, tie_embeddings=False, value_residual=True)
    groups = {k: set(v) for k, v in grouped(GPT(replace(config, **{**SMALL, "num_layers": 2}), 16)).items()}
    assert groups["token"] == {"embedding.weight", "bigram.table.weight"}
    assert groups["head"] == {"head.weight"}
    assert "bigram.project.weight" in groups["matrix"]
    assert {"smear.gate", "bigram.scale", "value_residual.mix", "skips.weight"} <= groups["scalar"]
    assert {"blocks.1.attention.q_gain", "blocks.0.resid_mix"} <= groups["scalar"]
