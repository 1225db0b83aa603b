"""Rotations: they keep lengths, tell distances only, and leave the rest of a head alone."""

import torch

from reference_model.config import ModelConfig
from reference_model.model.gpt import GPT
from reference_model.model.rope import rope_tables, rotated


def heads(seed: int = 0) -> torch.Tensor:
    """(1, 1, 10, 16)."""
    return torch.randn(1, 1, 10, 16, generator=torch.Generator().manual_seed(seed))


def test_dimensions_beyond_the_rotated_stay() -> None:
    """Partial rotation touches the first dims only, and keeps their length."""
    x = heads()
    y = rotated(x, *rope_tables(10, 6, 10_000.0))
    assert torch.equal(y[..., 6:], x[..., 6:])
    torch.testing.assert_close(y.norm(dim=-1), x.norm(dim=-1))


def test_scores_depend_on_the_distance_alone() -> None:
    """The same two vectors three apart have the same product anywhere."""
    cos, sin = rope_tables(10, 16, 10_000.0)
    q = rotated(heads(1)[:, :, :1].expand(1, 1, 10, 16), cos, sin)[0, 0]
    k = rotated(heads(2)[:, :, :1].expand(1, 1, 10, 16), cos, sin)[0, 0]
    products = [float(q[i + 3] @ k[i]) for i in range(7)]
    torch.testing.assert_close(products, [products[0]] * 7, rtol=1e-4, atol=1e-5)


def test_all_dimensions_rotated_is_full_rotation() -> None:
    """Naming all dimensions of a head is naming none, and the products are those of complex numbers."""
    full, named = (
        GPT(ModelConfig(vocab_size=8, num_layers=1, model_dim=32, num_heads=2, num_kv_heads=1, rope_dims=dims), 16)
        for dims in (0, 16)
    )
    cos, sin = full.positions(10, torch.device("cpu"))[:2]
    assert torch.equal(cos, named.positions(10, torch.device("cpu")).cos)
    x = heads()
    turned = torch.complex(x[..., :8], x[..., 8:]) * torch.complex(cos, -sin)
    torch.testing.assert_close(rotated(x, cos, sin), torch.cat((turned.real, turned.imag), dim=-1))


def test_short_sequences_are_not_stretched() -> None:
    """NTK scaling begins beyond the length of training."""
    plain, same, longer = (rope_tables(n, 16, 100.0, trained=32) for n in (32, 16, 64))
    assert torch.equal(plain[0], rope_tables(32, 16, 100.0)[0])
    assert torch.equal(same[0], plain[0][:16])
    assert not torch.equal(longer[0][:32], plain[0])
    # The fastest frequency stays, the slowest is slowed by the stretch.
    torch.testing.assert_close(longer[1][1, 0], plain[1][1, 0])
    torch.testing.assert_close(longer[1].asin()[1, -1] * 2, plain[1].asin()[1, -1], rtol=1e-4, atol=1e-6)
