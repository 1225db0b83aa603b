"""Attention: groups, gains and windows are what their definitions say."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from reference_model.config import ModelConfig
from reference_model.model.attention import Attention
from reference_model.model.gpt import GPT
from reference_model.model.kernel import attended

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


def test_the_gain_scales_the_scores_of_its_head() -> None:
    """Queries and keys are normalised, so a gain of c is a factor c of every product of the head, whatever x's size."""
    layer = attention(replace(CONFIG, num_kv_heads=4))
    positions = GPT(CONFIG, 16).positions(6, torch.device("cpu"))
    x = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(3))
    asked: list[Tensor] = []

    def heard(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, window: int
    ) -> torch.Tensor:
        asked.append(q @ k.transpose(-1, -2))
        return attended(q, k, v, mask, window)

    assert layer.q_gain is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reference_model.model.attention.attended", heard)
        torch.nn.init.ones_(layer.q_gain)
        layer(x, positions)
        with torch.no_grad():
            layer.q_gain[1] = 3.0
        layer(5 * x, positions)
    factors = torch.tensor([1.0, 3.0, 1.0, 1.0])[None, :, None, None]
    torch.testing.assert_close(asked[1], factors * asked[0], rtol=1e-4, atol=1e-5)


def test_with_xsa_the_first_token_brings_nothing() -> None:
    """It sees itself alone, and its own value is taken out; the second token brings something."""
    layer = attention(CONFIG)
    layer.exclusive = True
    x = torch.randn(1, 4, 32, generator=torch.Generator().manual_seed(4))
    y = layer(x, GPT(CONFIG, 16).positions(4, torch.device("cpu")))
    assert y[0, 0].abs().max() < 1e-6
    assert y[0, 1].abs().max() > 1e-2


def test_a_token_beyond_the_window_has_no_gradient() -> None:
    """One layer with a window of 3: the fourth token back does not matter."""
    config = replace(CONFIG, attention_window=3)
    layer = attention(config)
    positions = GPT(config, 16).positions(8, torch.device("cpu"))
    x = torch.randn(1, 8, 32, generator=torch.Generator().manual_seed(2), requires_grad=True)
    layer(x, positions)[0, 7].sum().backward()
    assert x.grad is not None
    assert [bool(row.abs().sum() > 0) for row in x.grad[0]] == [False] * 5 + [True] * 3
