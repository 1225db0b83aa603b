"""Intake of plain folders, hostile ones included."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness.model.target import BlobState, EntryKind
from harness.observe.intake.folder import FolderSource, read_folder


def test_digest_is_gits(tmp_path: Path) -> None:
    """The id of a file is the one that git gives to its content, so folder and repository share facts."""
    (tmp_path / "a.py").write_bytes(b"print()\n")
    intake, _ = read_folder(tmp_path)
    (file,) = intake.folders[0].files
    expected = subprocess.run(["git", "hash-object", tmp_path / "a.py"], capture_output=True, text=True, check=True)
    assert file.blob == expected.stdout.strip()


def test_nothing_is_followed(tmp_path: Path) -> None:
    """Symlinks, pipes and linked folders are listed as what they are; their targets are neither read nor walked."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.txt").write_text("s")
    root = tmp_path / "submission"
    root.mkdir()
    (root / "train.log").symlink_to(secret / "key.txt")
    (root / "logs").symlink_to(secret)
    os.mkfifo(root / "pipe.log")
    (root / "README.md").write_text("x")
    intake, source = read_folder(root)
    kinds = {file.path: (file.kind, file.state) for file in intake.folders[0].files}
    assert kinds == {
        "train.log": (EntryKind.SYMLINK, BlobState.NOT_READ),
        "logs": (EntryKind.SYMLINK, BlobState.NOT_READ),
        "pipe.log": (EntryKind.SPECIAL, BlobState.NOT_READ),
        "README.md": (EntryKind.FILE, BlobState.PRESENT),
    }
    for file in intake.folders[0].files:
        content = source.read(intake.folders[0], file)
        assert (content is not None) == (file.path == "README.md")


def test_swapped_for_a_link(tmp_path: Path) -> None:
    """A file or folder that becomes a link between listing and reading is not followed either."""
    (tmp_path / "secret").write_text("s")
    root = tmp_path / "submission"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a.log").write_text("x")
    intake, source = read_folder(root)
    folder = intake.folders[0]
    (root / "sub" / "a.log").unlink()
    (root / "sub" / "a.log").symlink_to(tmp_path / "secret")
    assert source.read(folder, folder.files[0]) is None
    (root / "sub" / "a.log").unlink()
    (root / "sub").rmdir()
    (root / "sub").symlink_to(tmp_path)
    assert source.read(folder, folder.files[0]) is None


def test_path_tricks(tmp_path: Path) -> None:
    """A forged entry cannot lead out of the folder."""
    (tmp_path / "secret").write_text("s")
    root = tmp_path / "submission"
    root.mkdir()
    (root / "a").write_text("x")
    intake, _ = read_folder(root)
    forged = intake.folders[0].files[0].model_copy(update={"path": "sub/../../secret"})
    assert FolderSource(root).read(intake.folders[0], forged) is None


def test_many_and_large(tmp_path: Path) -> None:
    """Listing is bounded in files, and a sparse giant costs no time."""
    for i in range(5_200):
        (tmp_path / f"{i}.txt").touch()
    with (tmp_path / "huge.log").open("wb") as stream:
        stream.truncate(1 << 40)
    files = read_folder(tmp_path)[0].folders[0].files
    assert len(files) == 5_000
    assert all(file.state is BlobState.TOO_LARGE for file in files if file.path == "huge.log")


def test_odd_names(tmp_path: Path) -> None:
    """A file name that is no UTF-8 becomes text that JSON can carry."""
    (tmp_path / os.fsdecode(b"bad\xff.log")).write_text("x")
    intake, _ = read_folder(tmp_path)
    assert intake.folders[0].files[0].path == "bad\ufffd.log"
    intake.model_dump_json()


def test_no_folder(tmp_path: Path) -> None:
    """A file is refused, and the message says what to give."""
    (tmp_path / "f").touch()
    with pytest.raises(NotADirectoryError, match="give the folder"):
        read_folder(tmp_path / "f")
