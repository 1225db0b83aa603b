"""The file format: bit-exact, deterministic, and anything else is refused."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_model.artifact.codecs import CODECS
from reference_model.artifact.format import DTYPES, ArtifactError, decoded, encoded

arrays = st.dictionaries(
    st.text(max_size=8),
    st.sampled_from(DTYPES).flatmap(lambda t: hnp.arrays(t, hnp.array_shapes(min_dims=0, max_side=5))),
    max_size=4,
)


@given(arrays, st.sampled_from(CODECS))
def test_round_trip_is_bit_exact(given_arrays: dict[str, np.ndarray], codec: str) -> None:
    """Names, order, types, shapes and bits; NaN and negative zero too; the same input gives the same bytes."""
    data = encoded(given_arrays, codec)
    assert data == encoded(given_arrays, codec)
    found = decoded(data)
    assert list(found) == list(given_arrays)
    for name, array in given_arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


SAMPLE = encoded({"a": np.arange(6, dtype=np.int8).reshape(2, 3), "b": np.ones(4, dtype=np.float16)}, "zlib")


@given(st.integers(0, len(SAMPLE) - 1))
def test_a_file_that_was_cut_off_is_refused(length: int) -> None:
    """At any length."""
    with pytest.raises(ArtifactError):
        decoded(SAMPLE[:length])


@given(st.integers(0, len(SAMPLE) - 1), st.integers(1, 255))
def test_a_changed_file_is_refused(place: int, change: int) -> None:
    """A flip of any byte."""
    data = bytearray(SAMPLE)
    data[place] ^= change
    with pytest.raises(ArtifactError):
        decoded(bytes(data))


@given(st.binary(max_size=200))
def test_anything_else_is_refused(data: bytes) -> None:
    """No other bytes are an artifact."""
    with pytest.raises(ArtifactError):
        decoded(data)


def test_an_unknown_type_is_refused() -> None:
    """The message names the array."""
    with pytest.raises(ArtifactError, match="weights is float64"):
        encoded({"weights": np.zeros(2)}, "zlib")
