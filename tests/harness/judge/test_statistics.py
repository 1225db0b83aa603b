"""The t-tests against scipy's own, and at their edges."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from harness.judge.statistics import lower_mean
from harness.model.competition import SignificanceTest

ONE, WELCH = SignificanceTest.ONE_SAMPLE, SignificanceTest.WELCH
SCORES = st.lists(st.integers(10_000, 13_000).map(lambda n: n / 10_000), min_size=2, max_size=6)


@given(SCORES, SCORES, st.sampled_from([0.0, 0.003]))
def test_equals_scipy(new: list[float], record: list[float], margin: float) -> None:
    """Both tests give scipy's p-value wherever there is a spread."""
    target = [score - margin for score in record]
    assume(len(set(new)) > 1)
    tested = lower_mean(new, record, margin, ONE)
    assert tested is not None
    expected = stats.ttest_1samp(new, sum(target) / len(target), alternative="less")
    assert tested.p == pytest.approx(expected.pvalue, abs=1e-9)
    assume(len(set(record)) > 1)  # scipy warns of a sample without spread
    tested = lower_mean(new, record, margin, WELCH)
    assert tested is not None
    expected = stats.ttest_ind(new, target, equal_var=False, alternative="less")
    assert tested.p == pytest.approx(expected.pvalue, abs=1e-9)


@pytest.mark.parametrize(
    ("new", "record", "p"),
    [
        ([1.07928, 1.08025, 1.07997], [1.08103, 1.08079, 1.08118], 0.020),
        ([1.07506, 1.07645, 1.07585], [1.07928, 1.08025, 1.07997], 0.001),
        ([1.0651, 1.06517, 1.06413, 1.06357, 1.06467], [1.06473, 1.06563, 1.0661], 0.063),
    ],
)
def test_published(new: list[float], record: list[float], p: float) -> None:
    """The p-values that the organisers printed on the leaderboard are Welch tests without margin."""
    tested = lower_mean(new, record, 0.0, WELCH)
    assert tested is not None
    assert tested.p == pytest.approx(p, abs=1e-3)


def test_single_runs() -> None:
    """One run carries no test; a record of one run is a fixed target under either name."""
    assert lower_mean([1.0], [1.1, 1.2], 0.0, ONE) is None
    assert lower_mean([], [1.1], 0.0, WELCH) is None
    assert lower_mean([1.0, 1.1], [1.2], 0.0, WELCH) == lower_mean([1.0, 1.1], [1.2], 0.0, ONE)
    with pytest.raises(ValueError, match="at least one"):
        lower_mean([1.0, 1.1], [], 0.0, ONE)


@pytest.mark.parametrize(("record", "p"), [(1.2, 0.0), (1.1, 1.0), (1.0, 1.0)])
def test_no_spread(record: float, p: float) -> None:
    """Scores printed alike have no spread: better is certain, equal or worse is not better."""
    tested = lower_mean([1.1, 1.1], [record, record], 0.0, WELCH)
    assert tested is not None
    assert (tested.p, math.isinf(tested.t)) == (p, True)
