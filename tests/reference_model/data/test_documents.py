"""Documents: they begin with BOS and together are the stream."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reference_model.data.documents import documents


@given(st.lists(st.integers(0, 3), max_size=40))
def test_documents_tile_the_stream(tokens: list[int]) -> None:
    """No token is in two documents or in none, and BOS stands only at a document's start."""
    found = documents(np.array(tokens, dtype=np.uint16), bos_id=1)
    assert [i for one in found for i in range(one.start, one.end)] == list(range(len(tokens)))
    starts = {one.start for one in found}
    assert {i for i, token in enumerate(tokens) if token == 1} | ({0} if tokens else set()) == starts
