"""The `golf` command: exit codes, formats and refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from tests_support.cases import COMPLETE
from tests_support.repository import RepositoryBuilder, folder
from typer.testing import CliRunner

from harness.cli import app
from harness.model.schema import schema_text

RUNNER = CliRunner()
ROOT = Path(__file__).parents[2]


def submission(tmp_path: Path, **changes: str) -> Path:
    """A complete submission on disk, with files replaced (`__` for the dot)."""
    path = tmp_path / "records" / "track_10min_16mb" / "2026-03-20_Mine"
    path.mkdir(parents=True)
    for name, text in {**COMPLETE, **{k.replace("__", "."): v for k, v in changes.items()}}.items():
        (path / name).write_text(text)
    return path


def test_clean(tmp_path: Path) -> None:
    """A clean folder ends with 0 and says that nothing was run."""
    result = RUNNER.invoke(app, ["check", str(submission(tmp_path))])
    assert result.exit_code == 0, result.output
    assert "clean" in result.output
    assert "Not examined" in result.output


def test_findings(tmp_path: Path) -> None:
    """Findings end with 1, and each comes with what to do."""
    result = RUNNER.invoke(app, ["check", str(submission(tmp_path, submission__json="{"))])
    assert result.exit_code == 1
    assert "What to do next" in result.output
    assert "PG005" in result.output


@pytest.mark.parametrize("target", ["nowhere", "README.md"])
def test_usage(target: str) -> None:
    """A target that does not exist or is no folder ends with 2."""
    result = RUNNER.invoke(app, ["check", str(ROOT / target)])
    assert result.exit_code == 2


def test_json(tmp_path: Path) -> None:
    """`--format json` prints one document that validates against the schema, and `--output` writes the same."""
    path = submission(tmp_path)
    result = RUNNER.invoke(app, ["review", str(path), "--depth", "static", "--format", "json", "--as-of", "2026-04-20"])
    document = json.loads(result.stdout)
    jsonschema.validate(document, json.loads(schema_text("golf.review/1")))
    assert document["harness"]["as_of"] == "2026-04-20"
    RUNNER.invoke(
        app,
        [
            "review",
            str(path),
            "--depth",
            "static",
            "--format",
            "json",
            "--as-of",
            "2026-04-20",
            "--output",
            str(tmp_path / "r"),
        ],
    )
    assert json.loads((tmp_path / "r").read_text())["compliance"] == document["compliance"]


def test_policy(tmp_path: Path) -> None:
    """`--policy` and `--as-of` decide the record status; one that does not exist is refused."""
    path = str(submission(tmp_path))

    def record(*options: str) -> dict[str, object]:
        result = RUNNER.invoke(app, ["check", path, "--format", "json", *options])
        found: dict[str, object] = json.loads(result.stdout)["submissions"][0]["record"]
        return found

    assert record("--as-of", "2026-03-18")["status"] == "unverified"
    later = record("--as-of", "2026-04-20", "--policy", "chronological")
    assert (later["status"], later["by_policy"]) == (
        "not_better",
        {"readme": "not_better", "chronological": "not_better"},
    )
    refused = RUNNER.invoke(app, ["check", path, "--policy", "mine"])
    assert (refused.exit_code, "readme, chronological" in refused.output) == (2, True)


def test_pull_request(builder: RepositoryBuilder) -> None:
    """A pull request of a local repository is reviewed as of its own date."""
    builder.pull_request(5, folder("records/track_10min_16mb/2026-03-20_Mine"))
    result = RUNNER.invoke(app, ["review", str(builder.path), "--depth", "static", "--pr", "5"])
    assert result.exit_code == 0, result.output
    assert "2026-03-20" in result.output
    assert RUNNER.invoke(app, ["review", str(builder.path), "--depth", "static", "--pr", "6"]).exit_code == 2


def test_rules() -> None:
    """The rule book lists every rule and shows the page of one; an unknown id is refused."""
    assert "PG201" in RUNNER.invoke(app, ["rules"]).output
    page = RUNNER.invoke(app, ["rules", "pg201"]).output
    assert all(word in page for word in ("What:", "Why:", "Mend:", "Blind spots:", "Basis"))
    assert RUNNER.invoke(app, ["rules", "PG999"]).exit_code == 2


def test_hostile_text(tmp_path: Path) -> None:
    """Control, bidirectional and markup characters of a submission do not reach the terminal as such."""
    hostile = '{"author": "\\u001b[31m[red]x[/red]\\u202e", "name": "n", "val_bpb": 1.2052}'
    result = RUNNER.invoke(app, ["check", str(submission(tmp_path, submission__json=hostile))])
    assert "\x1b[31m" not in result.output
    assert "\u202e" not in result.output
    assert "[red]x[/red]" in result.output


def test_light_start() -> None:
    """A check imports neither torch nor numpy nor scipy: it must start in a fraction of a second."""
    code = (
        "import sys, harness.cli, harness.observe.reading.submission as _;"
        "print([m for m in ('torch', 'numpy', 'scipy', 'sentencepiece') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_own_entries_are_clean() -> None:
    """Every submission of this repository is reviewed clean."""
    folders = [path.parent for path in ROOT.glob("submissions/track_*/*/submission.json")]
    assert folders
    for path in folders:
        result = RUNNER.invoke(app, ["check", str(path)])
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("name", "start"), [("markdown", "<!-- golf-review -->"), ("html", "<!doctype html>"), ("sarif", '{\n "$schema"')]
)
def test_formats(builder: RepositoryBuilder, tmp_path: Path, name: str, start: str) -> None:
    """Every format keeps the exit code, is printed or written, and links to the repository that was named."""
    builder.pull_request(5, folder("records/track_10min_16mb/2026-03-20_Mine", submission_json="{"))
    command = [
        "review",
        str(builder.path),
        "--depth",
        "static",
        "--pr",
        "5",
        "--format",
        name,
        "--github",
        "owner/name",
    ]
    printed = RUNNER.invoke(app, command)
    assert printed.exit_code == 1, printed.output
    assert printed.stdout.startswith(start)
    assert "https://github.com/owner/name" in printed.stdout
    written = tmp_path / "report"
    RUNNER.invoke(app, [*command, "--output", str(written)])
    assert written.read_text() == printed.stdout


def test_links_go_to_origin(builder: RepositoryBuilder) -> None:
    """A clone's own address is where links go; one that is not on GitHub gives none."""
    builder.pull_request(5, folder("records/track_10min_16mb/2026-03-20_Mine"))
    command = ["review", str(builder.path), "--depth", "static", "--pr", "5", "--format", "markdown"]
    assert "/blob/" not in RUNNER.invoke(app, command).stdout
    builder.git("remote", "add", "origin", "git@github.com:owner/name.git")
    assert "https://github.com/owner/name/blob/" in RUNNER.invoke(app, command).stdout


def test_bot_dry_run(builder: RepositoryBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The bot prints what it would post, for people or as JSON, in an action without any argument; it never posts."""
    builder.pull_request(5, folder("records/track_10min_16mb/2026-03-20_Mine", submission_json="{"))
    command = ["bot", "review-pr", str(builder.path), "--pr", "5", "--github", "owner/name"]
    refused = RUNNER.invoke(app, command)
    assert (refused.exit_code, "--dry-run" in refused.output) == (2, True)
    shown = RUNNER.invoke(app, [*command, "--dry-run"])
    assert (shown.exit_code, "Check run golf on" in shown.output) == (1, True)
    payloads = json.loads(RUNNER.invoke(app, [*command, "--dry-run", "--format", "json"]).stdout)
    assert (payloads["repository"], payloads["pr"]) == ("owner/name", 5)
    assert payloads["check_run"]["conclusion"] == "action_required"
    for variable in ("GITHUB_REPOSITORY", "GITHUB_WORKSPACE", "GITHUB_EVENT_PATH"):
        monkeypatch.delenv(variable, raising=False)
    assert RUNNER.invoke(app, ["bot", "review-pr", "--dry-run"]).exit_code == 2
    (tmp_path / "event.json").write_text('{"pull_request": {"number": 5}}')
    (builder.path / ".git").write_text("gitdir: .\n")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(builder.path))
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    in_action = RUNNER.invoke(app, ["bot", "review-pr", "--dry-run", "--format", "json"])
    assert in_action.exit_code == 1, in_action.output
    assert json.loads(in_action.stdout)["check_run"]["head_sha"] == payloads["check_run"]["head_sha"]


@pytest.mark.parametrize("preset", ["tiny_cpu", "score_first_1493", "pr457_logged"])
def test_bundle(tmp_path: Path, preset: str) -> None:
    """A preset becomes a folder whose script the harness reads without a word against it; nothing is overwritten.

    Learning from scored tokens, of all weights or of adapters, is read as what it is.
    """
    command = ["bundle", "--preset", preset, "--output", str(tmp_path / "2026-01-01_Mine")]
    made = RUNNER.invoke(app, command)
    assert made.exit_code == 0, made.output
    review = json.loads(RUNNER.invoke(app, ["check", str(tmp_path / "2026-01-01_Mine"), "--format", "json"]).stdout)
    findings = review["submissions"][0]["findings"]
    assert {one["rule"] for one in findings if one["severity"] == "violation" and one["outcome"] != "pass"} == set()
    again = RUNNER.invoke(app, command)
    assert (again.exit_code, "not empty" in again.output) == (2, True)
    unknown = RUNNER.invoke(app, ["bundle", "--preset", "none", "--output", str(tmp_path / "x")])
    assert (unknown.exit_code, "tiny_cpu" in unknown.output) == (2, True)
