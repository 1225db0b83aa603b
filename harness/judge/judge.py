"""`judge(facts, as_of) -> Review`."""

from __future__ import annotations

import datetime as dt

import harness
from harness.judge.case import Case, DiffCase, SeedRun
from harness.judge.record import record_of
from harness.judge.rulebook import diff_rules, rules, ruleset_digest, submission_rules
from harness.judge.verdict import combine, compliance
from harness.model.competition import DEFAULT_POLICY, Competition, load
from harness.model.cpu_run import CpuRunFacts, FeatureRun, Ran, RunStage
from harness.model.facts import Facts, StageStatus, SubmissionFacts
from harness.model.findings import Finding, Outcome
from harness.model.review import (
    Claimed,
    CpuRunSummary,
    Depth,
    HarnessInfo,
    Review,
    ReviewedRun,
    ReviewedSubmission,
)

_PROVEN = ("order of scoring and learning", "normalisation of the predicted distribution")
"""What experiments with the running program examine."""
_NOT_RUN = "training, packing and evaluation of the script: it was not run (needs depth run)"


def judge(
    facts: Facts,
    as_of: dt.date | None = None,
    competition: Competition | None = None,
    policy: str = DEFAULT_POLICY,
) -> Review:
    """The review of `facts` under the rules as they stood on `as_of`.

    `as_of` defaults to the committer date of the target, today for a folder. `policy` decides the record status.
    Pure: the same arguments give the same review. Raises KeyError for a policy that does not exist.
    """
    data = competition or load()
    date = as_of or _date_of(facts)
    hygiene = tuple(f for rule in diff_rules() for f in rule.judge(DiffCase(facts, data, date)))
    decided = data.policy(policy).id
    submissions = tuple(_judge_submission(Case(s, data, date, facts.target.pr, decided)) for s in facts.submissions)
    overall = combine([compliance(hygiene), *(s.compliance for s in submissions)])
    info = HarnessInfo(
        version=harness.__version__,
        observed_by=facts.observed_by,
        ruleset=ruleset_digest(),
        as_of=date.isoformat(),
        policy=decided,
        depth=_depth(facts),
    )
    return Review(
        harness=info,
        target=facts.target,
        compliance=overall,
        hygiene=hygiene,
        submissions=submissions,
        stages=facts.stages,
    )


def _depth(facts: Facts) -> Depth:
    runs = [one.cpu_run for one in facts.submissions if one.cpu_run is not None]
    if any(run.proof is not None for run in runs):
        return Depth.PROOF
    return Depth.RUN if runs else Depth.STATIC


def harness_errors(review: Review) -> list[Finding]:
    """Findings that tell of a failure of the harness itself."""
    groups = [review.hygiene, *(s.findings for s in review.submissions)]
    return [finding for group in groups for finding in group if finding.outcome is Outcome.ERROR]


def _date_of(facts: Facts) -> dt.date:
    stamp = facts.target.committed_at
    return dt.datetime.fromisoformat(stamp).date() if stamp else dt.datetime.now(dt.UTC).date()


def _judge_submission(case: Case) -> ReviewedSubmission:
    found = [finding for rule in submission_rules() for finding in rule.judge(case)]
    order = {rule.id: i for i, rule in enumerate(rules())}
    found.sort(key=lambda finding: order[finding.rule])
    metadata = case.metadata
    return ReviewedSubmission(
        folder=case.facts.folder.path,
        track=case.track_id,
        origin=case.facts.folder.origin,
        author=_author(case.facts),
        claimed=Claimed.of(metadata),
        compliance=compliance(found),
        record=record_of(case),
        runs=tuple(_reviewed(run) for run in case.runs),
        findings=tuple(found),
        stages=case.facts.stages,
        cpu_run=CpuRunSummary.of(case.facts.cpu_run) if case.facts.cpu_run is not None else None,
        fidelity=case.facts.cpu_run.fidelity if case.facts.cpu_run is not None else None,
        not_examined=(*_unproven(case.facts.cpu_run), *_run_gaps(case.facts.cpu_run), *_gaps(case.facts)),
    )


def _author(facts: SubmissionFacts) -> str | None:
    for metadata in facts.metadata:
        for fact in (metadata.github_id, metadata.author):
            if fact is not None:
                return fact.value[:120]
    return None


def _reviewed(run: SeedRun) -> ReviewedRun:
    facts = run.run
    return ReviewedRun(
        seed=run.seed,
        val_loss=run.score.val_loss,
        val_bpb=run.score.val_bpb,
        label=run.score.label + ("_exact" if run.score.exact else ""),
        log=run.log.path,
        line=run.score.line,
        train_seconds=facts.train_seconds.value if facts.train_seconds else None,
        eval_seconds=facts.eval_seconds.value if facts.eval_seconds else None,
        bytes_total=facts.bytes_total.value if facts.bytes_total else None,
        steps=facts.steps.value if facts.steps else None,
    )


def _unproven(run: CpuRunFacts | None) -> list[str]:
    """What no experiment was made on. What experiments left open, their rules say."""
    if run is None or run.proof is None:
        return [f"{what}: no experiment was made with the running program (needs depth proof)" for what in _PROVEN]
    return [f"{what}: no experiment was made: {run.proof.reason}" for what in _PROVEN if run.proof.reason is not None]


def _run_gaps(run: CpuRunFacts | None) -> list[str]:
    """What the run on a CPU left unexamined."""
    if run is None:
        return [_NOT_RUN]
    if run.refused is not None:
        return [f"training, packing and evaluation of the script: it was not run: {run.refused}"]
    missing = [stage.value for stage in RunStage if stage not in run.reached]
    gaps = [f"run on a CPU: it was not seen to be {', '.join(missing)}"] if missing else []
    if run.failure is not None:
        at = run.failure.at
        place = f" ({at.path}:{at.line})" if at is not None else ""
        gaps.append(f"run on a CPU: it ended in {run.failure.exception or 'nothing'}: {run.failure.message}{place}")
    gaps += [
        f"run on a CPU: {item.name} was stood in for: {item.reason}"
        for item in run.fidelity.stand_ins
        if not item.exact
    ]
    gaps += [_feature_gap(one) for one in run.fidelity.features if one.ran is not Ran.EXECUTED]
    if run.fidelity.unfollowed:
        lost = "; ".join(run.fidelity.unfollowed)
        gaps.append(f"run on a CPU: what is scored was lost where this harness failed to follow it: {lost}")
    if run.fidelity.not_executed:
        lines = ", ".join(str(at.line) for at in run.fidelity.not_executed[:12])
        gaps.append(f"run on a CPU: functions that the launch reaches were not executed (lines {lines})")
    return gaps


def _feature_gap(one: FeatureRun) -> str:
    """What is said of a feature that is enabled and was not seen to run."""
    named = f"run on a CPU: the launch enables {one.feature.value} ({', '.join(one.because)})"
    if one.ran is Ran.UNKNOWN:
        return f"{named}; whether it was executed is not known: {one.reason}"
    lines = ", ".join(str(at.line) for at in one.missed)
    return f"{named} and its code was not executed (line {lines})"


def _gaps(facts: SubmissionFacts) -> list[str]:
    """What this submission in particular left unexamined."""
    gaps = [f"{item.path}: {item.reason}" for item in facts.unreadable]
    skipped = [stage for stage in facts.stages if stage.status is StageStatus.SKIPPED and stage.name != "run"]
    gaps += [f"{stage.name}: {stage.reason}" for stage in skipped]
    for script in facts.scripts:
        if script.opaque is not None:
            gaps.append(f"{script.path}: wrapper not unpacked, {script.opaque.value}")
        if script.language != "python":
            gaps.append(f"{script.path}: {script.language} is not read")
    for log in facts.logs:
        if log.truncated:
            gaps.append(f"{log.path}: its middle was not read")
    if facts.launch is not None and not facts.launch.complete:
        gaps.append("dead code under the launch settings: the script could not be followed to its end")
    if facts.order is not None and not facts.order.complete:
        gaps.append("order of learning and scoring, by reading: " + ("; ".join(facts.order.notes) or "not followed"))
    elif facts.order is not None and facts.order.validation_at is None:
        gaps.append("order of learning and scoring, by reading: no place where validation tokens are read was found")
    return gaps[:50]
