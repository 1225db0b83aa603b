"""Facts in the store: those of a folder once, whichever pull requests hold it, and those of a target that point there.

A folder is known by its files, so what one pull request repeats from another, or keeps through a new commit, is not
read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from harness.model.base import Frozen
from harness.model.cpu_run import CpuRunFacts, Fault
from harness.model.facts import Facts, Stage, StageStatus, SubmissionFacts
from harness.model.target import FolderEntry, Intake
from harness.observe.intake.content import Source
from harness.observe.observe import contents_of, facts_key, folder_key, observe_each, observe_folder, run_key
from harness.observe.reading.worker import Reader
from harness.store.store import Store


class Kept(Frozen):
    """Facts of a target without those of its folders, and the folders."""

    facts: Facts
    folders: tuple[FolderEntry, ...]


class Runner(Protocol):
    """Runs a submission on a CPU."""

    def run(self, submission: SubmissionFacts, files: Mapping[str, bytes]) -> CpuRunFacts:
        """Facts of its run; `files` maps its paths to their bytes."""


def with_runs(facts: Facts, source: Source, runner: Runner, store: Store) -> Facts:
    """The facts with those of the run of every submission, made now or found in the store."""
    submissions = tuple(
        one.model_copy(update={"cpu_run": _run(one, source, runner, store)}) for one in facts.submissions
    )
    return facts.model_copy(update={"submissions": submissions})


def _run(submission: SubmissionFacts, source: Source, runner: Runner, store: Store) -> CpuRunFacts:
    address = run_key(submission.folder)
    found = store.get("runs", address, CpuRunFacts)
    if found is None:
        contents, _ = contents_of(submission.folder, source)
        found = runner.run(submission, {path: content.data for path, content in contents.items()})
        if found.refused is None and (found.failure is None or found.failure.fault is not Fault.MACHINE):
            store.put("runs", address, found)
    return found


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
