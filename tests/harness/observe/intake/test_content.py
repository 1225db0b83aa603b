"""Bytes under a limit."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from harness.observe.intake.content import read_limited


@given(st.binary(max_size=4000), st.integers(min_value=8, max_value=3000))
def test_head_and_tail(data: bytes, limit: int) -> None:
    """What fits is whole; what does not is its exact head and its exact tail, at most the limit and a mark."""
    content = read_limited(io.BytesIO(data), limit)
    if len(data) <= limit:
        assert content.data == data
        assert not content.truncated
        return
    assert content.truncated
    head, _, tail = content.data.partition(b"\n[... middle not read ...]\n")
    assert data.startswith(head)
    assert data.endswith(tail)
    assert len(head) == limit - limit // 4
    assert len(tail) == limit // 4
