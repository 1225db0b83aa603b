"""A submission from plan to facts: inputs laid out, rungs tried one after the other in one sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.model.cpu_run import Attempt, Begun, CpuRunFacts, Fault, FeatureRun, Ran, RunFailure
from harness.model.facts import SubmissionFacts
from harness.model.plan import EntryKind, EntryStep, Override, Plan, Rung, RunLimits, StepPurpose
from harness.observe.cpu_run.coverage import NOTHING_SCORED, Scored, truths
from harness.observe.cpu_run.executed import Executed, features, not_executed, program_of
from harness.observe.cpu_run.home import INPUTS
from harness.observe.cpu_run.inputs.layout import Layout, lay_out
from harness.observe.cpu_run.inputs.made import sizes_for
from harness.observe.cpu_run.inputs.tokenizers import VocabularyError
from harness.observe.cpu_run.outcome import Outcome, sandbox_ended, understood, whole
from harness.observe.cpu_run.planning.environment import launcher_environment
from harness.observe.cpu_run.planning.ladder import Failure, next_rung
from harness.observe.cpu_run.planning.plan import plan_from
from harness.observe.cpu_run.session import Session, SessionEnded
from harness.observe.cpu_run.switched import Program
from harness.observe.moment import Moment, Show, last_line, silent
from harness.observe.reading.source.script import read_script
from harness.observe.sandbox.provider import Limits

Keep = Callable[[Begun], None]
"""Given a run whenever a part of it is finished, so that it can go on from there."""
_STEPS = 10
"""So many steps may use all the processor time that each of them has."""


@dataclass(frozen=True)
class Trial:
    """Everything that one submission is run with."""

    submission: SubmissionFacts
    files: Mapping[str, bytes]
    plan: Plan
    layout: Layout
    texts: tuple[str, ...] = ()
    """The launched file and what its wrappers unpack to."""
    program: Program | None = None
    """What the launch executes, by reading."""
    seconds: float = 0.0
    """What planning and making the inputs took."""
    scored: Scored = NOTHING_SCORED
    """The validation streams that lie there."""


def sandbox_limits() -> Limits:
    """Limits of the sandbox of one submission: each run has its own within them. Wall time is that until the first."""
    each = RunLimits()
    return Limits(
        wall_seconds=600.0, cpu_seconds=_STEPS * each.cpu_seconds, memory_bytes=each.memory_bytes, processes=256
    )


def prepared(
    submission: SubmissionFacts, files: Mapping[str, bytes], cache: Path, world_size: int = 1
) -> Trial | CpuRunFacts:
    """What a submission is run with, in so many processes, or the facts of a run that cannot be."""
    launch = submission.launch
    if launch is None or launch.script is None or launch.script not in files:
        return CpuRunFacts(failure=_no_run("There is no Python script to launch.", Fault.SUBMISSION))
    started = time.perf_counter()
    main = read_script(launch.script, files[launch.script], files)
    plan = plan_from(submission, files, main, world_size)
    if not plan.entry or not plan.rungs:
        return CpuRunFacts(failure=_no_run(plan.reason or "Nothing in the script starts it.", Fault.SUBMISSION))
    wanted = plan.inputs
    try:
        layout = lay_out(
            launch,
            main.parsed.tree,
            files,
            cache,
            sizes_for(wanted.val_tokens, wanted.documents, wanted.train_tokens) if wanted is not None else None,
            vocab_size=wanted.vocabulary if wanted is not None else None,
        )
    except VocabularyError as error:
        return CpuRunFacts(failure=_no_run(str(error), Fault.HARNESS))
    sequence = max(wanted.sequence, wanted.eval_sequence) if wanted is not None else None
    scored = Scored(truths(layout, cache), sequence)
    program = program_of(submission, files, main, dict(plan.environment) | launcher_environment(launch.world_size))
    return Trial(submission, files, plan, layout, main.texts, program, time.perf_counter() - started, scored)


def run_on_cpu(
    trial: Trial, session: Session, show: Show = silent, keep: Keep = lambda _: None, begun: Begun | None = None
) -> CpuRunFacts:
    """The run of a submission in a sandbox of its own; the furthest attempt, and those before it.

    `begun` is an earlier call's run that was cut short: this one goes on with the rung that was next.
    """
    best = begun.run if begun is not None else CpuRunFacts()
    attempts = list(best.attempts)
    number: int | None = begun.rung if begun is not None else 0
    launched = best.as_launched
    noticed = dict.fromkeys(best.tampering)  # of all attempts, whichever got furthest
    inputs_seconds = trial.seconds + best.inputs_seconds
    sandbox_seconds = best.sandbox_seconds
    failed: Failure | None = None

    def told() -> CpuRunFacts:
        return best.model_copy(
            update={
                "attempts": tuple(attempts),
                "as_launched": launched,
                "tampering": tuple(noticed),
                "sandbox_seconds": round(sandbox_seconds, 3),
                "inputs_seconds": round(inputs_seconds, 3),
            }
        )

    try:
        show(Moment("starting the sandbox"))
        started = time.perf_counter()
        _fill(trial, session)
        sandbox_seconds += time.perf_counter() - started
        if begun is None:
            launched = _as_launched(trial, session)
        while number is not None:
            keep(Begun(run=told(), rung=number))
            rung = trial.plan.rungs[number]
            outcome, attempt = _attempt(trial, rung, session, show)
            noticed |= dict.fromkeys(outcome.facts.tampering)
            if not attempts or len(outcome.facts.reached) >= len(best.reached):
                best = outcome.facts
            attempts.append(attempt)
            failed, earlier = _failed(trial, outcome), failed
            number = None if failed is None or outcome.over else next_rung(trial.plan, number, failed, earlier)
        if not noticed:
            best = best.model_copy(update={"failure": _explained(best, trial.plan)})
    except SessionEnded as error:
        failure = sandbox_ended(error)
        if not attempts:
            best = CpuRunFacts(failure=failure)
        attempts.append(Attempt(rung="", seconds=error.ending.seconds, ended=str(error.ending.why), failure=failure))
    return _with_places(told(), trial)


def _explained(run: CpuRunFacts, plan: Plan) -> RunFailure | None:
    """The run's failure, laid to the submission where the plan knows what its folder lacks."""
    failure = run.failure
    if failure is not None and failure.fault is not Fault.HARNESS:
        return failure
    if plan.reason is not None and not run.files:
        return _no_run(plan.reason, Fault.SUBMISSION)
    usage = failure is not None and (failure.exception, failure.message) == ("SystemExit", "2")
    if failure is None or not usage or not plan.notes:  # notes tell of arguments that nobody gives
        return failure
    remedy = f"Show in the README how it is started: {'; '.join(plan.notes)}."
    return failure.model_copy(update={"fault": Fault.SUBMISSION, "remedy": remedy})


def _with_places(facts: CpuRunFacts, trial: Trial) -> CpuRunFacts:
    """The facts with the places of data among the overrides."""
    moved = tuple(
        Override(name=name, value=value, why="where the made inputs lie") for name, value in trial.layout.environment
    )
    fidelity = facts.fidelity.model_copy(update={"overrides": (*moved, *facts.fidelity.overrides)})
    return facts.model_copy(update={"fidelity": fidelity})


def _fill(trial: Trial, session: Session) -> None:
    session.wait_ready()
    for path, data in trial.files.items():
        session.put(path, data, 0o755 if path.endswith(".sh") else 0o644)
    for placed in trial.layout.files:
        session.link(placed.path, f"{INPUTS}/{placed.source}")


def _as_launched(trial: Trial, session: Session) -> RunFailure | None:
    """The import that the file ends at where nothing is provided but what torchrun starts it with.

    Asked of files that another launcher runs, with its own package provided: the competition's machine has none.
    """
    step = trial.plan.entry[0]
    if step.kind is not EntryKind.MODAL:
        return None
    job = _job(trial, Rung(name="as launched"), step, fresh=True)
    job = {key: value for key, value in job.items() if key not in {"function", "modal"}} | {"loads": True}
    raised = understood(session.run(job, trial.plan.limits), trial.submission, trial.plan.rungs[0], trial.files).raised
    return raised if raised is not None and raised.module is not None and raised.fault is Fault.SUBMISSION else None


def _attempt(trial: Trial, rung: Rung, session: Session, show: Show) -> tuple[Outcome, Attempt]:
    """One rung: all steps of the entry in order, in one working directory; the outcome is that of the last."""
    outcomes: list[Outcome] = []
    for number, step in enumerate(trial.plan.entry):
        several = f", step {number + 1} of {len(trial.plan.entry)}" if len(trial.plan.entry) > 1 else ""
        doing = f"running at size {rung.name}{several}"
        show(Moment(doing))

        def heard(data: bytes, doing: str = doing) -> None:
            if line := last_line(data):
                show(Moment(doing, line))

        done = session.run(_job(trial, rung, step, fresh=not number), trial.plan.limits, heard)
        outcomes.append(understood(done, trial.submission, rung, trial.files, trial.scored))
        if outcomes[-1].raised is not None:
            break
    outcome = _compared(whole(outcomes), trial)
    attempt = Attempt(
        rung=rung.name,
        seconds=done.seconds,
        cpu_seconds=done.cpu_seconds,
        peak_mb=done.peak_mb,
        ended=done.status,
        failure=outcome.raised,
    )
    return outcome, attempt


def _compared(outcome: Outcome, trial: Trial) -> Outcome:
    """The outcome with what the launch should have executed, by reading, and whether it was."""
    launch = trial.submission.launch
    if trial.program is None or launch is None or not outcome.blocks:
        return outcome
    done = Executed.of(trial.program, outcome.blocks)
    facts = outcome.facts
    found, missing = features(trial.program, launch, trial.plan.expected, done), not_executed(trial.program, done)
    if facts.so_far:
        found, missing = tuple(map(_still_open, found)), ()
    compared = {"features": found, "not_executed": missing}
    update: dict[str, object] = {"fidelity": facts.fidelity.model_copy(update=compared)}
    if facts.weighed is not None:
        update["weighed"] = facts.weighed.model_copy(update={"artifact": trial.plan.evaluates_only})
    return replace(outcome, facts=facts.model_copy(update=update))


def _still_open(feature: FeatureRun) -> FeatureRun:
    """What is known of a feature where the run was ended: what was not executed may have been to come."""
    if feature.ran is Ran.EXECUTED:
        return feature
    return feature.model_copy(update={"ran": Ran.UNKNOWN, "missed": (), "reason": "the run was ended before its end"})


def _job(trial: Trial, rung: Rung, step: EntryStep, *, fresh: bool) -> dict[str, object]:
    ranks = 1 if step.kind is EntryKind.MODAL or step.purpose is StepPurpose.PREPARE else trial.plan.world_size
    environment = {
        **dict(trial.plan.environment),
        **launcher_environment(ranks),
        **dict(trial.layout.environment),
        **{override.name: override.value for override in rung.overrides},
        **dict(step.environment),
    }
    job: dict[str, object] = {
        "script": step.path,
        "environment": environment,
        "arguments": [step.path, *step.arguments],
        "directives": [one.model_dump(mode="json") for one in rung.directives],
        "fresh": fresh,
        "ranks": ranks,
        "streams": [f"{INPUTS}/{folder}" for folder in trial.layout.streams],
    }
    if step.kind in {EntryKind.CALL, EntryKind.MODAL} and step.calls is not None:
        job |= {"function": step.calls, "modal": step.kind is EntryKind.MODAL}
    return job


def _failed(trial: Trial, outcome: Outcome) -> Failure | None:
    """What an attempt raised, with the line that raised it; None where it came to its end."""
    raised = outcome.raised
    if raised is None:
        return None
    source = ""
    if raised.at is not None and raised.at.line is not None:
        shown = trial.texts[-1 if raised.at.layer else 0].split("\n") if raised.at.path == trial.plan.script else []
        source = shown[raised.at.line - 1] if raised.at.line <= len(shown) else ""
    return Failure(raised.exception, outcome.message, source)


def _no_run(words: str, fault: Fault) -> RunFailure:
    return RunFailure(fault=fault, exception="", message=words)
