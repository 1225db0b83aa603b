"""What the main branch held on a date: submission folders, who brought and removed them, and the README of that day."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.model.target import ChangeKind
from harness.observe.intake.discover import RECORDS, submission_folders
from harness.observe.intake.repository import RawChange, Repository, RepositoryError

README = "README.md"
_MERGED = re.compile(r"Merge (?:pull request|PR) #(\d{1,7})\b|.*\(#(\d{1,7})\)$")


@dataclass(frozen=True)
class Held:
    """A submission folder that main held: since when, from which pull request (None: none), at which commit to read it.

    `removed_by` is the commit that took it off main again; the folder is then read as it stood before.
    """

    folder: str
    track: str | None
    pr: int | None
    accepted: dt.date
    commit: str
    removed_by: str | None = None


@dataclass(frozen=True)
class History:
    """Main as it was at the end of `day`."""

    commit: str
    day: dt.date
    held: tuple[Held, ...]
    readme: str


@dataclass(frozen=True)
class _Commit:
    """One first-parent commit of main; `before` is its first parent."""

    sha: str
    before: str | None
    day: dt.date
    pr: int | None
    changes: tuple[RawChange, ...]


def read_history(repository: Repository, branch: str, as_of: dt.date | None = None) -> History:
    """The state of `branch` on `as_of` (default: its last commit's day) along its first parents.

    Days are those of the committers' clocks. Raises RepositoryError when there was no commit yet.
    """
    commits = [c for c in _commits(repository, branch) if as_of is None or c.day <= as_of]
    if not commits:
        raise RepositoryError(f"{repository.path} has no commit on {branch} up to {as_of}")
    last = commits[-1]
    files = repository.list_files(last.sha, ".")
    folders = submission_folders(file.path for file in files if file.path.startswith(f"{RECORDS}/"))
    present = [_held(folder, track, commits, last) for folder, track in folders.items()]
    readme = next((file for file in files if file.path == README), None)
    content = repository.read_blob(readme.blob) if readme is not None and readme.blob is not None else None
    text = content.data.decode("utf-8", errors="replace") if content is not None else ""
    return History(last.sha, as_of or last.day, (*present, *_removed(commits, folders)), text)


def _commits(repository: Repository, branch: str) -> list[_Commit]:
    """First-parent commits, oldest first."""
    heads = {sha: number for number, sha in repository.pull_requests.items()}
    found = []
    for sha, parents, subject in reversed(repository.first_parents(branch)):
        day = dt.datetime.fromisoformat(repository.committed_at(sha)).date()
        changes = repository.diff(parents[0], sha) if parents else []
        number = next((heads[parent] for parent in parents[1:] if parent in heads), _number(subject))
        kept = tuple(change for change in changes if change.path.startswith(f"{RECORDS}/"))
        found.append(_Commit(sha, parents[0] if parents else None, day, number, kept))
    return found


def _number(subject: str) -> int | None:
    match = _MERGED.match(subject)
    return int(match[1] or match[2]) if match else None


def _held(folder: str, track: str | None, commits: Iterable[_Commit], last: _Commit) -> Held:
    """A folder that is there: brought by the last commit that added to it when it was not there."""
    first: _Commit | None = None
    for commit in commits:
        kinds = {change.change for change in commit.changes if change.path.startswith(f"{folder}/")}
        if kinds == {ChangeKind.DELETED}:
            first = None
        elif ChangeKind.ADDED in kinds and first is None:
            first = commit
    if first is None:
        oldest = next(iter(commits))
        return Held(folder, track, None, oldest.day, last.sha)
    return Held(folder, track, first.pr, first.day, last.sha)


def _removed(commits: list[_Commit], present: Mapping[str, str | None]) -> list[Held]:
    """Folders that were added and that a later commit removed."""
    found: dict[str, Held] = {}
    for commit in commits:
        added = submission_folders(c.path for c in commit.changes if c.change is ChangeKind.ADDED)
        for folder, track in added.items():
            if folder not in present:
                found[folder] = Held(folder, track, commit.pr, commit.day, commit.sha)
        for folder in submission_folders(c.path for c in commit.changes if c.change is ChangeKind.DELETED):
            held = found.get(folder)
            if held is not None and commit.before is not None:
                found[folder] = Held(folder, held.track, held.pr, held.accepted, commit.before, commit.sha)
    return [held for held in found.values() if held.removed_by is not None]
