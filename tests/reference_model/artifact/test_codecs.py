"""Codecs: any bytes come back, from every codec."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_model.artifact.codecs import CODECS, codec, shuffled, unshuffled


@pytest.mark.parametrize("name", CODECS)
@given(data=st.binary(max_size=300))
def test_round_trip(name: str, data: bytes) -> None:
    """Compressed and decompressed to the length that was announced."""
    made = codec(name)
    assert made.decompress(made.compress(data), len(data)) == data


@given(st.binary(max_size=50))
def test_shuffling_is_undone(data: bytes) -> None:
    """Odd lengths too."""
    assert unshuffled(shuffled(data)) == data
