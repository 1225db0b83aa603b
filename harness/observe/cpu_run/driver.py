"""A submission from plan to facts: inputs laid out, rungs tried one after the other in one sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.model.cpu_run import Attempt, Begun, CpuRunFacts, Fault, RunFailure
from harness.model.plan import EntryKind, Override, Plan, Rung, RunLimits
from harness.model.proof import ProofFacts
from harness.observe.cpu_run.outcome import Outcome, sandbox_ended, understood
from harness.observe.cpu_run.planning.ladder import Failure, next_rung
from harness.observe.cpu_run.session import Session, SessionEnded
from harness.observe.cpu_run.trial import Again, Trial, attempt, fill, job, lay, no_run
from harness.observe.moment import Moment, Show, silent
from harness.observe.sandbox.provider import Limits

Keep = Callable[[Begun], None]
"""Given a run whenever a part of it is finished, so that it can go on from there."""
Prove = Callable[[Trial, Outcome, Again, Show], ProofFacts]
"""Makes experiments on a run that came to its end."""
_STEPS = 10
"""So many steps may use all the processor time that each of them has."""


def sandbox_limits() -> Limits:
    """Limits of the sandbox of one submission: each run has its own within them. Wall time is that until the first."""
    each = RunLimits()
    return Limits(
        wall_seconds=600.0, cpu_seconds=_STEPS * each.cpu_seconds, memory_bytes=each.memory_bytes, processes=256
    )


def run_on_cpu(
    trial: Trial,
    session: Session,
    show: Show = silent,
    keep: Keep = lambda _: None,
    begun: Begun | None = None,
    prove: Prove | None = None,
) -> CpuRunFacts:
    """The run of a submission in a sandbox of its own; the furthest attempt, and those before it.

    `begun` is an earlier call's run that was cut short: this one goes on with the rung that was next. `prove` makes
    experiments on the run where it came to its end.
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
        fill(trial, session)
        sandbox_seconds += time.perf_counter() - started
        if begun is None:
            launched = _as_launched(trial, session)
        while number is not None:
            keep(Begun(run=told(), rung=number))
            rung = trial.plan.rungs[number]
            outcome, made = attempt(trial, rung, session, show)
            noticed |= dict.fromkeys(outcome.facts.tampering)
            if not attempts or len(outcome.facts.reached) >= len(best.reached):
                best = outcome.facts
            attempts.append(made)
            failed, earlier = _failed(trial, outcome), failed
            number = None if failed is None or outcome.over else next_rung(trial.plan, number, failed, earlier)
            if prove is not None and number is None and not outcome.over:
                best = best.model_copy(update={"proof": _proof(prove, trial, rung, outcome, session, show)})
        if not noticed:
            best = best.model_copy(update={"failure": _explained(best, trial.plan)})
    except SessionEnded as error:
        failure = sandbox_ended(error)
        if not attempts:
            best = CpuRunFacts(failure=failure)
        attempts.append(Attempt(rung="", seconds=error.ending.seconds, ended=str(error.ending.why), failure=failure))
    return _with_places(told(), trial)


def _proof(prove: Prove, trial: Trial, rung: Rung, outcome: Outcome, session: Session, show: Show) -> ProofFacts:
    """Experiments on a run; where the sandbox ends during them, nothing is said but that."""

    def again(other: Trial) -> tuple[Outcome, Attempt]:
        lay(other, session)
        return attempt(other, rung, session, show)

    try:
        return prove(trial, outcome, again, show)
    except SessionEnded as error:
        return ProofFacts(reason=f"the sandbox ended during the experiments: {sandbox_ended(error).message}")


def _explained(run: CpuRunFacts, plan: Plan) -> RunFailure | None:
    """The run's failure, laid to the submission where the plan knows what its folder lacks."""
    failure = run.failure
    if failure is not None and failure.fault is not Fault.HARNESS:
        return failure
    if plan.reason is not None and not run.files:
        return no_run(plan.reason, Fault.SUBMISSION)
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


def _as_launched(trial: Trial, session: Session) -> RunFailure | None:
    """The import that the file ends at where nothing is provided but what torchrun starts it with.

    Asked of files that another launcher runs, with its own package provided: the competition's machine has none.
    """
    step = trial.plan.entry[0]
    if step.kind is not EntryKind.MODAL:
        return None
    asked = job(trial, Rung(name="as launched"), step, fresh=True)
    asked = {key: value for key, value in asked.items() if key not in {"function", "modal"}} | {"loads": True}
    raised = understood(
        session.run(asked, trial.plan.limits), trial.submission, trial.plan.rungs[0], trial.files
    ).raised
    return raised if raised is not None and raised.module is not None and raised.fault is Fault.SUBMISSION else None


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
