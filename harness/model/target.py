"""What was asked for, and the files found there: the result of intake, before anything is parsed."""

from __future__ import annotations

from enum import StrEnum

from harness.model.base import Frozen


class TargetKind(StrEnum):
    """How the submission was handed over."""

    FOLDER = "folder"
    PR = "pr"
    REF = "ref"


class Target(Frozen):
    """What a review is about. `sha` is the commit reviewed; None for a plain folder."""

    kind: TargetKind
    repository: str
    pr: int | None = None
    ref: str | None = None
    sha: str | None = None
    committed_at: str | None = None
    """Committer date of `sha`, ISO 8601 with offset. Record status is judged as of this date."""


class EntryKind(StrEnum):
    """What a path is, by its git mode or its `lstat`."""

    FILE = "file"
    EXECUTABLE = "executable"
    SYMLINK = "symlink"
    GITLINK = "gitlink"
    SPECIAL = "special"


class BlobState(StrEnum):
    """Whether the bytes of a path can be had. Absence is a state, not an error."""

    PRESENT = "present"
    MISSING = "missing"
    """The repository names the blob but does not hold it (partial clone, pruned mirror)."""
    TOO_LARGE = "too_large"
    """Larger than the intake limit: size and digest may be known, the text is not read."""
    NOT_READ = "not_read"
    """A symlink, gitlink, socket or device, never followed or opened; or a file that the system refused."""


class FileEntry(Frozen):
    """One path of a submission. `path` is relative to the submission folder, with forward slashes."""

    path: str
    kind: EntryKind = EntryKind.FILE
    state: BlobState = BlobState.PRESENT
    size: int | None = None
    blob: str | None = None
    """Git object id (SHA-1 or SHA-256) of the content, computed for folders as git would."""
    link: str | None = None
    """Where a symlink points, as text; it is never followed."""


class Origin(StrEnum):
    """How a folder came into the target."""

    NEW = "new"
    MODIFIED = "modified"
    REPEATED = "repeated"
    """Identical to the same folder of an earlier pull request (a stacked fork)."""
    LOOSE = "loose"
    """No folder at all: the changed files of a pull request, read together because there is nothing else."""
    GIVEN = "given"
    """Named by the user."""


class FolderEntry(Frozen):
    """A submission folder and its files. `path` is relative to the repository (or the folder's name)."""

    path: str
    track: str | None
    origin: Origin
    tree: str | None = None
    repeats: int | None = None
    """Number of the earliest pull request that holds the identical folder."""
    files: tuple[FileEntry, ...] = ()


class ChangeKind(StrEnum):
    """What a diff does to a path."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"


class Change(Frozen):
    """One path of the diff against the merge base; `path` is relative to the repository."""

    path: str
    change: ChangeKind
    kind: EntryKind = EntryKind.FILE
    size: int | None = None
    state: BlobState = BlobState.PRESENT


class DiffFacts(Frozen):
    """The diff of a pull request as a whole.

    `method` says how it was found: `merge_base` (the usual one), `first_parent` (already merged: the merge commit on
    the base branch), `no_merge_base` (unrelated history: all paths under records/ that the base branch lacks).
    """

    method: str
    base: str | None
    merged_as: str | None = None
    changes: tuple[Change, ...] = ()
    omitted: int = 0
    """Changes beyond the limit, counted but not listed."""


class Intake(Frozen):
    """All that intake found: folders to read and, for git targets, the diff they came from."""

    target: Target
    diff: DiffFacts | None = None
    folders: tuple[FolderEntry, ...] = ()
