"""BigramHash: rows are those of the formula in whole numbers."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_model.model.bigram import BigramHash, bigram_rows


@given(st.lists(st.integers(0, (1 << 15) - 1), min_size=1, max_size=20), st.integers(3, 10_240))
def test_rows_equal_python_integers(ids: list[int], buckets: int) -> None:
    """No overflow, no row beyond the table, zero as the token before the first."""
    rows = bigram_rows(torch.tensor([ids]), buckets)[0].tolist()
    expected = [((36_313 * a) ^ (27_191 * b)) % (buckets - 1) for a, b in zip([0, *ids], ids, strict=False)]
    assert rows == expected


def test_it_starts_by_adding_nothing() -> None:
    """Its projection is zero at first where the network initialises it."""
    table = BigramHash(32, 8, 16)
    torch.nn.init.zeros_(table.project.weight)
    assert not table(torch.tensor([[3, 4, 5]])).any()
