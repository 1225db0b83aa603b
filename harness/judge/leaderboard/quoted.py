"""Published p-values: which of the usual conventions gives the digits that were printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean, pstdev, stdev

from harness.judge.leaderboard.chain import MARGIN_NATS
from harness.judge.leaderboard.entry import Entry
from harness.judge.statistics import student
from harness.model.published import Quoted

_PRINTED_DIGITS = 5
"""Digits to which submissions print their means and deviations."""


@dataclass(frozen=True)
class _Sample:
    """Mean, standard deviation and size of a set of scores."""

    mean: float
    deviation: float
    n: int


def reproduce(quoted: Quoted, entry: Entry, against: Entry) -> Quoted:
    """`quoted` with the first convention that gives its digits, or with the plain test where none does."""
    computed = None
    for convention, value in _conventions(entry, against):
        computed = value if computed is None else computed
        if _prints(value, quoted.printed):
            return quoted.model_copy(update={"convention": convention, "computed": value})
    return quoted.model_copy(update={"computed": computed})


def _prints(value: float, printed: str) -> bool:
    return f"{value:.{len(printed.partition('.')[2])}f}" == printed


def _conventions(entry: Entry, against: Entry) -> Iterator[tuple[str, float]]:
    """(words, p-value) of every convention that the numbers of runs allow, the plain one first."""
    margin = MARGIN_NATS / (against.nats_per_bpb or entry.nats_per_bpb or math.inf)
    for words, sample in _SAMPLES.items():
        new, old = sample(entry), sample(against)
        if new is not None and old is not None and new.n > 1 and old.n > 1:
            yield f"Welch, {words}, no margin", welch(new, old, 0.0)
    sample = _SAMPLES["sample deviation"]
    new, old = sample(entry), sample(against)
    if new is not None and old is not None and new.n > 1:
        fixed = _Sample(old.mean, 0.0, 1)
        yield "one-sample, sample deviation, no margin", welch(new, fixed, 0.0)
        if old.n > 1:
            yield f"Welch, sample deviation, margin {MARGIN_NATS} nats", welch(new, old, margin)
        yield f"one-sample, sample deviation, margin {MARGIN_NATS} nats", welch(new, fixed, margin)


def welch(new: _Sample, old: _Sample, margin: float) -> float:
    """One-sided p-value of "`new` is more than `margin` below `old`"; an `old` of size 1 is a fixed target."""
    one, other = new.deviation**2 / new.n, old.deviation**2 / old.n
    if one + other == 0:
        return 0.0 if new.mean < old.mean - margin else 1.0
    weights = one**2 / (new.n - 1) + (other**2 / (old.n - 1) if old.n > 1 else 0.0)
    return student((new.mean - old.mean + margin) / math.sqrt(one + other), (one + other) ** 2 / weights)


def _sample(deviation: Callable[[list[float]], float], digits: int | None) -> Callable[[Entry], _Sample | None]:
    def of(entry: Entry) -> _Sample | None:
        scores = entry.scores
        if not scores:
            return None
        mean, spread = fmean(scores), deviation(scores) if len(scores) > 1 else 0.0
        return _Sample(
            round(mean, digits) if digits else mean, round(spread, digits) if digits else spread, len(scores)
        )

    return of


def _claimed(entry: Entry) -> _Sample | None:
    """Mean and deviation as submission.json states them."""
    if entry.claim is None or entry.claimed_deviation is None or not entry.scores:
        return None
    return _Sample(
        round(entry.claim, _PRINTED_DIGITS), round(entry.claimed_deviation, _PRINTED_DIGITS), len(entry.scores)
    )


_SAMPLES: dict[str, Callable[[Entry], _Sample | None]] = {
    "sample deviation": _sample(stdev, None),
    "population deviation": _sample(pstdev, None),
    "means and deviations as submission.json states them": _claimed,
    "means and sample deviations rounded to five digits": _sample(stdev, _PRINTED_DIGITS),
    "means and population deviations rounded to five digits": _sample(pstdev, _PRINTED_DIGITS),
}
