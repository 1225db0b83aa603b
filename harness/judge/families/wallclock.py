"""PG204 to PG210: seconds of training and evaluation, and what is done inside which."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.judge.case import Case, SeedRun
from harness.judge.rule import SubmissionRule, at, number, shown
from harness.model.accounting import Calibration
from harness.model.base import At
from harness.model.findings import Evidence, Finding, Severity, Strength
from harness.model.logs import LogEvent

_TRAINING_DATA = re.compile(r"train(?:ing)?[ _-](?:data|batch|shard|token|set|loader)|source=train", re.I)
_OTHER_DATA = re.compile(r"autoregress|self-?gen|generat|synthetic|val(?:idation)?[ _-](?:data|token)|source=val", re.I)
_PRECOMPUTED = re.compile(r"pre-?comput|pre-?fill", re.I)
RESERVED = 0.1
"""Seconds before the limit from which a stop shows a reserve: without one the loop stops behind the limit."""
LATE = 0.9
"""Training that stops after this share of the limit uses it; shorter runs are tests."""


class _Seconds(SubmissionRule):
    """A wall-clock limit; the two clocks differ in their facts only."""

    severity = Severity.VIOLATION
    violation_class = "over_time"
    clock = ""
    word = ""
    slack: str | None = None

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all runs on the competition's machine."""
        limit: float | None = getattr(case.track, self.clock)
        if limit is None or not case.runs:
            return
        timed = [(run, fact) for run in case.runs if (fact := getattr(run.run, self.clock)) is not None]
        timed = [(run, fact) for run, fact in timed if _full_machine(case, run)]
        if not timed:
            if all(_full_machine(case, run) for run in case.runs):
                yield self.unknown(
                    case, f"No log prints its {self.word} time.", [_run_row(run) for run in case.runs[:4]]
                )
            return
        tolerance = case.tolerance(self.slack) if self.slack else None
        allowed = limit + (tolerance.threshold or 0.0 if tolerance else 0.0)
        longest = max(fact.value for _, fact in timed)
        over = [(run, fact) for run, fact in timed if fact.value > allowed]
        rows = [shown(fact, "seconds") for _, fact in (over or timed)[:6]]
        if over:
            message = (
                f"{len(over)} of {len(timed)} run(s) log more than {number(limit)} s of {self.word}; "
                f"the longest {longest:.1f} s."
            )
            yield self.fail(case, message, rows)
        elif longest > limit:
            yield self.ok(
                case, f"The longest {self.word} took {longest:.2f} s, within the tolerated slack of the cap.", rows
            )
        else:
            yield self.ok(case, f"The longest {self.word} took {longest:.1f} s of {number(limit)} s.", rows)


class TrainingTime(_Seconds):
    """Training takes at most 600 seconds.

    What: the training clock that each run prints last, on the competition's machine.
    Why: the limit of the record track. The cap is checked between steps, so accepted records log up to a second more.
    Mend: stop earlier (MAX_WALLCLOCK_SECONDS); calibration and packing that need training data belong inside.
    Blind spots: what the clock leaves out: compilation, calibration after the last step, packing.
    """

    id = "PG204"
    basis = ("limits", "no_untimed_work")
    remedy = "Bring training, with everything that it needs, under 600 s on 8xH100."
    clock = "train_seconds"
    word = "training"
    slack = "cap_slack"


class EvaluationTime(_Seconds):
    """Evaluation takes at most 600 seconds.

    What: the evaluation time printed with the final score, or a printed total of the evaluation.
    Why: the limit of the record track; test-time training counts.
    Mend: larger stride, fewer epochs, or bigger batches in evaluation.
    Blind spots: phases that the timer leaves out.
    """

    id = "PG205"
    basis = ("limits",)
    remedy = "Bring the whole evaluation under 600 s on 8xH100."
    clock = "eval_seconds"
    word = "evaluation"


class Machine(SubmissionRule):
    """The score was made on the competition's machine.

    What: world size and GPU that the logs print, on the record track.
    Why: ten minutes on eight H100 are the same budget for everybody.
    Mend: rerun on 8xH100 SXM, or submit to the non-record track.
    Blind spots: logs that print neither.
    """

    id = "PG206"
    severity = Severity.DEFECT
    basis = ("limits",)
    remedy = "Rerun on 8xH100 SXM, or move the folder to the non-record track."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all runs on other machines."""
        wanted = case.track.world_size
        if wanted is None or case.track.gpu is None or not case.runs:
            return
        other = [run for run in case.runs if not _full_machine(case, run)]
        rows = []
        for run in other[:6]:
            fact = run.run.world_size or run.run.gpus or run.run.gpu
            if fact is not None:
                rows.append(shown(fact, "machine"))
        if other:
            facts = other[0].run
            count = facts.world_size or facts.gpus
            said = f"world size {count.value}" if count is not None and count.value != wanted else "another GPU"
            message = f"{len(other)} of {len(case.runs)} run(s) were not made on {wanted}x{case.track.gpu} ({said})."
            yield self.fail(case, message, rows)
        elif any(run.run.world_size is not None for run in case.runs):
            yield self.ok(case, f"The logs show a world size of {wanted}.")


def _full_machine(case: Case, run: SeedRun) -> bool:
    """Whether nothing in the log contradicts the track's machine."""
    facts = run.run
    if case.track.world_size is not None:
        for fact in (facts.world_size, facts.gpus):
            if fact is not None and fact.value != case.track.world_size:
                return False
    return not (facts.gpu is not None and case.track.gpu is not None and case.track.gpu not in facts.gpu.value)


def _run_row(run: SeedRun) -> Evidence:
    return Evidence(path=run.log.path, line=run.run.first_line, end_line=run.run.last_line, sha256=run.log.sha256)


class CalibrationInside(SubmissionRule):
    """Calibration on training data ends within the 600 seconds of training.

    What: the training clock when the loop stops, plus the seconds that the log prints for calibration after it
    (Hessians, activation statistics), where log or code says that training data is read. Without a log: whether the
    submitted code calibrates on training data and keeps no reserve.
    Why: every second is training or evaluation. Training data read after 600 s is training data at evaluation time.
    Mend: stop the loop earlier by what calibration takes (a reserve, as accepted records keep it), or calibrate on text
    that the model generates itself.
    Blind spots: calibration whose log line prints no time counts as instantaneous; quantisation itself is not counted.
    """

    id = "PG207"
    severity = Severity.VIOLATION
    violation_class = "gptq_over_time_budget"
    basis = ("calibration_in_training", "no_untimed_work")
    remedy = "Reserve the seconds of calibration inside the 600 s of training, or calibrate on self-generated text."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all runs, or one for the code where no run shows the order."""
        limit = case.track.train_seconds
        if limit is None:
            return
        found = [row for run in case.runs if (row := _calibrated(run)) is not None and row[0] >= LATE * limit]
        if found:
            yield from self._judge_runs(case, limit, found)
        elif not case.runs:
            yield from self._judge_code(case, limit)

    def _judge_runs(
        self, case: Case, limit: float, found: list[tuple[float, float, SeedRun, list[LogEvent]]]
    ) -> Iterable[Finding]:
        stop, spent, run, events = max(found, key=lambda row: row[0] + row[1])
        code = _live(case)
        data = _data_of(events, code)
        total = stop + spent
        rows = [shown(run.run.train_seconds, "train_seconds")] if run.run.train_seconds is not None else []
        rows += [
            Evidence(path=run.log.path, line=e.line, snippet=e.text, measured={"seconds": e.seconds})
            for e in events[:3]
        ]
        rows += [at(call.at, collector=call.collector.line, data=", ".join(call.data)) for call in code[:2]]
        slack = case.tolerance("cap_slack")
        message = f"Training stops at {stop:.1f} s and calibration follows"
        message += f" for {spent:.1f} s: {total:.1f} s of {number(limit)} s" if spent else ""
        if total <= limit + (slack.threshold or 0.0 if slack else 0.0) and (spent or stop < limit):
            yield self.ok(case, f"{message}.", rows)
        elif data == "other":
            return
        elif stop <= limit - RESERVED and total <= limit + _longest_reserve(case):
            reserve = case.tolerance("short_reserve")
            text = f"{message}; a reserve is kept, and is too short."
            yield self.warn(case, text, rows, tolerated=reserve.id if reserve is not None else None)
        elif data == "train":
            yield self.fail(case, f"{message}, on training data.", rows)
        else:
            yield self.warn(case, f"{message}; on which data is not said.", rows, strength=Strength.SUSPECTED)

    def _judge_code(self, case: Case, limit: float) -> Iterable[Finding]:
        code = [call for call in _live(case) if call.data == ("train",)]
        cap = case.setting("MAX_WALLCLOCK_SECONDS")
        settings = case.facts.launch.settings if case.facts.launch is not None else ()
        reserves = [s for s in settings if "reserve" in f"{s.name} {s.env or ''}".lower() and s.value]
        if not code or reserves or cap is None or not isinstance(cap.value, (int, float)) or cap.value < limit:
            return
        rows = [at(call.at, collector=call.collector.line, data="train") for call in code[:4]]
        rows.append(at(cap.declared, seconds=cap.value))
        message = (
            f"The loop may train for {number(cap.value)} s, and calibration on training data comes beside it; "
            "no reserve is kept and no log shows the order."
        )
        yield self.warn(case, message, rows, strength=Strength.SUSPECTED)


def _longest_reserve(case: Case) -> float:
    """Seconds above the limit that were tolerated at any date where a reserve was kept: a question before that date."""
    return max((t.threshold or 0.0 for t in case.competition.tolerances if t.id == "short_reserve"), default=0.0)


def _calibrated(run: SeedRun) -> tuple[float, float, SeedRun, list[LogEvent]] | None:
    """(seconds when training stopped, seconds of calibration after it, run, events); None without such events."""
    clock = run.run.train_seconds
    if clock is None:
        return None
    stops = [event.line for event in run.run.events if event.kind in {"stopping_early", "training_end"}]
    after = max(stops, default=clock.at.line or 0)
    events = [e for e in run.run.events if e.kind == "gptq_calibration" and e.line > after]
    return (clock.value, sum(e.seconds or 0.0 for e in events), run, events) if events else None


def _live(case: Case) -> list[Calibration]:
    """Calibrations of the launched script that the launch settings do not rule out."""
    facts, launch = case.facts.accounting, case.facts.launch
    if facts is None:
        return []
    dead = [
        (b.layer, b.dead_first, b.dead_last) for b in (launch.branches if launch is not None else ()) if b.dead_first
    ]

    def is_dead(place: At) -> bool:
        return any(
            layer == place.layer and first <= (place.line or 0) <= (last or first) for layer, first, last in dead
        )

    return [call for call in facts.calibrations if not is_dead(call.at)]


def _data_of(events: list[LogEvent], code: list[Calibration]) -> str | None:
    """`train`, `other`, or None where neither log nor code says on which data calibration runs."""
    text = " ".join(event.text for event in events)
    if _OTHER_DATA.search(text):
        return "other"
    if _TRAINING_DATA.search(text):
        return "train"
    kinds = {kind for call in code for kind in call.data}
    if not kinds or len(kinds) > 1:
        return None
    return "train" if kinds == {"train"} else "other"


class PhasesBilled(SubmissionRule):
    """Every phase of the run fits into training or evaluation.

    What: phases between the training clock and the evaluation clock that the log times by itself: adaptation before
    quantisation, tables computed in advance. A phase must fit into one of the two budgets.
    Why: every second is training or evaluation; there is no third budget.
    Mend: shorten the phase, or the budget that it belongs to.
    Blind spots: phases that the log does not time. A timer may include a phase printed apart: that is asked, not said.
    """

    id = "PG208"
    severity = Severity.VIOLATION
    violation_class = "over_time"
    basis = ("no_untimed_work", "audit_2026_05_02")
    remedy = "Bill every phase to training or to evaluation, and bring both under 600 s."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding a kind of phase, for the longest run."""
        limits = (case.track.train_seconds, case.track.eval_seconds)
        if limits[0] is None or limits[1] is None:
            return
        runs = [run for run in case.runs if _full_machine(case, run)]
        for kind in ("prequant_ttt", "ngram"):
            found = [row for run in runs if (row := _phase(run, kind)) is not None]
            if found:
                event, run = max(found, key=lambda row: row[0].seconds or 0.0)
                yield from self._judge_phase(case, run, event, limits[0], limits[1])

    def _judge_phase(
        self, case: Case, run: SeedRun, event: LogEvent, train_limit: float, eval_limit: float
    ) -> Iterable[Finding]:
        train, evaluation, phase = run.run.train_seconds, run.run.eval_seconds, event.seconds or 0.0
        if train is None or evaluation is None or evaluation.value + phase <= eval_limit:
            return
        rows = [
            shown(train, "train_seconds"),
            Evidence(path=run.log.path, line=event.line, snippet=event.text, measured={"seconds": phase}),
            shown(evaluation, "eval_seconds"),
        ]
        if event.kind == "ngram" and evaluation.value > eval_limit:
            return  # too long without them
        if event.kind == "ngram":
            tolerance = case.tolerance("precomputed_hints")
            message = (
                f"Tables are computed for {phase:.1f} s; if the timer of the evaluation ({evaluation.value:.1f} s) "
                f"leaves them out, it takes {evaluation.value + phase:.1f} s of {number(eval_limit)} s."
            )
            tolerated = tolerance.id if tolerance is not None else None
            yield self.warn(case, message, rows, strength=Strength.SUSPECTED, tolerated=tolerated)
        elif train.value + phase > train_limit:
            message = (
                f"A phase of {phase:.1f} s fits into neither budget: training takes {train.value:.1f} s "
                f"({train.value + phase:.1f} s with it), evaluation {evaluation.value:.1f} s "
                f"({evaluation.value + phase:.1f} s with it)."
            )
            yield self.fail(case, message, rows)


def _phase(run: SeedRun, kind: str) -> tuple[LogEvent, SeedRun] | None:
    """The longest timed event of that kind; of n-gram work only what is computed in advance."""
    events = [
        event
        for event in run.run.events
        if event.kind == kind and event.seconds and (kind != "ngram" or _PRECOMPUTED.search(event.text))
    ]
    longest = max(events, key=lambda event: event.seconds or 0.0, default=None)
    return (longest, run) if longest is not None else None


class TimeReported(SubmissionRule):
    """The logs do not say themselves that time ran out.

    What: lines such as OVER TIME or NEEDS_FIX in the runs that stand as evidence on a track with limits.
    Why: the run's own check knows its clock best.
    Mend: shorten the run, and commit the log of one that passes its own check.
    Blind spots: the check may use another limit than the competition, hence a question.
    """

    id = "PG209"
    severity = Severity.VIOLATION
    strength = Strength.SUSPECTED
    violation_class = "over_time"
    basis = ("limits", "evidence")
    remedy = "Commit the log of a run that passes its own check."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all lines."""
        if case.track.train_seconds is None:
            return
        said = [
            (run, event) for run in case.runs for event in run.run.events if event.kind in {"over_time", "needs_fix"}
        ]
        if not said:
            return
        rows = [Evidence(path=run.log.path, line=e.line, snippet=e.text) for run, e in said[:4]]
        total = said[0][0].run.total_seconds
        message = f"The log says of itself: {said[0][1].text}"
        if total is not None:
            message += f" ({total.value:.0f} s in total)"
            rows.append(shown(total, "total_seconds"))
        yield self.warn(case, message + ".", rows)


RULES = (TrainingTime, EvaluationTime, Machine, CalibrationInside, PhasesBilled, TimeReported)
