"""Adapters: nothing at first, and a row learns nothing of another."""

import torch

from reference_model.model.adapters import Adapter, Adapters


def adapter_of(rows: int, seed: int = 0) -> Adapter:
    """From 8 to 6 dimensions, rank 4."""
    return Adapter(rows, 8, 6, rank=4, generator=torch.Generator().manual_seed(seed))


def test_a_new_adapter_adds_nothing() -> None:
    """B is zero; A lies in ±1/√in, the same in every row, and comes from the generator alone."""
    adapter = adapter_of(2)
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    assert not adapter(x).any()
    assert adapter.down.abs().max() <= 8**-0.5
    assert torch.equal(adapter.down[0], adapter.down[1])
    assert torch.equal(adapter.down[:1], adapter_of(1).down)
    assert not torch.equal(adapter.down, adapter_of(2, seed=1).down)


def test_rows_are_independent() -> None:
    """Row 1's loss gives row 0's matrices no gradient."""
    adapter = adapter_of(2)
    torch.nn.init.ones_(adapter.up)
    adapter(torch.ones(2, 5, 8))[1].sum().backward()
    for matrix in (adapter.down, adapter.up):
        assert matrix.grad is not None
        assert not matrix.grad[0].any()
        assert matrix.grad[1].any()


def test_names_lead_to_layers() -> None:
    """Adapters below a module are found by the rest of their names."""
    one = adapter_of(1)
    adapters = Adapters({"blocks.3.attention.query": one})
    assert adapters.of("blocks.3").of("attention").get("query") is one
    assert adapters.of("blocks.30").get("attention.query") is None
    assert len(list(adapters.parameters())) == 2
