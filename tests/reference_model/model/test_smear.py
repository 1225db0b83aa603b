"""SmearGate: a convex blend with the token before."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_model.model.smear import SmearGate


def test_it_starts_as_an_even_blend_and_keeps_the_scale() -> None:
    """Sigmoid(0) is a half; no element grows beyond the largest of the two."""
    gate = SmearGate(4, resets=False, bos_id=1)
    x = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    y = gate(x, torch.full((2, 6), 5))
    torch.testing.assert_close(y[:, 1:], (x[:, 1:] + x[:, :-1]) / 2)
    torch.testing.assert_close(y[:, 0], x[:, 0] / 2)
    assert y.abs().max() <= x.abs().max()


@given(st.lists(st.integers(0, 3), min_size=2, max_size=12), st.integers(0, 999))
def test_with_resets_a_document_knows_nothing_of_the_one_before(ids: list[int], seed: int) -> None:
    """Whatever stands before a BOS (1), what comes from it on is the same."""
    gate, random = SmearGate(4, resets=True, bos_id=1), torch.Generator().manual_seed(seed)
    tokens = torch.tensor([ids])
    first, second = torch.randn(2, 1, len(ids), 4, generator=random)
    for start in (i for i, token in enumerate(ids) if token == 1):
        other = torch.cat((second[:, :start], first[:, start:]), dim=1)
        assert torch.equal(gate(first, tokens)[:, start:], gate(other, tokens)[:, start:])


def test_a_shut_gate_is_the_identity() -> None:
    """A gate far below zero lets nothing of the token before in."""
    gate = SmearGate(4, resets=False, bos_id=1)
    torch.nn.init.constant_(gate.gate, -200.0)
    x = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(gate(x, torch.full((1, 5), 5)), x)
