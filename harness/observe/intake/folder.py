"""Intake of a plain folder. No symlink is followed, no device or pipe is opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from harness.model.target import (
    BlobState,
    EntryKind,
    FileEntry,
    FolderEntry,
    Intake,
    Origin,
    Target,
    TargetKind,
)
from harness.observe.intake.content import READ_LIMIT, BlobDigest, Content, read_limited
from harness.observe.intake.discover import track_of

MAX_FILES = 5_000
MAX_DEPTH = 16
HASH_LIMIT = 512 << 20
"""Larger files are listed with their size and no digest."""
_IGNORED = {".git", "__pycache__"}


class FolderSource:
    """Bytes of the files of one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, folder: FolderEntry, file: FileEntry, limit: int = READ_LIMIT) -> Content | None:  # noqa: ARG002  the protocol names it
        """Bytes of `file`; None when it is no regular file or vanished since it was listed."""
        if file.state is not BlobState.PRESENT and file.state is not BlobState.TOO_LARGE:
            return None
        try:
            descriptor = _open_beneath(self.root, file.path)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as stream:
            return read_limited(stream, limit)


def read_folder(root: Path) -> tuple[Intake, FolderSource]:
    """List `root` as one submission.

    Raises NotADirectoryError when `root` is no directory.
    """
    if not root.is_dir():
        raise NotADirectoryError(f"{root} is not a folder; give the folder that holds train_gpt.py and submission.json")
    real = root.resolve()
    files = tuple(sorted(_walk(real), key=lambda entry: entry.path)[:MAX_FILES])
    folder = FolderEntry(path=real.name, track=track_of(str(real)), origin=Origin.GIVEN, files=files)
    target = Target(kind=TargetKind.FOLDER, repository=str(root))
    return Intake(target=target, folders=(folder,)), FolderSource(real)


def _walk(root: Path) -> Iterator[FileEntry]:
    pending = [(root, "", 0)]
    seen = 0
    while pending and seen <= MAX_FILES:
        directory, prefix, depth = pending.pop()
        try:
            entries = list(os.scandir(directory))
        except OSError:
            yield FileEntry(path=prefix.rstrip("/") or ".", kind=EntryKind.SPECIAL, state=BlobState.NOT_READ)
            continue
        for entry in entries:
            path = _utf8(prefix + entry.name)
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _IGNORED and depth < MAX_DEPTH:
                    pending.append((Path(entry.path), path + "/", depth + 1))
                continue
            seen += 1
            if seen > MAX_FILES:
                return
            yield _entry(Path(entry.path), path)


def _entry(file: Path, path: str) -> FileEntry:
    try:
        status = file.lstat()
        if stat.S_ISLNK(status.st_mode):
            return FileEntry(
                path=path, kind=EntryKind.SYMLINK, state=BlobState.NOT_READ, link=_utf8(str(file.readlink()))[:200]
            )
        if not stat.S_ISREG(status.st_mode):
            return FileEntry(path=path, kind=EntryKind.SPECIAL, state=BlobState.NOT_READ)
        kind = EntryKind.EXECUTABLE if status.st_mode & stat.S_IXUSR else EntryKind.FILE
        if status.st_size > HASH_LIMIT:
            return FileEntry(path=path, kind=kind, state=BlobState.TOO_LARGE, size=status.st_size)
        blob, size = _digest(file, status.st_size)
        return FileEntry(path=path, kind=kind, size=size, blob=blob)
    except OSError:
        return FileEntry(path=path, kind=EntryKind.SPECIAL, state=BlobState.NOT_READ)


def _digest(file: Path, size: int) -> tuple[str, int]:
    """Git's blob id and the size; a file that grows meanwhile is cut at the size first seen."""
    digest, left = BlobDigest(size), size
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
        while left and (chunk := stream.read(min(left, 1 << 20))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hex(), size


def _open_beneath(root: Path, path: str) -> int:
    """Open `path` below `root`, refusing a symlink in any component (a race would otherwise lead outside)."""
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    parts = path.split("/")
    try:
        for part in parts[:-1]:
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            os.close(directory)
            directory = deeper
        descriptor = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    finally:
        os.close(directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return descriptor


def _utf8(name: str) -> str:
    """A file name as text that JSON can carry (undecodable bytes become U+FFFD)."""
    return os.fsencode(name).decode("utf-8", errors="replace")
