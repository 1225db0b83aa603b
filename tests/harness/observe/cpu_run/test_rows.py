"""Rows go between guest and host as they are."""

from __future__ import annotations

import numpy as np
import pytest

from harness.observe.cpu_run.rows import packed, rows_of, unpacked


def test_round_trip() -> None:
    """Positions, values to the last bit and sources come back."""
    rows = rows_of(np.array([3, 1, 3]), np.array([0.1, float(np.float32(2.7)), 1e-300]))
    rows["source"] = [0, 1 << 63, 7]
    found = unpacked(packed(rows))
    assert found is not None
    assert found.tolist() == rows.tolist()


@pytest.mark.parametrize("text", ["no base64!", "AAAA", "é"])
def test_what_is_none(text: str) -> None:
    """What a submission wrote instead is no row, and no error."""
    assert unpacked(text) is None
