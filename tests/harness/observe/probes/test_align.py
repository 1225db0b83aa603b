"""Scores without places get them where two runs part as far from each other as their streams do."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.observe.cpu_run.rows import Rows, rows_of
from harness.observe.probes.align import SLACK, aligned, parted

SIZE = 400


def scores(parting: int | None = None, shift: int = 0, size: int = SIZE) -> Rows:
    """Scores of a run in order, at no known place; after a parting of the stream they are others.

    The first is that of token 1, or of `shift` tokens later.
    """
    values = np.arange(size, dtype=np.float64) / 7
    if parting is not None:
        values[max(0, parting - shift) :] += 0.5
    return rows_of(np.full(size, -1), values)


@given(st.integers(0, 20), st.integers(30, 90), st.integers(100, 180))
def test_in_order(shift: int, first: int, second: int) -> None:
    """Every score has its token, whatever was left out before the first."""
    found = aligned(scores(), [(at, scores(at, shift)) for at in (first, second)])
    assert found is not None
    assert found["at"].tolist() == list(range(1 + shift, 1 + shift + SIZE - 2 * SLACK))


def test_tail() -> None:
    """A parting among the last windows, which score tokens again, need not agree to the token."""
    others = [(50, scores(50)), (150, scores(150)), (390, scores(370))]
    found = aligned(scores(), others)
    assert found is not None
    assert found["at"][0] == 1
    assert aligned(scores(), [*others[:2], (390, scores(300))]) is None
    assert aligned(scores(), [*others[:2], (390, scores())]) is not None, "no token after it was scored"


def test_not_in_order() -> None:
    """Nothing is placed where a score before the parting moved, where the run has another length, or nothing moved."""
    assert aligned(scores(), [(50, scores(50)), (150, scores(20))]) is None
    assert aligned(scores(), [(50, scores(50)), (150, scores(150, size=SIZE - 1))]) is None
    assert aligned(scores(), [(50, scores(50)), (150, scores())]) is None
    assert aligned(scores(), [(50, scores(50))]) is None, "one parting alone tells nothing"
    assert parted(scores(), scores()) is None
