"""Fetching from a URL."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_support.repository import RepositoryBuilder, folder

from harness.observe.target import Request, TargetError, is_url, open_target


def test_pull_request_by_url(builder: RepositoryBuilder, tmp_path: Path) -> None:
    """A URL gives the same folders as the repository it names, from a bare copy without hooks or work tree."""
    builder.pull_request(5, folder("records/track_10min_16mb/2026-03-20_Mine"))
    intake, source = open_target(Request(f"file://{builder.path}", pr=5), tmp_path / "c")
    assert [entry.path for entry in intake.folders] == ["records/track_10min_16mb/2026-03-20_Mine"]
    content = source.read(intake.folders[0], intake.folders[0].files[0])
    assert content is not None
    (copy,) = (tmp_path / "c" / "repositories").iterdir()
    assert not (copy / "hooks").exists()


def test_ref_by_url(builder: RepositoryBuilder, tmp_path: Path) -> None:
    """A branch of a remote can be reviewed by its name."""
    builder.branch("mine", builder.commit(folder("records/track_10min_16mb/2026-03-20_Mine"), builder.main))
    intake, _ = open_target(Request(f"file://{builder.path}", ref="mine"), tmp_path / "c")
    assert len(intake.folders) == 1


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request("file:///nowhere/at/all", pr=1), "could not fetch"),
        (Request("https://example.invalid/x"), "say which part with --pr"),
        (Request("nowhere"), "does not exist"),
        (Request(".", pr=1, ref="x"), "give one of them"),
    ],
)
def test_refusals(request_: Request, words: str, tmp_path: Path) -> None:
    """What cannot be reached is refused in words that say what to do."""
    with pytest.raises(TargetError, match=words):
        open_target(request_, tmp_path)


def test_no_transport_helper(tmp_path: Path) -> None:
    """A URL cannot start a program: git's `ext::` transport is no URL here, and is not allowed to git."""
    marker = tmp_path / "ran"
    target = f"ext::sh -c touch% {marker}"
    assert not is_url(target)
    with pytest.raises(TargetError):
        open_target(Request(target, pr=1), tmp_path / "c")
    assert not marker.exists()
