"""Rows go between guest and host as they are."""

from __future__ import annotations

import numpy as np
import pytest

from harness.observe.cpu_run.rows import packed, rows_of, unpacked, without


def test_round_trip() -> None:
    """Positions, values to the last bit and sources come back."""
    rows = rows_of(np.array([3, 1, 3]), np.array([0.1, float(np.float32(2.7)), 1e-300]))
    rows["source"] = [0, 1 << 63, 7]
    found = unpacked(packed(rows))
    assert found is not None
    assert found.tolist() == rows.tolist()


def test_without() -> None:
    """What is taken out is gone as often as it is taken; what is not there cannot be."""
    rows = rows_of(np.array([3, 1, 3]), np.array([0.5, 1.0, 0.5]))
    left = without(rows, rows_of(np.array([3]), np.array([0.5])))
    assert left is not None
    assert left["at"].tolist() == [1, 3]
    assert without(rows, rows_of(np.array([3]), np.array([0.25]))) is None
    assert without(rows, rows_of(np.array([1, 1]), np.ones(2))) is None


@pytest.mark.parametrize("text", ["no base64!", "AAAA", "é"])
def test_what_is_none(text: str) -> None:
    """What a submission wrote instead is no row, and no error."""
    assert unpacked(text) is None
