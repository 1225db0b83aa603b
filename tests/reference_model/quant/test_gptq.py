"""GPTQ: closer than plain rounding where inputs vary together, and on the same grid."""

import torch

from reference_model.config import ModelConfig
from reference_model.model.gpt import GPT
from reference_model.quant.gptq import clipped_scales, collected, gptq
from reference_model.quant.grid import dequantized, quantized


def problem() -> tuple[torch.Tensor, torch.Tensor]:
    """A matrix (24, 200) and inputs (1000, 200) whose columns vary together."""
    random = torch.Generator().manual_seed(0)
    mixing = torch.randn(40, 200, generator=random)
    inputs = torch.randn(1_000, 40, generator=random) @ mixing + 0.1 * torch.randn(1_000, 200, generator=random)
    return torch.randn(24, 200, generator=random), inputs


def test_error_on_inputs_is_smaller_than_that_of_rounding() -> None:
    """‖X (W - Ŵ)ᵀ‖ falls well below that of rounding to the nearest, with the same scales."""
    weight, inputs = problem()
    scales = clipped_scales(weight, 4, 3.0)
    ours = gptq(weight, inputs.T @ inputs, 4, scales)
    nearest = quantized(weight, 4, scales)
    error, plain = ((inputs @ (weight - dequantized(q)).T).norm() for q in (ours, nearest))
    assert error < 0.6 * plain
    assert torch.equal(ours.scales, nearest.scales)
    assert ours.codes.abs().max() <= 7


def test_clipping_is_a_multiple_of_a_rows_deviation() -> None:
    """The scale is clip · std(row) / qmax: the largest code stands for that many standard deviations."""
    weight, _ = problem()
    scales = clipped_scales(weight, 6, 12.85).float()
    torch.testing.assert_close(31 * scales, 12.85 * weight.std(dim=1), rtol=1e-3, atol=0)
    assert (clipped_scales(torch.zeros(3, 4), 6, 12.85) > 0).all()


def test_with_independent_inputs_it_is_plain_rounding() -> None:
    """A diagonal Hessian leaves nothing to make up for."""
    weight, _ = problem()
    scales = clipped_scales(weight, 6, 12.85)
    ours = gptq(weight, torch.eye(200), 6, scales)
    assert torch.equal(ours.codes, quantized(weight, 6, scales).codes)


def test_inputs_that_are_never_used_do_no_harm() -> None:
    """A column whose input is always zero gets the code zero."""
    weight, inputs = problem()
    inputs[:, 7] = 0
    assert not gptq(weight, inputs.T @ inputs, 6, clipped_scales(weight, 6, 12.85)).codes[:, 7].any()


def test_every_layer_is_heard() -> None:
    """Hessians have the size of each layer's input, add up over batches, and leave no hook behind."""
    model = GPT(ModelConfig(vocab_size=64, num_layers=2, model_dim=32, num_heads=4, num_kv_heads=2), 16)
    batch = torch.randint(0, 64, (2, 16), generator=torch.Generator().manual_seed(0))
    once, twice = collected(model, [batch]).sums, collected(model, [batch, batch]).sums
    assert len(once) == 2 * 6 + 1
    assert once["blocks.1.mlp.up.weight"].shape == (32, 32)
    assert once["blocks.1.mlp.down.weight"].shape == (64, 64)
    torch.testing.assert_close(twice["embedding.weight"], 2 * once["embedding.weight"])
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_an_output_matrix_that_is_not_tied_is_heard() -> None:
    """It is given the last states, as the embedding is where it is tied."""
    sizes = {"vocab_size": 64, "num_layers": 1, "model_dim": 32, "num_heads": 4, "num_kv_heads": 2}
    batch = torch.randint(0, 64, (2, 16), generator=torch.Generator().manual_seed(0))
    tied, free = (GPT(ModelConfig(**sizes, tie_embeddings=tie), 16) for tie in (True, False))  # type: ignore[arg-type]  # by name
    free.load_state_dict({**free.state_dict(), **tied.state_dict()})
    found = collected(free, [batch]).sums
    assert "embedding.weight" not in found
    torch.testing.assert_close(found["head.weight"], collected(tied, [batch]).sums["embedding.weight"])
