"""The chain of records in the order of pull requests: what each row had to beat, and by which test it did.

Tests are computed and shown. They give a row its status and never take its rank.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from harness.judge.leaderboard.candidate import Candidate
from harness.judge.record import status_of
from harness.judge.statistics import Tested, lower_mean
from harness.model.competition import Policy, SignificanceTest
from harness.model.leaderboard import RowTest
from harness.model.review import RecordStatus

MARGIN_NATS = 0.005
"""The README's margin; every row is tested with it and without, whatever the policy asks."""


@dataclass(frozen=True)
class Step:
    """One row against the row that stood when it came; `margin_nats` is how much better its mean is."""

    status: RecordStatus
    beats: Candidate | None = None
    margin_nats: float | None = None
    p_value: float | None = None
    tests: tuple[RowTest, ...] = ()


def chain(
    candidates: Iterable[Candidate], ranked: Iterable[Candidate], policy: Policy
) -> dict[tuple[int | None, str], Step]:
    """The step of every candidate, by its names.

    What stands is the lowest mean among the `ranked` rows of record tracks that the organisers took in and whose pull
    request has a lower number. Submissions nobody accepted never stand in the way of others.
    """
    held = sorted((c for c in ranked if c.entry.records and c.accepted is not None), key=lambda c: c.order)
    steps = {}
    for candidate in candidates:
        before = [c for c in held if (c.entry.pr or 0) < (candidate.entry.pr or 0)]
        standing = min(before, key=lambda c: fmean(c.entry.scores), default=None)
        steps[candidate.names] = _step(candidate, standing, policy)
    return steps


def _step(candidate: Candidate, standing: Candidate | None, policy: Policy) -> Step:
    entry = candidate.entry
    if not entry.records:
        return Step(RecordStatus.NON_RECORD)
    ratio = (standing.entry.nats_per_bpb or entry.nats_per_bpb) if standing is not None else None
    if not entry.scores or standing is None or ratio is None:
        first = bool(entry.scores) and standing is None and candidate.accepted is not None
        return Step(RecordStatus.RECORD if first else RecordStatus.UNVERIFIED, standing)
    margin = (fmean(standing.entry.scores) - fmean(entry.scores)) * ratio

    def test(kind: SignificanceTest, nats: float) -> Tested | None:
        return lower_mean(entry.scores, standing.entry.scores, nats / ratio, kind)

    shown = [(test(kind, nats), nats) for kind in SignificanceTest for nats in (0.0, MARGIN_NATS)]
    tests = {(t.name, nats): RowTest(test=t.name, margin_nats=nats, p_value=t.p) for t, nats in shown if t is not None}
    decided = test(policy.test, policy.margin_nats)
    return Step(
        status=status_of(policy, margin, decided, claimed=False),
        beats=standing,
        margin_nats=margin,
        p_value=decided.p if decided is not None else None,
        tests=tuple(tests.values()),
    )
