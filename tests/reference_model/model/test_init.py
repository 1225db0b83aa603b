"""First values: zero outputs, orthogonal matrices, overtones."""

from dataclasses import replace

import torch

from reference_model.config import ModelConfig
from reference_model.model.gpt import GPT
from reference_model.model.init import spectral
from reference_model.model.linear import Linear

CONFIG = ModelConfig(vocab_size=64, num_layers=2, model_dim=32, num_heads=4, num_kv_heads=2, bigram_buckets=2_000)


def test_tables_have_their_own_spread() -> None:
    """The tied embedding and the bigram table are drawn with different deviations; equal seeds draw equal weights."""
    model, same, other = GPT(CONFIG, 16, seed=1), GPT(CONFIG, 16, seed=1), GPT(CONFIG, 16, seed=2)
    assert model.bigram is not None
    assert abs(model.embedding.weight.std().item() / CONFIG.tied_embed_init_std - 1) < 0.1
    assert abs(model.bigram.table.weight.std().item() / 0.01 - 1) < 0.1
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True))
    assert not torch.equal(model.embedding.weight, other.embedding.weight)


def test_orthogonal_matrices() -> None:
    """WᵀW = 1 for every matrix that does not start at zero."""
    model = GPT(replace(CONFIG, ortho_init=True, value_embed_layers=1, value_embed_dim=8), 16)
    linears = {name: module for name, module in model.named_modules() if isinstance(module, Linear)}
    zero = {name for name, module in linears.items() if not module.weight.any()}
    assert zero == {"bigram.project"} | {
        f"blocks.{i}.{name}" for i in (0, 1) for name in ("attention.output", "mlp.down")
    }
    for name in linears.keys() - zero:
        w = linears[name].weight.detach()
        gram = w.T @ w if w.size(0) >= w.size(1) else w @ w.T
        torch.testing.assert_close(gram, torch.eye(len(gram)), rtol=1e-4, atol=1e-5, msg=name)


def test_singular_values_follow_the_power_law() -> None:
    """S_k = S_1 / sqrt(k), with the directions kept."""
    weight = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(spectral(weight))
    torch.testing.assert_close(values, values[0] * torch.arange(1, 9).float() ** -0.5, rtol=1e-4, atol=1e-5)
