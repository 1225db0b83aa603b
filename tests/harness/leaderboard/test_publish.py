"""`golf leaderboard` as a user runs it: a small repository, from nothing to a site."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests_support.history import HEADER, TRACK, Main, row, submission
from tests_support.repository import RepositoryBuilder
from typer.testing import CliRunner

from harness.cli import app

ONE, TWO, THREE = f"{TRACK}/2026-03-19_One", f"{TRACK}/2026-03-21_Two", f"{TRACK}/2026-03-22_Three"
COMPARED = {"published_score", "explanation", "agreement", "published_run", "quoted"}


def run(repository: Path, output: Path, *options: str) -> str:
    """What the command prints; it must succeed."""
    done = CliRunner().invoke(
        app, ["leaderboard", str(repository), "--output", str(output), "--jobs", "1", *options], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.output


def board(output: Path) -> dict[str, Any]:
    """The data that the command wrote."""
    found: dict[str, Any] = json.loads((output / "leaderboard.json").read_text())
    return found


def grow(builder: RepositoryBuilder, *, claim: float | None = None, printed: str = "1.1010") -> Main:
    """A main branch of three merged pull requests and a README table; a fourth pull request stays open."""
    main = Main(builder)
    main.merge("2026-03-19", 3, submission("2026-03-19_One", 1.10, 1.101, 1.102, claim=claim))
    main.merge("2026-03-21", 9, submission("2026-03-21_Two", 1.05, 1.052, claim=claim))
    table = HEADER + row("One", printed, f"{ONE}/README.md") + row("Two", "1.0500", "https://github.com/o/r/pull/9")
    main.commit("2026-03-23", {"README.md": f"# golf\n\n## Leaderboard\n\n{table}"}, "Update README.md")
    main.merge("2026-03-24", 12, submission("2026-03-22_Three", 1.01, 1.011, 1.012, claim=claim))
    builder.pull_request(14, submission("2026-03-25_Open", 0.9, 0.91))
    return main


@pytest.fixture
def main(builder: RepositoryBuilder) -> Main:
    """The usual repository."""
    return grow(builder)


def test_from_nothing(main: Main, tmp_path: Path) -> None:
    """Data, site, feed, reviews and table come out of one call; only merged pull requests are read for it."""
    run(main.builder.path, tmp_path / "out", "--github", "o/r")
    made = board(tmp_path / "out")
    assert [(r["rank"], r["pr"], r["score"], r["n"]) for r in made["rows"]] == [
        (1, 12, 1.011, 3), (2, 9, 1.051, 2), (3, 3, 1.101, 3), (4, None, 1.2052, 1),
    ]  # fmt: skip
    assert [(r["beats"] or {}).get("pr") for r in made["rows"]] == [9, 3, None, None]
    by_pr = {r["pr"]: r for r in made["rows"]}
    assert (by_pr[3]["agreement"], by_pr[3]["explanation"]) == ("mean", None)
    assert by_pr[9]["agreement"] == "best_seed"
    assert by_pr[12]["published_score"] is None
    assert all(r["compliance"] for r in made["rows"])
    assert made["study"]["read"] == 3
    for name in ("index.html", "study.html", "feed.xml", "golf.leaderboard.1.json", "README.md", "review/9.html"):
        assert (tmp_path / "out" / name).exists(), name
    assert len(list((tmp_path / "out" / "submission").iterdir())) == 4
    assert "[#12](https://github.com/o/r/pull/12)" in (tmp_path / "out" / "README.md").read_text()


def test_second_run_writes_the_same_bytes(main: Main, tmp_path: Path) -> None:
    """Run again, and into another folder: every file is the same, byte for byte; stale pages are gone."""
    run(main.builder.path, tmp_path / "a")
    before = {p.relative_to(tmp_path / "a"): p.read_bytes() for p in (tmp_path / "a").rglob("*") if p.is_file()}
    (tmp_path / "a" / "submission" / "1-stale.html").write_text("old")
    run(main.builder.path, tmp_path / "a")
    run(main.builder.path, tmp_path / "b")
    for root in ("a", "b"):
        after = {p.relative_to(tmp_path / root): p.read_bytes() for p in (tmp_path / root).rglob("*") if p.is_file()}
        assert after == before


def test_older_state(main: Main, tmp_path: Path) -> None:
    """The state of a day holds what main held then, compared with the table of that day."""
    run(main.builder.path, tmp_path / "out", "--as-of", "2026-03-20")
    made = board(tmp_path / "out")
    assert [(r["pr"], r["published_score"]) for r in made["rows"]] == [(3, None), (None, None)]
    assert made["as_of"] == "2026-03-20"


def test_altered_claims_change_no_row(tmp_path: Path) -> None:
    """Other scores in submission.json and in the README table change the columns that compare, and nothing else."""
    made = []
    for i, (claim, printed) in enumerate(((None, "1.1010"), (0.5, "0.5000"))):
        builder = RepositoryBuilder(tmp_path / f"repository{i}")
        grow(builder, claim=claim, printed=printed)
        run(builder.path, tmp_path / f"out{i}", "--github", "o/r")
        made.append(board(tmp_path / f"out{i}")["rows"])
    honest, lying = made
    assert [r["published_score"] for r in honest] != [r["published_score"] for r in lying]
    verdict = {"compliance", "rules"}  # a claim that no log shows is a finding, and stands beside the row
    for one, other in zip(honest, lying, strict=True):
        assert {k: v for k, v in one.items() if k not in COMPARED | verdict} == {
            k: v for k, v in other.items() if k not in COMPARED | verdict
        }


def test_views(main: Main, tmp_path: Path) -> None:
    """Wider views take what the store has and name what it lacks; after a sweep nothing is missing."""
    out = run(main.builder.path, tmp_path / "out", "--view", "full")
    assert "pull requests of this view never read: 1" in " ".join(out.split())
    assert board(tmp_path / "out")["not_read"] == [14]
    sweep = ["sweep", str(main.builder.path), "--output", str(tmp_path / "sweep"), "--jobs", "1"]
    assert CliRunner().invoke(app, sweep).exit_code == 0
    run(main.builder.path, tmp_path / "out", "--view", "full")
    rows = board(tmp_path / "out")["rows"]
    first = rows[0]
    assert (first["rank"], first["pr"], first["accepted"], first["beats"]["pr"]) == (1, 14, None, 12)


def test_reviews_of_a_sweep(main: Main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows come out of the reviews of a finished sweep alone, without its store, with the same scores."""
    run(main.builder.path, tmp_path / "out")
    sweep = ["sweep", str(main.builder.path), "--output", str(tmp_path / "sweep"), "--jobs", "1"]
    assert CliRunner().invoke(app, sweep).exit_code == 0
    monkeypatch.setenv("GOLF_CACHE", str(tmp_path / "empty"))
    run(main.builder.path, tmp_path / "other", "--reviews", str(tmp_path / "sweep"))
    rows = [
        [(r["rank"], r["pr"], r["mean"], r["std"]) for r in board(tmp_path / name)["rows"]] for name in ("out", "other")
    ]
    assert rows[0] == rows[1]


def test_include(main: Main, tmp_path: Path) -> None:
    """A pull request can be ranked as if it were accepted, to see a table before it is published."""
    run(main.builder.path, tmp_path / "out", "--include", "14")
    first = board(tmp_path / "out")["rows"][0]
    assert (first["rank"], first["pr"], first["beats"]["pr"]) == (1, 14, 12)


def test_readme_of_the_user(main: Main, tmp_path: Path) -> None:
    """The table of a README that is named is renewed between its markers; without markers nothing is written."""
    readme = tmp_path / "README.md"
    readme.write_text("# Mine\n<!-- golf:leaderboard:start -->\nstale table\n<!-- golf:leaderboard:end -->\nend\n")
    run(main.builder.path, tmp_path / "out", "--readme", str(readme))
    text = readme.read_text()
    assert text.startswith("# Mine\n<!-- golf:leaderboard:start -->\n")
    assert text.endswith("<!-- golf:leaderboard:end -->\nend\n")
    assert "stale table" not in text
    odd = b"caf\xe9\r\n<!-- golf:leaderboard:start -->\r\n<!-- golf:leaderboard:end -->"
    readme.write_bytes(odd)
    run(main.builder.path, tmp_path / "out", "--readme", str(readme))
    assert readme.read_bytes().startswith(odd[:38])
    readme.write_text("# No markers\n")
    command = ["leaderboard", str(main.builder.path), "--output", str(tmp_path / "new"), "--readme", str(readme)]
    done = CliRunner().invoke(app, [*command, "--jobs", "1"])
    assert done.exit_code == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--policy", "none"], "readme, chronological"),
        (["--as-of", "2026-01-01"], "2026-01-01"),
        (["--include", "x"], "3,7"),
    ],
)
def test_wrong_usage(main: Main, tmp_path: Path, options: list[str], words: str) -> None:
    """What does not exist ends with code 2 and a message that says what to give."""
    command = ["leaderboard", str(main.builder.path), "--output", str(tmp_path / "out"), *options]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert words in done.output
