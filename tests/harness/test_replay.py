"""`golf replay` shows what a review proved, and says what is there where something else is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_support.runs import reviewed
from typer.testing import CliRunner

from harness.cli import app
from harness.model.cpu_run import Attempt, Check, CpuRunFacts, RunStage
from harness.model.proof import Divergence, Moved, ProofFacts
from harness.replay import ReplayError, load_review, proofs

MOVED = Divergence(
    position=489, rows=489, moved=9, largest=Moved(position=484, token=7, before=6.925, after=6.5), spans=((481, 489),)
)


@pytest.fixture
def review(tmp_path: Path) -> Path:
    """A review with one proof."""
    run = CpuRunFacts(
        attempts=(Attempt(rung="64", seconds=1.0, ended="exit 0"),),
        reached=tuple(RunStage),
        checks=(Check(name="exit", held=True, words="it held"),),
        proof=ProofFacts(stream=2112, rows=2111, normalised=2111, repeatable=True, divergences=(MOVED,)),
    )
    path = tmp_path / "review.json"
    path.write_text(reviewed(run).model_dump_json(by_alias=True), encoding="utf-8")
    return path


def test_shows(review: Path) -> None:
    """The picture, the position and both numbers, from the file alone."""
    result = CliRunner().invoke(app, ["replay", str(review), "pg411"])
    assert result.exit_code == 0
    for words in ("489", "484", "6.925", "6.5", "!", "~~~"):
        assert words in result.output


@pytest.mark.parametrize(
    ("rule", "content", "words"),
    [("PG201", None, "PG411"), ("PG411", "{", "no review"), ("PG411", '{"schema": "golf.review/1"}', "no review")],
)
def test_says_what_is_wrong(review: Path, rule: str, content: str | None, words: str) -> None:
    """Another rule, or another file, ends in a line that says what there is, and exit 2."""
    if content is not None:
        review.write_text(content, encoding="utf-8")
    result = CliRunner().invoke(app, ["replay", str(review), rule])
    assert result.exit_code == 2
    assert words in result.output
    with pytest.raises(ReplayError):
        proofs(load_review(review), rule)


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is said to be not there."""
    with pytest.raises(ReplayError, match="cannot be read"):
        load_review(tmp_path / "none.json")
