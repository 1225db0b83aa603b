"""Precisions: what the configuration says of each kind of tensor."""

import pytest

from reference_model.config import ModelConfig, QuantConfig
from reference_model.model.gpt import GPT
from reference_model.quant.plan import precisions

MODEL = GPT(ModelConfig(vocab_size=64, num_layers=3, model_dim=32, num_heads=4, num_kv_heads=2, bigram_buckets=16), 16)


@pytest.mark.parametrize(
    ("config", "bits"),
    [
        (QuantConfig(quantizer="int8"), (8, 8, 8)),
        (QuantConfig(quantizer="int6"), (6, 6, 8)),
        (QuantConfig(quantizer="mixed"), (5, 6, 8)),
        (QuantConfig(quantizer="gptq"), (6, 6, 8)),
        (QuantConfig(quantizer="int6", keep_embed=True), (6, 6, 16)),
    ],
)
def test_bits_by_kind(config: QuantConfig, bits: tuple[int, int, int]) -> None:
    """Of MLPs, attention and tables; vectors stay float32."""
    found = precisions(MODEL, config)
    names = ("blocks.0.mlp.up.weight", "blocks.0.attention.query.weight", "embedding.weight")
    assert tuple(found[name].bits for name in names) == bits
    assert found["bigram.table.weight"].bits == bits[2]
    assert found["blocks.1.attention.q_gain"].bits == 32
    assert found.keys() == MODEL.state_dict().keys()


def test_last_keys_are_kept() -> None:
    """Key matrices of the last two layers in float16."""
    found = precisions(MODEL, QuantConfig(quantizer="int6", keep_last_keys=2))
    assert [found[f"blocks.{i}.attention.key.weight"].bits for i in range(3)] == [6, 16, 16]
