"""Intake of a pull request or ref: its diff, the folders that are new in it, and those that it merely repeats."""

from __future__ import annotations

import re

from harness.model.target import (
    BlobState,
    Change,
    ChangeKind,
    DiffFacts,
    EntryKind,
    FolderEntry,
    Intake,
    Origin,
    Target,
    TargetKind,
)
from harness.observe.intake.discover import RECORDS, submission_folders
from harness.observe.intake.repository import RawChange, Repository, RepositoryError

MAX_CHANGES = 5_000
MAX_FILES = 2_000
MAX_FOLDERS = 40
_NUMBER = re.compile(r"\(#(\d{1,7})\)|\b(?:pull request|PR) #(\d{1,7})\b", re.IGNORECASE)


def read_pull_request(repository: Repository, number: int, base: str | None = None) -> Intake:
    """Intake of pull request `number` against `base` (default: the repository's main branch).

    Raises RepositoryError when the repository lacks the pull request or the base.
    """
    head = repository.pull_request(number)
    return _read(repository, TargetKind.PR, f"refs/pull/{number}/head", head, number, base)


def read_ref(repository: Repository, ref: str, base: str | None = None, folder: str | None = None) -> Intake:
    """Intake of a branch, tag or commit: its folders that `base` lacks, or just `folder`.

    Raises RepositoryError when a name does not resolve or `folder` is not in the commit.
    """
    if folder is None:
        return _read(repository, TargetKind.REF, ref, repository.resolve(ref), None, base)
    sha = repository.resolve(ref)
    files = repository.list_files(sha, folder.strip("/"))
    if not files:
        raise RepositoryError(f"{ref} has no folder {folder!r}; list them with: git ls-tree --name-only {ref} records/")
    target = _target(repository, TargetKind.REF, ref, None, sha)
    (track,) = submission_folders([f"{folder.strip('/')}/README.md"]).values() or (None,)
    entry = FolderEntry(path=folder.strip("/"), track=track, origin=Origin.GIVEN, files=tuple(files[:MAX_FILES]))
    return Intake(target=target, folders=(entry,))


def _read(repository: Repository, kind: TargetKind, ref: str, sha: str, number: int | None, base: str | None) -> Intake:
    base_name = base or repository.base_branch
    base_sha = repository.resolve(base_name)
    method, old, merged_as, changes = _changes(repository, base_sha, sha, number)
    new = merged_as or sha
    touched = [c.path for c in changes if c.change is not ChangeKind.DELETED]
    folders = submission_folders(touched)
    # A pull request that main took in under its own number owns its folders, whoever else holds them.
    earlier = {} if merged_as else _earlier_heads(repository, number)
    entries = tuple(
        _folder(repository, new, (base_sha, old or base_sha), path, track, earlier)
        for path, track in list(folders.items())[:MAX_FOLDERS]
    )
    if not entries and any(path.endswith(".py") for path in touched):
        entries = (_loose(repository, changes),)
    diff = DiffFacts(
        method=method,
        base=old,
        merged_as=merged_as,
        changes=_listed(repository, changes[:MAX_CHANGES]),
        omitted=max(0, len(changes) - MAX_CHANGES),
    )
    return Intake(target=_target(repository, kind, ref, number, sha), diff=diff, folders=entries)


def _target(repository: Repository, kind: TargetKind, ref: str, number: int | None, sha: str) -> Target:
    return Target(
        kind=kind,
        repository=str(repository.path),
        pr=number,
        ref=ref,
        sha=sha,
        committed_at=repository.committed_at(sha),
    )


def _changes(
    repository: Repository, base: str, sha: str, number: int | None
) -> tuple[str, str | None, str | None, list[RawChange]]:
    """(method, old commit, merge commit, changes) of a head against the base branch."""
    old = repository.merge_base(base, sha)
    if old is None:
        foreign = [c for c in repository.diff(base, sha) if c.change is ChangeKind.ADDED and f"{RECORDS}/" in c.path]
        return "no_merge_base", None, None, foreign
    changes = repository.diff(old, sha)
    if changes:
        return "merge_base", old, None, changes
    merge = _merge_commit(repository, base, sha, number)
    if merge is None:
        return "merge_base", old, None, []
    commit, parent = merge
    return "first_parent", parent, commit, repository.diff(parent, commit)


def _merge_commit(repository: Repository, base: str, sha: str, number: int | None) -> tuple[str, str] | None:
    """The first-parent commit of the base branch that brought `sha` in, and the state before it."""
    by_number = None
    for commit, parents, subject in repository.first_parents(base):
        if sha in parents[1:]:
            return commit, parents[0]
        numbers = {int(a or b) for a, b in _NUMBER.findall(subject)}
        if parents and number in numbers and by_number is None:
            by_number = commit, parents[0]
    if by_number is not None:
        return by_number
    containing = repository.first_containing(base, sha)
    return (containing, repository.resolve(f"{containing}^1")) if containing else None


def _earlier_heads(repository: Repository, number: int | None) -> dict[str, int]:
    """Head commit to pull request number, of all pull requests before `number`; the lowest number of each head."""
    earlier: dict[str, int] = {}
    for other, head in repository.pull_requests.items():
        if number is not None and other < number:
            earlier.setdefault(head, other)
    return earlier


def _folder(
    repository: Repository,
    commit: str,
    bases: tuple[str, str],
    path: str,
    track: str | None,
    earlier: dict[str, int],
) -> FolderEntry:
    """One folder as it stands in `commit`: new, modified against the base, or repeated from an earlier pull request.

    `bases` are the base branch and the commit that the diff was made against.
    """
    base, old = bases
    before = {} if path == "." else repository.trees([old, commit], path)
    tree = before.get(commit)
    origin = Origin.MODIFIED if old in before else Origin.NEW
    repeats = None
    if tree is not None and origin is Origin.NEW and earlier:
        same = {earlier[head]: head for head, other in repository.trees(earlier, path).items() if other == tree}
        holder = _first_author(repository, base, same, path, tree)
        if holder is not None:
            origin, repeats = Origin.REPEATED, holder
    files = repository.list_files(commit, path)
    if path == ".":
        files = [file for file in files if "/" not in file.path]
    return FolderEntry(
        path=path, track=track, origin=origin, tree=tree, repeats=repeats, files=tuple(files[:MAX_FILES])
    )


def _first_author(repository: Repository, base: str, holders: dict[int, str], path: str, tree: str) -> int | None:
    """The lowest pull request that brought the folder in itself, rather than with a later state of the base branch.

    A head that was updated long after its number was given has the records that were merged meanwhile.
    """
    for number, head in sorted(holders.items()):
        start = repository.merge_base(base, head)
        if start is None or repository.trees([start], path).get(start) != tree:
            return number
    return None


def _loose(repository: Repository, changes: list[RawChange]) -> FolderEntry:
    """The changed files of a pull request without any submission folder."""
    files = repository.changed_files(changes[:MAX_FILES])
    return FolderEntry(path=".", track=None, origin=Origin.LOOSE, files=tuple(files))


def _listed(repository: Repository, changes: list[RawChange]) -> tuple[Change, ...]:
    present = (c.blob for c in changes if c.kind is not EntryKind.GITLINK and c.change is not ChangeKind.DELETED)
    sizes = repository.sizes(present)
    rows = []
    for c in changes:
        gone = c.change is ChangeKind.DELETED
        readable = c.kind in {EntryKind.FILE, EntryKind.EXECUTABLE} and not gone
        state = BlobState.NOT_READ if not readable else BlobState.PRESENT if c.blob in sizes else BlobState.MISSING
        rows.append(Change(path=c.path, change=c.change, kind=c.kind, size=sizes.get(c.blob), state=state))
    return tuple(rows)
