"""Facts in the store: those of a folder once, whichever pull requests hold it, and those of a target that point there.

A folder is known by its files, so what one pull request repeats from another, or keeps through a new commit, is neither
read nor run again.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from harness.model.base import Frozen, snippet
from harness.model.cpu_run import Attempt, Begun, CpuRunFacts, Fault, RunFailure
from harness.model.facts import Facts, Stage, StageStatus, SubmissionFacts
from harness.model.target import FolderEntry, Intake
from harness.observe.intake.content import Source
from harness.observe.moment import Moment, Show, silent
from harness.observe.observe import facts_key, folder_key, observe_each, observe_folder, run_files, run_key
from harness.observe.reading.worker import Reader
from harness.store.store import Store


class Kept(Frozen):
    """Facts of a target without those of its folders, and the folders."""

    facts: Facts
    folders: tuple[FolderEntry, ...]


class Runner(Protocol):
    """Runs a submission on a CPU."""

    @property
    def world_size(self) -> int:
        """Processes of a run."""

    @property
    def proof(self) -> bool:
        """Whether it makes experiments on a run."""

    def run(
        self,
        submission: SubmissionFacts,
        files: Mapping[str, bytes],
        show: Show = ...,
        keep: Callable[[Begun], None] = ...,
        begun: Begun | None = ...,
    ) -> CpuRunFacts:
        """Facts of its run; `files` maps its paths to their bytes.

        `keep` is given what is known whenever a part of the run is finished; with `begun`, what it was given last, a
        run that was cut short goes on.
        """


def with_runs(facts: Facts, source: Source, runner: Runner, store: Store, show: Show = silent) -> Facts:
    """The facts with those of the run of every submission, made now or found in the store, and its stages.

    A failure of the harness costs that run alone: it becomes a stage with `error`.
    """
    submissions = tuple(_with_run(one, source, runner, store, show) for one in facts.submissions)
    return facts.model_copy(update={"submissions": submissions})


def _with_run(submission: SubmissionFacts, source: Source, runner: Runner, store: Store, show: Show) -> SubmissionFacts:
    try:
        run = _run(submission, source, runner, store, show)
        stages = tuple(_run_stages(run))
    except Exception as error:  # noqa: BLE001  whatever failed is ours, and what was read is worth a review
        where = " ".join(traceback.format_exc(limit=-1).split())
        failure = RunFailure(
            fault=Fault.HARNESS, exception=type(error).__name__, message=snippet(str(error)), remedy="Please report it."
        )
        run = CpuRunFacts(failure=failure)
        stages = (Stage(name="run", status=StageStatus.ERROR, reason=snippet(where)),)
    return submission.model_copy(update={"cpu_run": run, "stages": (*submission.stages, *stages)})


def _run(submission: SubmissionFacts, source: Source, runner: Runner, store: Store, show: Show) -> CpuRunFacts:
    """The run, from the store as far as it is there. What is finished is kept at once, so that nothing is run twice."""
    address = run_key(submission.folder, runner.world_size, proof=runner.proof)
    # Under the address lies one or the other; neither has the fields of the other, so it reads as one of them only.
    finished = store.get("runs", address, CpuRunFacts)
    if finished is not None:
        return finished
    begun = store.get("runs", address, Begun)

    def keep(so_far: Begun) -> None:
        store.put("runs", address, so_far)

    show(Moment("fetching the files"))
    run = runner.run(submission, run_files(submission.folder, source), show, keep, begun)
    if _lasts(run):
        store.put("runs", address, run)
    return run


def _lasts(run: CpuRunFacts) -> bool:
    """Whether a run says something of the submission that holds elsewhere, too: neither machine nor harness failed, as
    far as is known.
    """
    failures = [run.failure, *(attempt.failure for attempt in run.attempts)]
    ours = {Fault.MACHINE, Fault.UNKNOWN}
    broken = any(one is not None and (one.fault in ours or one.internal) for one in failures)
    return run.refused is None and not broken


def _run_stages(run: CpuRunFacts) -> Iterator[Stage]:
    """What a run consisted of: inputs, sandbox, and every size that was tried."""
    if run.refused is not None:
        yield Stage(name="run", status=StageStatus.SKIPPED, reason=run.refused)
    elif not run.attempts:
        failure = run.failure
        yield Stage(name="run", status=_status(failure), reason=failure.message if failure is not None else None)
    else:
        yield Stage(name="run: inputs", status=StageStatus.DONE, seconds=run.inputs_seconds)
        yield Stage(name="run: sandbox", status=StageStatus.DONE, seconds=run.sandbox_seconds)
        for attempt in run.attempts:
            yield Stage(
                name=f"run: size {attempt.rung}" if attempt.rung else "run: end of the sandbox",
                status=_status(attempt.failure),
                seconds=attempt.seconds,
                peak_mb=attempt.peak_mb,
                reason=_reason(attempt),
            )


def _status(failure: RunFailure | None) -> StageStatus:
    if failure is None:
        return StageStatus.DONE
    theirs = failure.fault in {Fault.SUBMISSION, Fault.LIMIT}
    return StageStatus.FAILED if theirs else StageStatus.PARTIAL


def _reason(attempt: Attempt) -> str | None:
    if attempt.failure is None:
        return None if attempt.ended == "exit 0" else f"it ended with {attempt.ended}"
    return snippet(f"{attempt.failure.exception}: {attempt.failure.message}".strip(": "))


def facts_of(intake: Intake, source: Source, reader: Reader, store: Store) -> tuple[Facts, bool]:
    """Facts of an intake, and whether facts of exactly this intake and observing code were in the store."""
    key = facts_key(intake)
    facts = stored_facts(key, store)
    if facts is not None:
        return facts, True

    def read(folder: FolderEntry) -> SubmissionFacts:
        address = folder_key(folder)
        submission = store.get("folders", address, SubmissionFacts)
        if submission is None:
            submission = observe_folder(folder, source, reader)
            if not _failed(submission):
                store.put("folders", address, submission.model_copy(update={"folder": _unnamed(folder)}))
        return submission.model_copy(update={"folder": folder})

    facts = observe_each(intake, read)
    if not observer_failed(facts):
        folders = tuple(submission.folder for submission in facts.submissions)
        store.put("facts", key, Kept(facts=facts.model_copy(update={"submissions": ()}), folders=folders))
    return facts, False


def stored_facts(key: str, store: Store) -> Facts | None:
    """The facts under a key, or None where they or those of one of their folders are not in the store."""
    kept = store.get("facts", key, Kept)
    if kept is None:
        return None
    submissions = []
    for folder in kept.folders:
        submission = store.get("folders", folder_key(folder), SubmissionFacts)
        if submission is None:
            return None
        submissions.append(submission.model_copy(update={"folder": folder}))
    return kept.facts.model_copy(update={"submissions": tuple(submissions)})


def observer_failed(facts: Facts) -> list[Stage]:
    """Stages in which the harness itself failed; such facts are not kept."""
    return [stage for submission in facts.submissions for stage in _failed(submission)]


def _failed(submission: SubmissionFacts) -> list[Stage]:
    return [stage for stage in submission.stages if stage.status is StageStatus.ERROR]


def _unnamed(folder: FolderEntry) -> FolderEntry:
    """Nothing of the folder but that there is one: where it lies differs, and its files are what the key is made of."""
    return FolderEntry(path="", track=None, origin=folder.origin)
