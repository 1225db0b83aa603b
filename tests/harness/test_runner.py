"""Machines that can run nothing: the reason, the remedy, and the review of what was read."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from tests_support.cases import COMPLETE
from typer.testing import CliRunner

from harness import runner
from harness.cli import app
from harness.store.store import Store

RUNNER = CliRunner()


@pytest.fixture
def _no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without torch."""

    def lookup(package: str) -> str:
        if package == "torch":
            raise PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(runner, "version", lookup)


def test_the_extra_is_what_the_project_says() -> None:
    """What must be installed is read from the project's metadata, and all of it is here."""
    assert any("torch" in line and "extra == 'run'" in line for line in requires("golf-harness") or ())
    assert runner.missing_packages() == []


@pytest.mark.usefixtures("_no_torch")
def test_missing_packages(tmp_path: Path) -> None:
    """A package of the extra that is missing is named, with the command that installs it; nothing is run."""
    assert runner.missing_packages() == ["torch"]
    reason = runner.refusal()
    assert reason is not None
    assert reason.startswith("torch: not installed")
    assert "pip install" in reason
    with runner.open_runner(Store(tmp_path), world_size=2) as opened:
        assert isinstance(opened, runner.Refusing)
        assert opened.world_size == 2, "what the store holds of one process is no answer"


@pytest.mark.usefixtures("_no_torch")
def test_review_of_what_was_read(tmp_path: Path) -> None:
    """The review is there, says what is missing, and ends with 3; what is being done stays out of standard output."""
    folder = tmp_path / "records" / "track_10min_16mb" / "2026-03-20_Mine"
    folder.mkdir(parents=True)
    for name, text in COMPLETE.items():
        (folder / name).write_text(text)
    shown = RUNNER.invoke(app, ["check", str(folder), "--depth", "run", "--format", "json"])
    assert shown.exit_code == 3
    review = json.loads(shown.stdout)
    assert review["compliance"] == {"verdict": "inconclusive", "rules": ["PG011"]}
    (submission,) = review["submissions"]
    assert submission["runs"]
    assert submission["cpu_run"]["refused"].startswith("torch: not installed")
    assert [stage["status"] for stage in submission["stages"] if stage["name"] == "run"] == ["skipped"]
    assert "judging" in shown.stderr
    text = RUNNER.invoke(app, ["check", str(folder), "--depth", "run"]).stdout
    assert "Ran      not run: torch: not installed" in text
