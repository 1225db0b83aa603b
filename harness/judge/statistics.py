"""One-sided t-tests of a mean score against the score to beat: plain functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from harness.model.competition import SignificanceTest

_ABSURD = 1e100
"""Logs may print any number; the square of a larger one has no place in arithmetic."""


@dataclass(frozen=True)
class Tested:
    """A test that was computed: its words for people, Student's t, its degrees of freedom and the p-value."""

    name: str
    t: float
    degrees: float
    p: float


def lower_mean(
    scores: Sequence[float], record: Sequence[float], margin: float, kind: SignificanceTest
) -> Tested | None:
    """Test of "the mean of `scores` is more than `margin` below the mean of `record`"; all in one unit.

    None for fewer than two scores, which carry no spread, and for numbers beyond any score. Scores without any spread
    (printed with few digits) count as exact: p is 0 or 1. Raises ValueError for an empty `record`.
    """
    if not record:
        raise ValueError("a record has at least one score")
    if len(scores) < 2 or max(map(abs, (*scores, *record))) > _ABSURD:
        return None
    variance = stdev(scores) ** 2 / len(scores)
    welch = kind is SignificanceTest.WELCH and len(record) > 1
    other = stdev(record) ** 2 / len(record) if welch else 0.0
    name = f"{'Welch' if welch else 'one-sample'} t-test, one-sided"
    degrees = float(len(scores) - 1)
    if welch and variance + other > 0:
        degrees = (variance + other) ** 2 / (variance**2 / (len(scores) - 1) + other**2 / (len(record) - 1))
    difference = fmean(scores) - (fmean(record) - margin)
    error = math.sqrt(variance + other)
    if error == 0:
        return Tested(name, math.copysign(math.inf, difference), degrees, 0.0 if difference < 0 else 1.0)
    t = difference / error
    return Tested(name, t, degrees, student(t, degrees))


def student(t: float, degrees: float) -> float:
    """Probability of a value below `t` under Student's distribution."""
    from scipy.special import stdtr  # imported when first needed: it costs more than everything else of a check

    return float(stdtr(degrees, t))
