"""Adapters: nothing at first, and a row learns nothing of another."""

import torch

from reference_model.model.adapters import Adapter, Adapters


def test_a_new_adapter_adds_nothing_and_reset_brings_that_back() -> None:
    """B is zero."""
    adapter = Adapter(2, 8, 6, rank=4)
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    assert not adapter(x).any()
    torch.nn.init.ones_(adapter.up)
    assert adapter(x).any()
    adapter.reset()
    assert not adapter(x).any()


def test_rows_are_independent() -> None:
    """Row 1's loss gives row 0's matrices no gradient."""
    adapter = Adapter(2, 8, 6, rank=4)
    torch.nn.init.ones_(adapter.up)
    adapter(torch.ones(2, 5, 8))[1].sum().backward()
    for matrix in (adapter.down, adapter.up):
        assert matrix.grad is not None
        assert not matrix.grad[0].any()
        assert matrix.grad[1].any()


def test_names_lead_to_layers() -> None:
    """Adapters below a module are found by the rest of their names."""
    one = Adapter(1, 4, 4, rank=2)
    adapters = Adapters({"blocks.3.attention.query": one})
    assert adapters.of("blocks.3").of("attention").get("query") is one
    assert adapters.of("blocks.30").get("attention.query") is None
    assert len(list(adapters.parameters())) == 2
