"""Attention: groups, gains and windows are what their definitions say."""

from dataclasses import replace

import torch

from reference_model.config import ModelConfig
from reference_model.model.attention import Attention, window_mask
from reference_model.model.gpt import GPT

CONFIG = ModelConfig(vocab_size=64, model_dim=32, num_heads=4, num_kv_heads=2, num_layers=1)


def attention(config: ModelConfig) -> Attention:
    """A layer whose weights are all alive."""
    layer = Attention(config, exclusive=False)
    random = torch.Generator().manual_seed(0)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=random)
    return layer


def test_grouped_queries_equal_full_attention_with_repeated_heads() -> None:
    """Sharing keys and values in groups is repeating them for every head."""
    grouped, full = attention(CONFIG), attention(replace(CONFIG, num_kv_heads=4))
    with torch.no_grad():
        for name in ("query", "output"):
            getattr(full, name).weight.copy_(getattr(grouped, name).weight)
        for name in ("key", "value"):
            heads = getattr(grouped, name).weight.view(2, 8, 32)
            getattr(full, name).weight.copy_(heads.repeat_interleave(2, dim=0).reshape(32, 32))
        assert grouped.q_gain is not None
        assert full.q_gain is not None
        full.q_gain.copy_(grouped.q_gain)
    positions = GPT(CONFIG, 16).positions(12, torch.device("cpu"))
    x = torch.randn(2, 12, 32, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(grouped(x, positions), full(x, positions))


def test_the_window_ends() -> None:
    """A token sees itself and window - 1 tokens before it, and nothing else."""
    mask = window_mask(6, 3)
    assert mask is not None
    assert mask.sum(dim=1).tolist() == [1, 2, 3, 3, 3, 3]
    assert mask[5].tolist() == [False, False, False, True, True, True]
    assert window_mask(6, 6) is None
    assert window_mask(6, 0) is None


def test_a_token_beyond_the_window_has_no_gradient() -> None:
    """One layer with a window of 3: the fourth token back does not matter."""
    config = replace(CONFIG, attention_window=3)
    layer = attention(config)
    positions = GPT(config, 16).positions(8, torch.device("cpu"))
    x = torch.randn(1, 8, 32, generator=torch.Generator().manual_seed(2), requires_grad=True)
    layer(x, positions)[0, 7].sum().backward()
    assert x.grad is not None
    assert [bool(row.abs().sum() > 0) for row in x.grad[0]] == [False] * 5 + [True] * 3
