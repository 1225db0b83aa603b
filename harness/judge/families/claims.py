"""PG1xx: what submission.json and README claim, what the logs show, and what the code says."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable

from harness.judge.case import Case, SeedRun
from harness.judge.families import architecture, provenance
from harness.judge.rule import SubmissionRule, at, number, shown
from harness.model.base import snippet
from harness.model.findings import Evidence, Finding, Severity, Strength
from harness.model.logs import LogFacts
from harness.model.statements import StatementKind

SCORE_TOLERANCE = 5e-4
"""Bits per byte by which a claim may differ from the logs: claims are printed with three or four digits."""
STAGE_TOLERANCE = 2e-3
"""The same for scores of earlier stages, which are often rounded to three digits."""
SEED_SPREAD = 0.02
"""Widest spread, in bits per byte, that the seeds of one submission have."""
BYTES_TOLERANCE = 5_000
MAX_SEEDS = 20
"""Largest number of seeds that a sentence can mean."""


class ScoreShown(SubmissionRule):
    """The claimed score is the one that the logs show.

    What: val_bpb of submission.json against the final scores of the logs: their mean, or the single run.
    Why: a claim is what the logs show. Of 1,211 submissions with both, 76 % claim the mean of their logs.
    Mend: claim the mean over all seeds, and commit the log of every seed in it.
    Blind spots: a log is text; whether it was printed by this script is asked by PG104 and by a rerun.
    """

    id = "PG101"
    severity = Severity.DEFECT
    violation_class = "log_code_mismatch"
    basis = ("evidence",)
    remedy = "Claim the mean of the logged scores, or add the log that shows the claimed one."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding."""
        claim = case.metadata.val_bpb if case.metadata else None
        if claim is None:
            return
        if not case.runs:
            yield self.fail(
                case,
                f"The claimed val_bpb {claim.value:.4f} is shown by no log.",
                [shown(claim, "val_bpb")],
                violation_class="missing_files",
            )
            return
        scores = [run.score.val_bpb or 0.0 for run in case.runs]
        mean = statistics.fmean(scores)
        rows = [shown(claim, "val_bpb"), *map(_score_line, case.runs)]
        if abs(claim.value - mean) <= SCORE_TOLERANCE:
            what = "the mean of the logs" if len(scores) > 1 else "the log"
            yield self.ok(case, f"The claimed val_bpb {claim.value:.4f} is {what} ({mean:.6f}).", rows)
            return
        other = _nearest(case, claim.value)
        if other is None:
            yield self.fail(
                case, f"The claimed val_bpb {claim.value:.4f} is shown by no log; the logs show {mean:.4f}.", rows
            )
            return
        log, line, label, value = other
        rows.append(Evidence(path=log.path, line=line, snippet=label, sha256=log.sha256, measured={"val_bpb": value}))
        better = claim.value < mean - SCORE_TOLERANCE
        message = (
            f"The claimed val_bpb {claim.value:.4f} is one line of the logs ({snippet(label, 60)!r}), "
            f"not their mean {mean:.4f}."
        )
        yield self.warn(case, message, rows, severity=Severity.DEFECT if better else Severity.ADVICE)


class SeedsShown(SubmissionRule):
    """Each claimed seed has a log of its own, printed under that seed.

    What: seeds named in submission.json, in log names and in the logs; logs of two seeds with the same bytes.
    Why: independent seeds carry the significance test.
    Mend: commit one complete log a seed, and name it train_seed<seed>.log.
    Blind spots: two runs of one seed under two names, where the script prints no seed.
    """

    id = "PG102"
    severity = Severity.DEFECT
    violation_class = "log_code_mismatch"
    basis = ("evidence",)
    remedy = "Commit the log of each seed that the claim rests on."

    def check(self, case: Case) -> Iterable[Finding]:
        """Findings for copies, contradicting names and seeds without a log."""
        yield from self._copies(case)
        yield from self._names(case)
        claimed = {fact.value: fact for fact in (case.metadata.seeds if case.metadata else ())}
        logged = {run.seed for run in case.runs} | {log.seed_in_name for log in case.facts.logs}
        absent = [fact for seed, fact in claimed.items() if seed not in logged]
        if absent and case.runs:
            seeds = ", ".join(str(fact.value) for fact in absent)
            yield self.warn(
                case, f"No log shows the claimed seed(s) {seeds}.", [shown(fact, "seed") for fact in absent[:8]]
            )
        elif claimed and case.runs:
            yield self.ok(case, f"Each of the {len(claimed)} claimed seed(s) has a log.")

    def _copies(self, case: Case) -> Iterable[Finding]:
        for log in case.facts.logs:
            original = next((other for other in case.facts.logs if other.path == log.duplicate_of), None)
            if original is None or log.seed_in_name is None or original.seed_in_name in {None, log.seed_in_name}:
                continue
            rows = [Evidence(path=path, sha256=log.sha256) for path in (original.path, log.path)]
            yield self.fail(case, f"{log.path} is a copy of {original.path} under another seed's name.", rows)

    def _names(self, case: Case) -> Iterable[Finding]:
        for log in case.logs:
            printed = {run.seed.value for run in log.runs if run.seed is not None}
            if log.seed_in_name is not None and printed and log.seed_in_name not in printed:
                fact = next(run.seed for run in log.runs if run.seed is not None)
                message = f"{log.path} is named after seed {log.seed_in_name}, but prints seed {fact.value}."
                yield self.warn(case, message, [shown(fact, "seed")])


class BytesShown(SubmissionRule):
    """The claimed artifact size is the one that the logs show.

    What: bytes_total of submission.json against the totals printed in the logs (any seed, with or without wrapper).
    Why: the limit is checked on the claim.
    Mend: claim the largest total over all seeds.
    Blind spots: artifacts are rarely committed, so their real size is known only after a rerun.
    """

    id = "PG103"
    severity = Severity.DEFECT
    violation_class = "log_code_mismatch"
    basis = ("evidence", "limits")
    remedy = "Claim the largest logged total."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding, where both claim and log are there."""
        claim = case.metadata.bytes_total if case.metadata else None
        totals = [run.bytes_total for log in case.logs for run in log.runs if run.bytes_total is not None]
        if claim is None or not totals:
            return
        low, high = min(t.value for t in totals), max(t.value for t in totals)
        rows = [shown(claim, "bytes_total"), *(shown(total, "bytes_total") for total in totals[:6])]
        if claim.value < low - BYTES_TOLERANCE:
            difference = low - claim.value
            message = (
                f"The claimed {number(claim.value)} bytes are {number(difference)} fewer than any log shows "
                f"({number(low)})."
            )
            yield self.warn(case, message, rows)
        elif claim.value > high + BYTES_TOLERANCE:
            message = f"The claimed {number(claim.value)} bytes are more than any log shows ({number(high)})."
            yield self.warn(case, message, rows, severity=Severity.ADVICE)
        else:
            yield self.ok(case, f"The claimed {number(claim.value)} bytes are those of the logs.", rows)


class LogsEndWell(SubmissionRule):
    """The logs report no failure.

    What: tracebacks, out-of-memory errors, and words such as OVER TIME or NEEDS_FIX in the logs that stand as evidence.
    Why: a run that says of itself that it failed shows no score.
    Mend: rerun, and commit the complete log of a run that ended well.
    Blind spots: failures that are not printed; a traceback of a side process.
    """

    id = "PG107"
    severity = Severity.DEFECT
    basis = ("evidence",)
    remedy = "Commit the log of a run that ended well."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding a log."""
        evidence = {run.log.path for run in case.runs}
        for log in case.logs:
            if log.errors and (log.path in evidence or not evidence):
                rows = [shown(fact, "reported") for fact in log.errors[:6]]
                said = snippet(log.errors[-1].value, 100)
                yield self.warn(case, f"{log.path} reports {len(log.errors)} failure(s), the last: {said}", rows)


class OtherScoresShown(SubmissionRule):
    """Every other score in submission.json stands in a log.

    What: further values in bits per byte at the top level (before test-time training, before quantisation, best seed).
    Why: gains are read off such pairs; a starting point that no log shows makes the gain a matter of faith.
    Mend: copy the value from the log line that shows it.
    Blind spots: values of other submissions and differences, which are left out by their key; means over seeds.
    """

    id = "PG108"
    severity = Severity.DEFECT
    violation_class = "log_code_mismatch"
    basis = ("evidence",)
    remedy = "Correct the value to the one in the log."
    _own = re.compile(
        r"^(pre|post|before|after|sliding|quant|int\d|ttt|raw|final|best|roundtrip|ema|swa)[a-z0-9_]*bpb$", re.I
    )

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all values that no log line shows."""
        main = case.metadata.val_bpb if case.metadata else None
        claims = [s for s in (case.metadata.scores if case.metadata else ()) if self._own.match(s.text or "")]
        lines = [score.val_bpb for log in case.logs for run in log.runs for score in run.scores if score.val_bpb]
        if not claims or len(lines) < 2:
            return
        absent = [
            claim
            for claim in claims
            if (main is None or claim.value != main.value)
            and min(lines) - SCORE_TOLERANCE <= claim.value
            and not any(abs(line - claim.value) <= STAGE_TOLERANCE for line in lines)
            and not _between_seeds(case, claim.value)
        ]
        if absent:
            nearest = min(lines, key=lambda line: abs(line - absent[0].value))
            said = ", ".join(f"{claim.text} {claim.value:.4f}" for claim in absent[:4])
            message = f"No log shows {said}; the nearest logged score is {nearest:.4f}."
            yield self.warn(case, message, [shown(claim, "val_bpb") for claim in absent[:6]])


class SeedsCounted(SubmissionRule):
    """A mean over several seeds has as many logs.

    What: sentences of README and submission.json that call a score the mean of N seeds, against the seeds that the logs
    show (and the scores that submission.json lists a seed).
    Why: a mean over seeds that nobody can see is one number.
    Mend: commit the log of every seed in the mean, or say how many the logs show.
    Blind spots: a sentence about another submission's seeds; hence a question.
    """

    id = "PG109"
    severity = Severity.DEFECT
    strength = Strength.SUSPECTED
    violation_class = "log_code_mismatch"
    basis = ("evidence",)
    remedy = "Commit one log a seed."
    _other = re.compile(
        r"PR ?#?\d|#\d{2,4}\b|baseline|SOTA|previous|prior|merged|@\w|vs\.?\b|record\b|pending|planned|TODO|TBD|\bnot\b"
        r"|reference|running|\bwould\b|further|future|\bneeds?\b|\bwill\b|terminated|\bonly\b",
        re.I,
    )

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for the largest number that is said of this submission."""
        said = [
            one
            for one in case.facts.statements
            if one.kind is StatementKind.SEEDS
            and 1 < (one.value or 0) <= MAX_SEEDS
            and not self._other.search(one.text)
        ]
        if not said or not case.runs:
            return
        largest = max(said, key=lambda one: one.value or 0)
        seeds = {run.seed for run in case.runs if run.seed is not None}
        shown_runs = max(len(seeds), len(case.runs), sum(1 for log in case.logs if any(run.final for run in log.runs)))
        claimed = int(largest.value or 0)
        if shown_runs < claimed:
            rows = [at(largest.at, largest.text, seeds=claimed), *map(_score_line, case.runs[:4])]
            yield self.warn(case, f"A mean over {claimed} seeds is stated, the logs show {shown_runs} run(s).", rows)
        else:
            yield self.ok(case, f"The mean over {claimed} seeds has {shown_runs} logged run(s).")


def _between_seeds(case: Case, value: float) -> bool:
    """Whether `value` may be a mean over seeds: it lies between scores of one label in different logs."""
    by_label: dict[str, list[float]] = {}
    for log in case.logs:
        for run in log.runs:
            for score in run.scores:
                if score.val_bpb is not None:
                    by_label.setdefault(score.label, []).append(score.val_bpb)
    return len(case.runs) > 1 and any(
        min(values) - SCORE_TOLERANCE <= value <= max(values) + SCORE_TOLERANCE
        and max(values) - min(values) < SEED_SPREAD
        for values in by_label.values()
    )


def _score_line(run: SeedRun) -> Evidence:
    return Evidence(
        path=run.log.path,
        line=run.score.line,
        snippet=run.score.label,
        sha256=run.log.sha256,
        measured={"seed": run.seed, "val_bpb": run.score.val_bpb, "val_loss": run.score.val_loss},
    )


def _nearest(case: Case, claim: float) -> tuple[LogFacts, int, str, float] | None:
    """The score line of any log that is nearest to the claim, within the tolerance."""
    lines = [
        (abs(score.val_bpb - claim), log, score.line, score.label, score.val_bpb)
        for log in case.logs
        for run in log.runs
        for score in run.scores
        if score.val_bpb is not None
    ]
    best = min(lines, key=lambda row: row[0], default=None)
    return best[1:] if best is not None and best[0] <= SCORE_TOLERANCE else None


RULES = (
    ScoreShown,
    SeedsShown,
    BytesShown,
    LogsEndWell,
    OtherScoresShown,
    SeedsCounted,
    *architecture.RULES,
    *provenance.RULES,
)
