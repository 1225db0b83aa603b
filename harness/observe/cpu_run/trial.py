"""One submission with everything that it is run with, and one attempt to run it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.model.cpu_run import Attempt, CpuRunFacts, Fault, FeatureRun, Ran, RunFailure
from harness.model.facts import SubmissionFacts
from harness.model.plan import Directive, EntryKind, EntryStep, Plan, Rung, StepPurpose
from harness.observe.cpu_run.claimed import claimed_label
from harness.observe.cpu_run.coverage import NOTHING_SCORED, Scored, truths
from harness.observe.cpu_run.executed import Executed, features, not_executed, program_of
from harness.observe.cpu_run.home import INPUTS
from harness.observe.cpu_run.inputs.layout import Layout, lay_out
from harness.observe.cpu_run.inputs.made import sizes_for
from harness.observe.cpu_run.inputs.tokenizers import VocabularyError
from harness.observe.cpu_run.outcome import Outcome, understood, whole
from harness.observe.cpu_run.planning.environment import launcher_environment
from harness.observe.cpu_run.planning.plan import plan_from
from harness.observe.cpu_run.session import Session
from harness.observe.cpu_run.switched import Program
from harness.observe.cpu_run.unmet import unmet
from harness.observe.moment import Moment, Show, last_line
from harness.observe.reading.source.script import read_script

Again = Callable[["Trial"], tuple[Outcome, Attempt]]
"""Makes another attempt at the size that worked, with other inputs."""


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
    rows: bool = False
    """Whether all that enters a sum is kept one by one, to be compared with other runs."""
    asked: tuple[tuple[int, int], ...] = ()
    """Positions, each with a token of which the run is to tell what it would have been given there."""
    sharpness: float = 1.0
    """What the weights that are read back are multiplied by."""
    edits: tuple[Directive, ...] = ()
    """What is changed in its text besides the directives of a rung."""


def prepared(
    submission: SubmissionFacts, files: Mapping[str, bytes], cache: Path, world_size: int = 1
) -> Trial | CpuRunFacts:
    """What a submission is run with, in so many processes, or the facts of a run that cannot be."""
    launch = submission.launch
    if launch is None or launch.script is None or launch.script not in files:
        return CpuRunFacts(failure=no_run("There is no Python script to launch.", Fault.SUBMISSION))
    started = time.perf_counter()
    main = read_script(launch.script, files[launch.script], files)
    plan = plan_from(submission, files, main, world_size)
    if not plan.entry or not plan.rungs:
        return CpuRunFacts(failure=no_run(plan.reason or "Nothing in the script starts it.", Fault.SUBMISSION))
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
        return CpuRunFacts(failure=no_run(str(error), Fault.HARNESS))
    sequence = max(wanted.sequence, wanted.eval_sequence) if wanted is not None else None
    scored = Scored(truths(layout, cache), sequence, claimed_label(submission))
    program = program_of(submission, files, main, dict(plan.environment) | launcher_environment(launch.world_size))
    return Trial(submission, files, plan, layout, main.texts, program, time.perf_counter() - started, scored)


def no_run(words: str, fault: Fault) -> RunFailure:
    """The failure of a run that cannot be."""
    return RunFailure(fault=fault, exception="", message=words)


def fill(trial: Trial, session: Session) -> None:
    """Send the submission and its inputs into the sandbox; every run finds them as they are here, and nothing else."""
    session.wait_ready()
    session.clear()
    for path, data in trial.files.items():
        session.put(path, data, 0o755 if path.endswith(".sh") else 0o644)
    lay(trial, session)


def lay(trial: Trial, session: Session) -> None:
    """Give the inputs of a trial their names. Those that have them already are replaced for the runs to come."""
    for placed in trial.layout.files:
        session.link(placed.path, f"{INPUTS}/{placed.source}")


def attempt(trial: Trial, rung: Rung, session: Session, show: Show) -> tuple[Outcome, Attempt]:
    """One rung: all steps of the entry in order, in one working directory; the outcome is that of the last."""
    outcomes: list[Outcome] = []
    for number, step in enumerate(trial.plan.entry):
        several = f", step {number + 1} of {len(trial.plan.entry)}" if len(trial.plan.entry) > 1 else ""
        doing = f"running at size {rung.name}{several}"
        show(Moment(doing))

        def heard(data: bytes, doing: str = doing) -> None:
            if line := last_line(data):
                show(Moment(doing, line))

        done = session.run(job(trial, rung, step, fresh=not number), trial.plan.limits, heard)
        outcomes.append(understood(done, trial.submission, rung, trial.files, trial.scored))
        if outcomes[-1].raised is not None:
            break
    outcome = _compared(whole(outcomes), trial)
    made = Attempt(
        rung=rung.name,
        seconds=done.seconds,
        cpu_seconds=done.cpu_seconds,
        peak_mb=done.peak_mb,
        ended=done.status,
        failure=outcome.raised,
    )
    return outcome, made


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
    compared = {"features": found, "not_executed": missing, "unmet": unmet(trial.program, done)}
    update: dict[str, object] = {"fidelity": facts.fidelity.model_copy(update=compared)}
    if facts.weighed is not None:
        update["weighed"] = facts.weighed.model_copy(update={"artifact": trial.plan.evaluates_only})
    return replace(outcome, facts=facts.model_copy(update=update))


def _still_open(feature: FeatureRun) -> FeatureRun:
    """What is known of a feature where the run was ended: what was not executed may have been to come."""
    if feature.ran is Ran.EXECUTED:
        return feature
    return feature.model_copy(update={"ran": Ran.UNKNOWN, "missed": (), "reason": "the run was ended before its end"})


def job(trial: Trial, rung: Rung, step: EntryStep, *, fresh: bool) -> dict[str, object]:
    """What the server in the sandbox is asked to do for one step (see `guest.run`)."""
    ranks = 1 if step.kind is EntryKind.MODAL or step.purpose is StepPurpose.PREPARE else trial.plan.world_size
    environment = {
        **dict(trial.plan.environment),
        **launcher_environment(ranks),
        **dict(trial.layout.environment),
        **{override.name: override.value for override in rung.overrides},
        **dict(step.environment),
    }
    asked: dict[str, object] = {
        "script": step.path,
        "environment": environment,
        "arguments": [step.path, *step.arguments],
        "directives": [one.model_dump(mode="json") for one in (*rung.directives, *trial.edits)],
        "fresh": fresh,
        "ranks": ranks,
        "streams": [f"{INPUTS}/{folder}" for folder in trial.layout.streams],
        "rows": trial.rows,
        "asked": trial.asked,
        "sharpness": trial.sharpness,
    }
    if step.kind in {EntryKind.CALL, EntryKind.MODAL} and step.calls is not None:
        asked |= {"function": step.calls, "modal": step.kind is EntryKind.MODAL}
    return asked
