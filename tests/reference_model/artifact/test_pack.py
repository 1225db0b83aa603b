"""Packing: what is loaded is what was quantised, and the same weights give the same file."""

from dataclasses import replace

import pytest
import torch

from reference_model.artifact.format import ArtifactError, encoded
from reference_model.artifact.pack import loaded, model_of, packed, state_of
from reference_model.config import Config, ModelConfig, QuantConfig
from reference_model.model.gpt import GPT
from reference_model.quant.gptq import collected
from reference_model.quant.grid import dequantized, quantized

CONFIG = Config(ModelConfig(vocab_size=64, num_layers=2, model_dim=32, num_heads=4, num_kv_heads=2, smear=True))
MODEL = GPT(replace(CONFIG.model, tied_embed_init_std=0.5), 16, seed=3)
IDS = torch.randint(0, 64, (2, 16), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("quantizer", ["int8", "int6", "mixed", "gptq"])
@pytest.mark.parametrize("codec", ["zlib", "brotli"])
def test_a_loaded_model_packs_to_the_same_weights(quantizer: str, codec: str) -> None:
    """Packing is deterministic, and unpacking gives a model that computes."""
    config = QuantConfig(quantizer=quantizer, codec=codec)
    hessians = collected(MODEL, [IDS]) if quantizer == "gptq" else None
    artifact = packed(MODEL, config, hessians)
    assert artifact == packed(MODEL, config, hessians)
    model = model_of(artifact, CONFIG)
    close = (model.nll(IDS, IDS) - MODEL.nll(IDS, IDS)).abs().max()
    assert close < 0.2


def test_integers_are_those_of_the_grid() -> None:
    """A matrix of the loaded state is the dequantised grid, bit for bit; vectors come back unchanged."""
    state = state_of(packed(MODEL, QuantConfig(quantizer="int6")))
    name = "blocks.0.mlp.up.weight"
    assert torch.equal(state[name], dequantized(quantized(MODEL.get_parameter(name), 6)))
    assert torch.equal(state["smear.gate"], MODEL.get_parameter("smear.gate"))


def test_training_with_fake_quantisation_sees_the_packed_model() -> None:
    """With `qat_bits` on every matrix the float model computes what the packed one does, tables aside."""
    fake = GPT(CONFIG.model, 16)
    fake.load_state_dict(MODEL.state_dict())
    for module in fake.modules():
        if hasattr(module, "qat_bits"):
            module.qat_bits = 6
    real = model_of(packed(MODEL, QuantConfig(quantizer="int6", keep_embed=True)), CONFIG)
    with torch.no_grad():
        fake.embedding.weight.copy_(fake.embedding.weight.half().float())
    assert torch.equal(fake.nll(IDS, IDS), real.nll(IDS, IDS))


def test_the_legacy_floor_ruins_small_rows() -> None:
    """With scales of at least 1/31, rows of small weights lose most of their levels: so it is not the default."""
    model = GPT(CONFIG.model, 16)
    torch.nn.init.normal_(model.get_parameter("blocks.0.mlp.up.weight"), std=0.05)
    weight = model.get_parameter("blocks.0.mlp.up.weight").detach()
    errors = []
    for floor in ("eps", "legacy"):
        state = state_of(packed(model, QuantConfig(quantizer="int6", scale_floor=floor)))
        errors.append(float((state["blocks.0.mlp.up.weight"] - weight).norm() / weight.norm()))
    assert errors[1] > 3 * errors[0]


def test_weights_of_another_model_are_refused() -> None:
    """A missing tensor, another shape, a matrix without its scales."""
    with pytest.raises(ArtifactError, match="another model"):
        loaded(GPT(CONFIG.model, 16), {"embedding.weight": torch.zeros(64, 32)})
    codes = quantized(torch.ones(2, 2), 8).codes.numpy()
    with pytest.raises(ArtifactError, match="scales"):
        state_of(encoded({"a": codes}, "zlib"))


def test_gptq_needs_hessians() -> None:
    """It does not fall back to plain rounding in silence."""
    with pytest.raises(ValueError, match="Hessians"):
        packed(MODEL, QuantConfig(quantizer="gptq"))
