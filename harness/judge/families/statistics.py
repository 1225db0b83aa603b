"""PG6xx: seeds, spread and significance of a record claim. They tell of the record status, never of compliance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from statistics import fmean, pstdev, stdev

from harness.judge.case import Case, SeedRun
from harness.judge.configuration import Difference, differences
from harness.judge.record import Comparison, compare
from harness.judge.rule import SubmissionRule, number, shown
from harness.model.base import Scalar
from harness.model.findings import Evidence, Finding, Severity, Strength
from harness.model.review import RecordStatus

ENOUGH = 2
"""Fewest runs that carry a spread; the organisers usually ask for three."""
DIGITS = 5e-5
"""Bits per byte within which means and deviations count as the same."""
MOST_RUNS = 8
"""Runs up to which every selection of them is tried against the claim."""


class RunCount(SubmissionRule):
    """The record claim rests on several runs.

    What: the runs of different seeds whose final scores the logs show, on a track that keeps records.
    Why: runs differ from seed to seed by more than many claimed gains; a single run cannot show any p-value. Single
    runs were accepted in the first days and not in the audit of 2026-05-02.
    Mend: run three seeds of the final script and commit their logs.
    Blind spots: gains from a faster system alone, for which the README waives the test.
    """

    id = "PG601"
    severity = Severity.ADVICE
    violation_class = "insufficient_significance"
    basis = ("significance", "audit_2026_05_02")
    remedy = "Commit complete logs of three seeds."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for a folder of a track with records."""
        if not case.track.records:
            return
        count = len(case.runs)
        if count >= ENOUGH:
            yield self.ok(case, f"{count} runs show a final score.", map(score_line, case.runs))
        elif count == 1:
            yield self.warn(
                case, "One run cannot show that a gain is more than luck of the seed.", map(score_line, case.runs)
            )


class Significance(SubmissionRule):
    """The score beats the record of its date.

    What: the mean of the logged scores against the best row of the leaderboard on the date of judgement, under every
    policy: the margin in nats per token of the record's tokenizer and the p-value of a one-sided t-test over seeds.
    The policy in force decides the record status; the others are printed beside it.
    Why: the README asks for 0.005 nats at p < 0.01; the leaderboard updates of 2026-04-29 took less.
    Mend: more seeds narrow the test; or submit to the non-record track.
    Blind spots: a row that the organisers have not accepted yet does not count. Gains from a faster system alone, for
    which the README waives the test. Whether the score itself is right is asked by other families.
    """

    id = "PG602"
    severity = Severity.ADVICE
    violation_class = "insufficient_significance"
    basis = ("significance", "chronological")
    remedy = "Show a mean that is 0.005 nats better than the record at p < 0.01, over more seeds where needed."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding where there is a score and a record."""
        chosen, *others = compare(case)
        if chosen.standing is None or chosen.mean is None:
            return
        record, better = chosen.standing, chosen.margin_nats or 0.0
        word = "better" if better > 0 else "worse"
        message = (
            f"{'The claimed' if chosen.claimed else 'The mean'} val_bpb {chosen.mean:.4f} is {abs(better):.4f} nats "
            f"{word} than the record {record.score:.4f} ({record.title}, accepted {record.accepted.isoformat()}). "
            + " ".join(_policy_words(comparison) for comparison in (chosen, *others))
        )
        rows = [_measured(chosen), *map(score_line, chosen.runs)]
        if chosen.status is RecordStatus.RECORD:
            yield self.ok(case, message, rows)
        elif chosen.status is RecordStatus.UNVERIFIED:
            yield self.unknown(case, message, rows)
        else:
            yield self.warn(case, message, rows)


class SameConfiguration(SubmissionRule):
    """All seeds ran the same code under the same settings.

    What: settings of the script that every log prints, parameters, world size, training shards and the size of the
    code, compared between the runs that stand as evidence.
    Why: a mean over different programs is no mean over seeds; the organisers left such a third seed out (pull request
    2124). The test uses the largest set of runs that agree.
    Mend: rerun the odd seed with the final script and settings.
    Blind spots: settings that no log prints. A code size may differ by an edited comment, hence only advice.
    """

    id = "PG603"
    severity = Severity.DEFECT
    violation_class = "insufficient_significance"
    basis = ("significance", "audit_2026_05_02")
    remedy = "Rerun the seeds that differ, so that all share one script and one configuration."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for the settings and one for the size of the code."""
        if not case.track.records or len(case.runs) < ENOUGH:
            return
        found = differences(case)
        for difference in found:
            if difference.code:
                sizes = sorted({text for _, text, _ in difference.values})
                message = f"The logs print {len(sizes)} sizes of the code: {', '.join(sizes[:4])} bytes."
                yield self.warn(case, message, _setting_lines(difference), severity=Severity.ADVICE)
        settings = [difference for difference in found if not difference.code]
        if settings:
            said = "; ".join(_setting_words(difference) for difference in settings[:4])
            rows = [row for difference in settings[:4] for row in _setting_lines(difference)]
            yield self.warn(case, f"The runs differ in {len(settings)} setting(s): {said}.", rows[:12])
        if not found:
            yield self.ok(case, f"The {len(case.runs)} runs print the same settings.")


class SeedsChosen(SubmissionRule):
    """The claim averages all logged seeds.

    What: the claimed val_bpb against the mean of every selection of the logged seeds, where it is not the mean of all.
    Why: the best of several seeds is no estimate of the next one.
    Mend: claim the mean over all runs of the final script.
    Blind spots: seeds that were run and not committed. Where the logs of another experiment lie beside, leaving them
    out is right; hence a question.
    """

    id = "PG604"
    severity = Severity.DEFECT
    strength = Strength.SUSPECTED
    violation_class = "insufficient_significance"
    basis = ("significance",)
    remedy = "Claim the mean over all seeds, or say why a run does not count."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding, where the claim is the mean of a better part of the runs."""
        claim = case.metadata.val_bpb if case.metadata else None
        scores = [run.score.val_bpb or 0.0 for run in case.runs]
        if not case.track.records or claim is None or not ENOUGH <= len(scores) <= MOST_RUNS:
            return
        mean, digits = fmean(scores), _digits(claim.value)
        if claim.value >= mean - max(digits, DIGITS):
            yield self.ok(case, f"The claim is not better than the mean of all {len(scores)} runs ({mean:.6f}).")
            return
        part = _selection(scores, claim.value, digits)
        if part is not None:
            runs = [case.runs[i] for i in part]
            names = ", ".join(str(run.seed if run.seed is not None else run.log.path) for run in runs)
            message = (
                f"The claimed val_bpb {claim.value:.5f} is that of {len(part)} of {len(scores)} logged runs "
                f"({names}); the mean of all is {mean:.5f}."
            )
            yield self.warn(case, message, [shown(claim, "val_bpb"), *map(score_line, case.runs)])


class SpreadClaimed(SubmissionRule):
    """The claimed standard deviation is that of the logged scores.

    What: val_bpb_std of submission.json against sample and population deviation of the logged final scores.
    Why: the deviation carries the p-value; one that is too small makes any gain look significant.
    Mend: claim the sample deviation (n - 1) of the final scores.
    Blind spots: deviations given in nats, or of runs that are not committed.
    """

    id = "PG605"
    severity = Severity.DEFECT
    violation_class = "log_code_mismatch"
    basis = ("significance", "evidence")
    remedy = "Claim the sample standard deviation of the logged final scores."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding, where a deviation is claimed and several runs are logged."""
        claim = case.metadata.val_bpb_std if case.metadata else None
        scores = [run.score.val_bpb or 0.0 for run in case.runs]
        if claim is None or claim.value < 0 or len(scores) < ENOUGH:
            return
        sample, population = stdev(scores), pstdev(scores)
        rows = [shown(claim, "val_bpb_std"), *map(score_line, case.runs)]
        low, high = min(sample, population) * 0.9 - DIGITS, max(sample, population) * 1.1 + DIGITS
        if low <= claim.value <= high:
            yield self.ok(case, f"The claimed deviation {claim.value:.6f} is that of the logs ({sample:.6f}).", rows)
        else:
            message = f"The claimed deviation is {claim.value:.6f}, that of the {len(scores)} logged runs {sample:.6f}."
            severity = Severity.DEFECT if claim.value < low else Severity.ADVICE
            yield self.warn(case, message, rows, severity=severity)


def score_line(run: SeedRun) -> Evidence:
    """The line of the log that shows a run's score."""
    return Evidence(
        path=run.log.path,
        line=run.score.line,
        snippet=run.score.label,
        sha256=run.log.sha256,
        measured={"seed": run.seed, "val_bpb": run.score.val_bpb, "val_loss": run.score.val_loss},
    )


def _measured(comparison: Comparison) -> Evidence:
    """The numbers of the test, at the row that it compares with."""
    record = comparison.standing
    measured: dict[str, Scalar] = {
        "mean": _rounded(comparison.mean),
        "margin_nats": _rounded(comparison.margin_nats),
    }
    if comparison.tested is not None:
        measured |= {
            "degrees_of_freedom": round(comparison.tested.degrees, 3),
            "p_value": _rounded(comparison.tested.p),
        }
    if record is None:
        return Evidence(path="harness/competition/records.toml", measured=measured)
    measured |= {"record_mean": _rounded(fmean(record.val_bpb)), "record_seeds": len(record.val_bpb)}
    return Evidence(path="harness/competition/records.toml", snippet=record.title, measured=measured)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 8)


def _policy_words(comparison: Comparison) -> str:
    policy, tested = comparison.policy, comparison.tested
    status = comparison.status.value.replace("_", " ")
    if tested is None:
        why = " (no test over fewer than two runs)" if comparison.status is RecordStatus.UNVERIFIED else ""
        return f"Policy {policy.id}: {status}{why}."
    return (
        f"Policy {policy.id}: {status} ({tested.name}, margin {number(policy.margin_nats)} nats, "
        f"{len(comparison.runs)} runs, p = {tested.p:.2g}, asked for < {number(policy.alpha)})."
    )


def _setting_words(difference: Difference) -> str:
    values = list(dict.fromkeys(text for _, text, _ in difference.values))
    return f"{difference.name} {' / '.join(values[:4])}"


def _setting_lines(difference: Difference) -> list[Evidence]:
    return [
        Evidence(path=run.log.path, line=line, sha256=run.log.sha256, measured={difference.name: text})
        for run, text, line in difference.values[:6]
    ]


def _digits(claim: float) -> float:
    """One unit of the last printed digit of a claim, which may be rounded or cut; at least of the fourth digit."""
    return float(min(1e-4, max(1e-6, 10.0 ** -len(repr(claim).partition(".")[2]))))


def _selection(scores: Sequence[float], claim: float, digits: float) -> tuple[int, ...] | None:
    """Indices of the largest part of `scores`, but not all, whose mean is `claim` within `digits`."""
    for size in range(len(scores) - 1, 0, -1):
        for part in combinations(range(len(scores)), size):
            if abs(fmean(scores[i] for i in part) - claim) <= digits:
                return part
    return None


RULES = (RunCount, Significance, SameConfiguration, SeedsChosen, SpreadClaimed)
