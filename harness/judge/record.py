"""Where a score stands against the records of its date: one comparison for each policy."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from harness.judge.case import Case, SeedRun
from harness.judge.configuration import alike
from harness.judge.statistics import Tested, lower_mean
from harness.model.competition import AcceptedRecord, Competition, Policy
from harness.model.review import Record, RecordStatus

CLAIM_TOLERANCE = 5e-4
"""Bits per byte by which a claim may differ from the lines that it is the mean of."""


@dataclass(frozen=True)
class Comparison:
    """A score against the record to beat under one policy.

    `margin_nats` is how much better the mean is, in nats per token of the record's tokenizer; `claimed` says that no
    log shows the score, so that the claim stands for it.
    """

    policy: Policy
    status: RecordStatus
    standing: AcceptedRecord | None = None
    runs: tuple[SeedRun, ...] = ()
    mean: float | None = None
    margin_nats: float | None = None
    tested: Tested | None = None
    claimed: bool = False


def standing(competition: Competition, as_of: dt.date, pr: int | None, folder: str) -> AcceptedRecord | None:
    """The record to beat on `as_of` for pull request `pr` with `folder`: the lowest score accepted until then.

    Rows accepted on the very day count where they come from earlier pull requests. A submission that is a row itself
    is compared with the table as it stood before the update that took it in, whatever was committed to it later.
    """
    own = next((r for r in competition.records if pr in r.prs or r.folder == folder.rsplit("/", 1)[-1]), None)
    day = min(as_of, own.accepted) if own is not None else as_of

    def counts(record: AcceptedRecord) -> bool:
        same_day = own is None and record.accepted == day
        return record.accepted < day or (same_day and (pr is None or max(record.prs, default=0) < pr))

    return min(filter(counts, competition.records), key=lambda record: record.score, default=None)


def compare(case: Case) -> tuple[Comparison, ...]:
    """The submission against the record of its date: under the policy in force, then under every other."""
    policies = sorted(case.competition.policies, key=lambda policy: policy.id != case.policy)
    if not case.track.records:
        return tuple(Comparison(policy, RecordStatus.NON_RECORD) for policy in policies)
    record = standing(case.competition, case.as_of, case.pr, case.facts.folder.path)
    chosen = {(run.log.path, run.run.first_line) for run in alike(case)}
    runs = tuple(run for run in _claimed_lines(case) if (run.log.path, run.run.first_line) in chosen)
    return tuple(_against(case, policy, record, runs) for policy in policies)


def record_of(case: Case) -> Record:
    """The record status of a review: by the policy in force, and beside it by every other."""
    chosen, *others = compare(case)
    return Record(
        status=chosen.status,
        test=chosen.tested.name if chosen.tested is not None else None,
        margin_nats=round(chosen.margin_nats, 6) if chosen.margin_nats is not None else None,
        p_value=chosen.tested.p if chosen.tested is not None else None,
        beats=chosen.standing.title if chosen.standing and chosen.status is RecordStatus.RECORD else None,
        by_policy={comparison.policy.id: comparison.status for comparison in (chosen, *others)},
    )


def _claimed_lines(case: Case) -> tuple[SeedRun, ...]:
    """The runs with the score lines that the claim is the mean of, where it is not the mean of the final ones.

    Logs may end with another evaluation than the one that is submitted. Diagnostic lines are never a result.
    """
    claim = case.metadata.val_bpb if case.metadata is not None else None
    if claim is None or not case.runs or _is_mean(case.runs, claim.value):
        return case.runs
    lines = [
        {score.label: score for score in run.run.scores if score.val_bpb is not None and not score.diagnostic}
        for run in case.runs
    ]
    for label in reversed(lines[0]):
        if all(label in shown for shown in lines):
            runs = tuple(replace(run, score=shown[label]) for run, shown in zip(case.runs, lines, strict=True))
            if _is_mean(runs, claim.value):
                return runs
    return case.runs


def _is_mean(runs: Sequence[SeedRun], claim: float) -> bool:
    return abs(fmean(run.score.val_bpb or 0.0 for run in runs) - claim) <= CLAIM_TOLERANCE


def _against(case: Case, policy: Policy, record: AcceptedRecord | None, runs: tuple[SeedRun, ...]) -> Comparison:
    scores = [run.score.val_bpb for run in runs if run.score.val_bpb is not None]
    claim = case.metadata.val_bpb if case.metadata is not None else None
    mean = fmean(scores) if scores else claim.value if claim is not None else None
    if record is None or mean is None:
        return Comparison(policy, RecordStatus.UNVERIFIED, record, runs)
    ratio = record.nats_per_bpb
    margin = (fmean(record.val_bpb) - mean) * ratio
    tested = lower_mean(scores, record.val_bpb, policy.margin_nats / ratio, policy.test)
    status = status_of(policy, margin, tested, claimed=not scores)
    return Comparison(policy, status, record, runs, mean, margin, tested, claimed=not scores)


def status_of(policy: Policy, margin: float, tested: Tested | None, *, claimed: bool) -> RecordStatus:
    """The status under `policy` of a mean that is better by `margin` nats; `claimed` where no log shows it."""
    if margin <= 0:
        return RecordStatus.NOT_BETTER
    if tested is not None:
        return RecordStatus.RECORD if tested.p < policy.alpha else RecordStatus.NOT_SIGNIFICANT
    # One run cannot pass any test, but a gain below the margin is no record however many follow.
    return RecordStatus.NOT_SIGNIFICANT if not claimed and margin < policy.margin_nats else RecordStatus.UNVERIFIED
