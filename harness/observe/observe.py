"""From an intake to `golf.facts/1`: fetch the bytes, hand them to the limited reader, note what each stage cost."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from harness.model.facts import Facts, Stage, StageStatus, SubmissionFacts
from harness.model.target import BlobState, FolderEntry, Intake, Origin
from harness.observe.digest import observer_digest, run_digest
from harness.observe.intake.content import Content, Source
from harness.observe.reading.roles import is_wanted
from harness.observe.reading.worker import Reader, ReaderError

TOTAL_LIMIT = 96 << 20
"""Most bytes of one folder that are handed to the reader; further files are left out and named."""
RUN_FILE_LIMIT = 64 << 20
"""Largest file that a run finds in its folder: some submissions ship their weights."""


def facts_key(intake: Intake) -> str:
    """Content address of the facts of an intake: its folders, its diff, and the observing code."""
    digest = hashlib.sha256(observer_digest().encode())
    digest.update(intake.target.model_dump_json().encode())
    digest.update(intake.diff.model_dump_json().encode() if intake.diff else b"-")
    for folder in intake.folders:
        digest.update(folder.model_dump_json().encode())
    return digest.hexdigest()


def folder_key(folder: FolderEntry) -> str:
    """Content address of the facts of one folder: its files and the observing code, not where it lies."""
    digest = hashlib.sha256(observer_digest().encode())
    for file in folder.files:
        digest.update(file.model_dump_json().encode())
    return digest.hexdigest()


def run_key(folder: FolderEntry, world_size: int = 1, *, proof: bool = False) -> str:
    """Content address of the facts of the run of one folder in so many processes, with experiments on it or without:
    its files, and the code that reads and runs it.
    """
    return hashlib.sha256(f"{folder_key(folder)} {run_digest()} {world_size} {proof}".encode()).hexdigest()


def observe(intake: Intake, source: Source, reader: Reader) -> Facts:
    """Facts of everything in `intake`; `observe_each` tells which folders are read."""
    return observe_each(intake, lambda folder: observe_folder(folder, source, reader))


def observe_each(intake: Intake, read: Callable[[FolderEntry], SubmissionFacts]) -> Facts:
    """Facts of everything in `intake`; `read` gives those of a folder.

    A folder that an earlier pull request already holds is only listed, unless the pull request holds nothing else.
    """
    fresh = [folder for folder in intake.folders if folder.origin is not Origin.REPEATED]
    repeated = [folder for folder in intake.folders if folder.origin is Origin.REPEATED]
    if not fresh:
        fresh, repeated = repeated, []
    started = time.perf_counter()
    submissions = tuple(read(folder) for folder in fresh)
    seconds = round(time.perf_counter() - started, 4)
    return Facts(
        observed_by=observer_digest(),
        target=intake.target,
        diff=intake.diff,
        submissions=submissions,
        repeated=tuple(folder.model_copy(update={"files": ()}) for folder in repeated),
        stages=(Stage(name="observe", status=StageStatus.DONE, seconds=seconds),),
    )


def observe_folder(folder: FolderEntry, source: Source, reader: Reader) -> SubmissionFacts:
    """Fetch the files of one folder and have them read. A failure of the reader becomes a stage with `error`."""
    contents, omitted = contents_of(folder, source)
    try:
        facts = reader.read(folder, contents)
    except ReaderError as error:
        stage = Stage(name="reading", status=StageStatus.ERROR, reason=str(error))
        return SubmissionFacts(folder=folder, stages=(stage,))
    if omitted:
        reason = f"{len(omitted)} files beyond {TOTAL_LIMIT >> 20} MiB in all were not read, the first is {omitted[0]}"
        facts = facts.model_copy(
            update={"stages": (*facts.stages, Stage(name="intake", status=StageStatus.PARTIAL, reason=reason))}
        )
    return facts


def run_files(folder: FolderEntry, source: Source) -> dict[str, bytes]:
    """The files that a run finds in its folder, shipped artifacts too: all that are whole, programs and texts first.

    Files of more than `RUN_FILE_LIMIT` bytes, and what is beyond `TOTAL_LIMIT` together, are left out.
    """
    found: dict[str, bytes] = {}
    left = TOTAL_LIMIT
    for file in sorted(folder.files, key=lambda file: (not is_wanted(file), file.size or 0)):
        limit = min(left, RUN_FILE_LIMIT)
        if file.state is not BlobState.PRESENT or (file.size or 0) > limit:
            continue
        content = source.read(folder, file, limit)
        if content is not None and not content.truncated:
            found[file.path] = content.data
            left -= len(content.data)
    return found


def contents_of(folder: FolderEntry, source: Source) -> tuple[dict[str, Content], list[str]]:
    """The files of a folder that are wanted, by path, and the paths of those that were too much together."""
    contents: dict[str, Content] = {}
    left = TOTAL_LIMIT
    omitted = []
    for file in folder.files:
        if not is_wanted(file):
            continue
        content = source.read(folder, file, max(0, left)) if left < (file.size or 0) else source.read(folder, file)
        if content is None:
            continue
        if len(content.data) > left:
            omitted.append(file.path)
            continue
        contents[file.path] = content
        left -= len(content.data)
    return contents, omitted
