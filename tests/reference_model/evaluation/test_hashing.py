"""The table of token pairs for evaluation: its rows by the formula, and a gradient where it was looked at only."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_model.evaluation.hashing import HashTable


@given(st.lists(st.integers(0, 65_535), min_size=1, max_size=20), st.integers(1, 20_000))
def test_rows_equal_python_integers(ids: list[int], rows: int) -> None:
    """(2039 · previous + current) mod rows, the first token following itself; no overflow."""
    table = HashTable(rows, 1)
    with torch.no_grad():
        table.table.copy_(torch.arange(rows).float()[:, None])
    expected = [(2_039 * a + b) % rows for a, b in zip([ids[0], *ids], ids, strict=False)]
    assert table(torch.tensor([ids]))[0, :, 0].tolist() == expected


def test_it_starts_at_zero_and_learns_in_visited_rows_only() -> None:
    """Nothing is added at first; rows of pairs that did not occur get no gradient."""
    table, ids = HashTable(64, 4), torch.tensor([[3, 5, 3, 5]])
    added = table(ids)
    assert added.shape == (1, 4, 4)
    assert not added.any()
    added.sum().backward()
    assert table.table.grad is not None
    visited = {(2_039 * a + b) % 64 for a, b in ((3, 3), (3, 5), (5, 3))}
    assert {int(row) for row in table.table.grad.abs().sum(dim=1).nonzero()} == visited
