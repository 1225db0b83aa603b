"""One layer: scales by depth, mixing of the embedding, both halves in parallel."""

import math
from dataclasses import replace

import pytest
import torch

from reference_model.config import ModelConfig
from reference_model.model.block import Block
from reference_model.model.gpt import GPT

CONFIG = ModelConfig(vocab_size=64, num_layers=5, model_dim=32, num_heads=4, num_kv_heads=2)


@pytest.mark.parametrize("layer", [0, 3])
def test_input_is_scaled_by_depth(layer: int) -> None:
    """(layer + 1)^-1/2, the physical layer counting from 0."""
    assert Block(replace(CONFIG, ln_scale=True), layer).input_scale == 1 / math.sqrt(layer + 1)
    assert Block(CONFIG, layer).input_scale == 1.0


def test_phase_mixing_goes_from_the_embedding_to_the_stream() -> None:
    """Shares add up to one, and that of the stream grows with depth, a half in the middle."""
    mixes = [Block(replace(CONFIG, resid_mix="phase"), i).resid_mix for i in range(5)]
    shares = [mix[0, 0].item() for mix in mixes if mix is not None]
    assert shares == sorted(shares)
    assert shares[2] == pytest.approx(0.5)
    assert all(torch.allclose(mix.sum(dim=0), torch.ones(32)) for mix in mixes if mix is not None)


def test_parallel_halves_read_the_same_stream() -> None:
    """Both join x at once: x + attention(norm x) + mlp(norm x)."""
    block = Block(replace(CONFIG, parallel_from=0, resid_mix="off"), 1)
    random = torch.Generator().manual_seed(0)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=random)
    x = torch.randn(1, 6, 32, generator=random)
    positions = GPT(CONFIG, 16).positions(6, torch.device("cpu"))
    normed = torch.nn.functional.rms_norm(x, (32,))
    expected = x + block.attention_scale * block.attention(normed, positions) + block.mlp_scale * block.mlp(normed)
    torch.testing.assert_close(block(x, x, positions), expected)
