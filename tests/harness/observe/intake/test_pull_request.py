"""Intake of pull requests from repositories that are awkward in the ways that real ones were."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_support.repository import RepositoryBuilder, folder

from harness.model.target import BlobState, ChangeKind, EntryKind, Origin
from harness.observe.intake.pull_request import read_pull_request, read_ref
from harness.observe.intake.repository import Repository, RepositoryError

TRACK = "records/track_10min_16mb"


def open_(builder: RepositoryBuilder) -> Repository:
    """The built repository as intake sees it."""
    return Repository(builder.path)


def test_new_folder(builder: RepositoryBuilder) -> None:
    """A pull request with one new folder gives that folder, its track, its files and their bytes."""
    builder.pull_request(5, folder(f"{TRACK}/2026-03-20_Mine"))
    repository = open_(builder)
    intake = read_pull_request(repository, 5)
    (entry,) = intake.folders
    assert (entry.path, entry.track, entry.origin) == (f"{TRACK}/2026-03-20_Mine", "10min_16mb", Origin.NEW)
    assert [file.path for file in entry.files] == ["README.md", "submission.json", "train_gpt.py", "train_seed42.log"]
    content = repository.read(entry, entry.files[0])
    assert content is not None
    assert content.data == f"# {TRACK}/2026-03-20_Mine\n".encode()
    assert intake.diff is not None
    assert intake.diff.method == "merge_base"
    assert intake.target.committed_at == "2026-03-20T12:00:00+00:00"


def test_stacked_fork(builder: RepositoryBuilder) -> None:
    """A folder that an earlier pull request holds, byte for byte, is marked as repeated from the earliest one."""
    first = builder.pull_request(3, folder(f"{TRACK}/2026-03-20_First"))
    builder.pull_request(4, {"notes.md": "x"}, parent=first)
    builder.pull_request(9, folder(f"{TRACK}/2026-03-21_Second"), parent=first)
    intake = read_pull_request(open_(builder), 9)
    origins = {entry.path: (entry.origin, entry.repeats) for entry in intake.folders}
    assert origins == {
        f"{TRACK}/2026-03-20_First": (Origin.REPEATED, 3),
        f"{TRACK}/2026-03-21_Second": (Origin.NEW, None),
    }


def test_inherited_folder_is_no_repeat(builder: RepositoryBuilder) -> None:
    """A folder that an earlier pull request merely has from a later state of main does not belong to it."""
    head = builder.pull_request(9, folder(f"{TRACK}/2026-03-20_Mine"))
    later = builder.commit(folder(f"{TRACK}/2026-03-20_Mine"), builder.main, message="squash without a number")
    builder.pull_request(2, folder(f"{TRACK}/2026-03-25_Updated"), parent=later)
    builder.branch("main", later)
    (entry,) = read_pull_request(open_(builder), 9).folders
    assert entry.origin is Origin.NEW
    assert builder.git("rev-parse", "refs/pull/9/head") == head


def test_loose_files(builder: RepositoryBuilder) -> None:
    """Scripts changed outside any submission folder are read together as one loose entry."""
    builder.pull_request(17, {"train_gpt.py": "print(1)\n", "logs/run.txt": "seed:1\n"})
    (entry,) = read_pull_request(open_(builder), 17).folders
    assert (entry.path, entry.origin) == (".", Origin.LOOSE)
    assert {file.path for file in entry.files} == {"train_gpt.py", "logs/run.txt"}


def test_later_copy_is_no_repeat(builder: RepositoryBuilder) -> None:
    """Only earlier pull requests count: the first one to hold a folder owns it."""
    builder.pull_request(3, folder(f"{TRACK}/2026-03-20_First"))
    builder.pull_request(4, folder(f"{TRACK}/2026-03-20_First"))
    assert read_pull_request(open_(builder), 3).folders[0].origin is Origin.NEW


@pytest.mark.parametrize("subject", ["Merge pull request #7 from a/b", "Record: mine (#7)", "Merge PR #7: mine"])
def test_merged(builder: RepositoryBuilder, subject: str) -> None:
    """A merged pull request has an empty diff and is found through the merge on main's first parents."""
    head = builder.pull_request(7, folder(f"{TRACK}/2026-03-20_Merged"))
    merge = builder.commit(folder(f"{TRACK}/2026-03-20_Merged"), builder.main, head, message=subject)
    builder.branch("main", builder.commit({"README.md": "later\n"}, merge, message="later"))
    intake = read_pull_request(open_(builder), 7)
    assert intake.diff is not None
    assert (intake.diff.method, intake.diff.merged_as) == ("first_parent", merge)
    assert [entry.path for entry in intake.folders] == [f"{TRACK}/2026-03-20_Merged"]


def test_fast_forwarded(builder: RepositoryBuilder) -> None:
    """A head that lies on main itself is found by the first commit that contains it, whatever its message."""
    head = builder.pull_request(8, folder(f"{TRACK}/2026-03-20_Fast"))
    side = builder.commit({"other.md": "x"}, builder.main, message="side")
    builder.branch("main", builder.commit(folder(f"{TRACK}/2026-03-20_Fast"), side, head, message="sync"))
    intake = read_pull_request(open_(builder), 8)
    assert [entry.path for entry in intake.folders] == [f"{TRACK}/2026-03-20_Fast"]


def test_modified_and_deleted(builder: RepositoryBuilder) -> None:
    """A changed folder of main is `modified` and listed in full; deletions are in the diff only."""
    head = builder.commit(
        {f"{TRACK}/2026-03-17_Baseline/train_seed7.log": "seed:7\n"},
        builder.main,
        remove=(f"{TRACK}/2026-03-17_Baseline/README.md",),
    )
    builder.git("update-ref", "refs/pull/6/head", head)
    intake = read_pull_request(open_(builder), 6)
    (entry,) = intake.folders
    assert entry.origin is Origin.MODIFIED
    assert {file.path for file in entry.files} == {
        "submission.json",
        "train_gpt.py",
        "train_seed42.log",
        "train_seed7.log",
    }
    assert intake.diff is not None
    assert {change.change for change in intake.diff.changes} == {ChangeKind.ADDED, ChangeKind.DELETED}


def test_several_and_none(builder: RepositoryBuilder) -> None:
    """Several submissions are all found, in any layout; a pull request without one has no folders."""
    files = {
        **folder(f"{TRACK}/2026-03-20_A"),
        **folder("records/NoTrack"),
        **folder(f"records/{TRACK}/2026-03-20_Nested"),
        **folder("elsewhere/mine"),
        f"{TRACK}/train.log": "seed:1\n",
    }
    builder.pull_request(10, files)
    builder.pull_request(11, {"notes.md": "x\n"})
    repository = open_(builder)
    assert {entry.path for entry in read_pull_request(repository, 10).folders} == {
        f"{TRACK}/2026-03-20_A",
        "records/NoTrack",
        f"records/{TRACK}/2026-03-20_Nested",
        TRACK,
    }
    assert read_pull_request(repository, 11).folders == ()


def test_no_merge_base(builder: RepositoryBuilder) -> None:
    """Unrelated history: what main lacks under records/ counts as new."""
    orphan = builder.commit(folder(f"{TRACK}/2026-03-20_Orphan"), message="orphan")
    builder.git("update-ref", "refs/pull/12/head", orphan)
    intake = read_pull_request(open_(builder), 12)
    assert intake.diff is not None
    assert intake.diff.method == "no_merge_base"
    assert [entry.path for entry in intake.folders] == [f"{TRACK}/2026-03-20_Orphan"]


def test_missing_blob(builder: RepositoryBuilder) -> None:
    """A blob that the repository lacks is a state of its file, and reading it gives None."""
    head = builder.pull_request(13, folder(f"{TRACK}/2026-03-20_Gone", final_model_ptz=b"\0weights"))
    builder.drop_blob(head, f"{TRACK}/2026-03-20_Gone/final_model.ptz")
    repository = open_(builder)
    (entry,) = read_pull_request(repository, 13).folders
    states = {file.path: (file.state, file.size) for file in entry.files}
    assert states["final_model.ptz"] == (BlobState.MISSING, None)
    gone = next(file for file in entry.files if file.path == "final_model.ptz")
    assert repository.read(entry, gone) is None
    assert repository.read_blob(gone.blob or "") is None


def test_links_and_names(builder: RepositoryBuilder) -> None:
    """Symlinks and submodules are listed and never followed; names with breaks, quotes and bad bytes are kept apart."""
    name = f"{TRACK}/2026-03-20_Odd"
    odd = ["new\nline.txt", 'quo"te $(touch x).py', "-rf", "bidi\u202etxt.log"]
    files: dict[str, str | bytes | tuple[str, str]] = dict(folder(name))
    files |= {f"{name}/{path}": "x" for path in odd}
    files |= {f"{name}/link.log": ("120000", "/etc/passwd"), f"{name}/sub": ("160000", builder.main)}
    builder.pull_request(14, files)
    repository = open_(builder)
    (entry,) = read_pull_request(repository, 14).folders
    kinds = {file.path: file.kind for file in entry.files}
    assert kinds["link.log"] is EntryKind.SYMLINK
    assert kinds["sub"] is EntryKind.GITLINK
    assert set(odd) <= set(kinds)
    link = next(file for file in entry.files if file.path == "link.log")
    assert repository.read(entry, link) is None


def test_folder_name_with_line_break(builder: RepositoryBuilder) -> None:
    """A folder whose name holds a line break cannot smuggle a second query into git's batch mode."""
    name = f"{TRACK}/2026-03-20_A\nHEAD"
    builder.pull_request(15, folder(name))
    (entry,) = read_pull_request(open_(builder), 15).folders
    assert entry.path == name
    assert entry.tree is None
    assert len(entry.files) == 4


def test_hostile_configuration(builder: RepositoryBuilder, tmp_path: Path) -> None:
    """Nothing that the repository's own configuration names is started: hooks, filters, lazy fetches, monitors."""
    marker = tmp_path / "ran"
    command = tmp_path / "evil.sh"
    command.write_text(f"#!/bin/sh\ntouch {marker}\nexit 1\n")
    command.chmod(0o755)
    files = folder(f"{TRACK}/2026-03-20_Evil", model_bin=b"\0\1")
    head = builder.commit({**files, ".gitattributes": "* filter=x diff=x\n"}, builder.main)
    builder.git("update-ref", "refs/pull/16/head", head)
    builder.drop_blob(head, f"{TRACK}/2026-03-20_Evil/model.bin")
    for key, value in {
        "core.fsmonitor": str(command),
        "core.pager": str(command),
        "diff.external": str(command),
        "filter.x.smudge": str(command),
        "diff.x.textconv": str(command),
        "remote.origin.url": f"ext::{command}",
        "remote.origin.uploadpack": str(command),
        "remote.origin.promisor": "true",
        "extensions.partialClone": "origin",
        "core.repositoryformatversion": "1",
        "core.sshCommand": str(command),
        "gpg.program": str(command),
        "log.showSignature": "true",
        "protocol.ext.allow": "always",
    }.items():
        builder.git("config", key, value)
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        (builder.path / "hooks").mkdir(exist_ok=True)
        (builder.path / "hooks" / hook).write_text(command.read_text())
        (builder.path / "hooks" / hook).chmod(0o755)
    marker.unlink(missing_ok=True)
    repository = open_(builder)
    (entry,) = read_pull_request(repository, 16).folders
    assert [repository.read(entry, file) is None for file in entry.files].count(True) == 1
    assert not marker.exists()


def test_absent_pull_request(builder: RepositoryBuilder) -> None:
    """A pull request that was not fetched is refused with the command that fetches it."""
    with pytest.raises(RepositoryError, match="git fetch origin refs/pull/99/head"):
        read_pull_request(open_(builder), 99)


def test_not_a_repository(tmp_path: Path) -> None:
    """A plain folder is refused by name."""
    with pytest.raises(RepositoryError, match="not a git repository"):
        Repository(tmp_path)


def test_ref_with_folder(builder: RepositoryBuilder) -> None:
    """A folder of a branch is read as given; one that does not exist is refused."""
    repository = open_(builder)
    (entry,) = read_ref(repository, "main", folder=f"{TRACK}/2026-03-17_Baseline").folders
    assert (entry.origin, entry.track, len(entry.files)) == (Origin.GIVEN, "10min_16mb", 4)
    with pytest.raises(RepositoryError, match="has no folder"):
        read_ref(repository, "main", folder="records/nothing")


@pytest.mark.parametrize("name", ["--output=x", "nothing", "refs/heads/\nx", "main; touch x"])
def test_hostile_ref(builder: RepositoryBuilder, name: str) -> None:
    """A ref that looks like an option, or does not exist, is refused and runs nothing."""
    with pytest.raises(RepositoryError, match="has no commit named"):
        read_ref(open_(builder), name)
