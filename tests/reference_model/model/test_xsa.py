"""XSA: nothing is left along a token's own value."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_model.model.xsa import without_own_value


def sample() -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs of 4 heads and values of 2, head dimension 8."""
    random = torch.Generator().manual_seed(0)
    return torch.randn(2, 4, 5, 8, generator=random), torch.randn(2, 2, 5, 8, generator=random)


def test_result_is_orthogonal_to_the_own_value() -> None:
    """⟨z, v⟩ = 0 for every head and position, with the value of the head's own group."""
    y, v = sample()
    z = without_own_value(y, v)
    assert (z * v.repeat_interleave(2, dim=1)).sum(-1).abs().max() < 1e-5


@given(groups=st.integers(1, 4), kv_heads=st.integers(1, 3), seq=st.integers(1, 6), seed=st.integers(0, 999))
def test_groups_share_the_value_of_their_head(groups: int, kv_heads: int, seq: int, seed: int) -> None:
    """Equal to values repeated for every head, each taken out by the formula y - (y·v) v / (v·v)."""
    random = torch.Generator().manual_seed(seed)
    y = torch.randn(2, groups * kv_heads, seq, 8, generator=random)
    v = torch.randn(2, kv_heads, seq, 8, generator=random)
    each = v.repeat_interleave(groups, dim=1)
    expected = y - (y * each).sum(-1, keepdim=True) * each / each.square().sum(-1, keepdim=True)
    torch.testing.assert_close(without_own_value(y, v), expected, rtol=1e-4, atol=1e-5)


def test_applying_it_twice_changes_nothing() -> None:
    """It is a projection."""
    y, v = sample()
    once = without_own_value(y, v)
    torch.testing.assert_close(without_own_value(once, v), once)


def test_the_first_position_brings_nothing() -> None:
    """The first token attends to itself alone, so that what is left is zero."""
    _, v = sample()
    y = v.repeat_interleave(2, dim=1)
    assert without_own_value(y, v).abs().max() < 1e-6
