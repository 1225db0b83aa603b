"""The shard format."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.observe.cpu_run.inputs.shards import HEADER_BYTES, ShardError, pack_shard, unpack_shard


@given(st.lists(st.integers(0, 65_535)))
def test_what_is_written_is_read(values: list[int]) -> None:
    """Any row of 16-bit values comes back."""
    assert unpack_shard(pack_shard(np.array(values, np.int64))).tolist() == values


def test_the_bytes_are_those_of_the_format() -> None:
    """256 little-endian int32, magic 20240520, version 1, count; then little-endian uint16."""
    data = pack_shard(np.array([1, 258], np.uint16))
    assert struct.unpack("<4i", data[:16]) == (20240520, 1, 2, 0)
    assert not any(data[12:HEADER_BYTES])
    assert data[HEADER_BYTES:] == bytes([1, 0, 2, 1])


@pytest.mark.parametrize("values", [[-1], [65_536], [[1]]])
def test_values_that_do_not_fit_are_refused(values: list[int]) -> None:
    """Nothing is cut to 16 bits silently."""
    with pytest.raises(ShardError):
        pack_shard(np.array(values))


@pytest.mark.parametrize(
    "damage", [lambda d: d[:-1], lambda d: d[:100], lambda d: b"\0" * 4 + d[4:], lambda d: d + b"00"]
)
def test_a_damaged_shard_is_refused(damage) -> None:
    """Wrong magic, a header cut short, too few or too many values."""
    with pytest.raises(ShardError):
        unpack_shard(damage(pack_shard(np.arange(5))))
