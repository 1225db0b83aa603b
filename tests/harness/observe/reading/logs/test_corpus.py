"""Real logs, where the environment variable GOLF_CORPUS points to them: the hand-checked leaderboard must come out."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.judge.scores import common_final
from harness.model.logs import RunFacts
from harness.observe.reading.logs import is_log, read_log

CORPUS = Path(os.environ.get("GOLF_CORPUS", ""))
pytestmark = pytest.mark.skipif("GOLF_CORPUS" not in os.environ, reason="GOLF_CORPUS is not set: no real logs to read")


def rows() -> list[dict[str, Any]]:
    """Rows of the leaderboard with a derived score whose logs are all present."""
    if "GOLF_CORPUS" not in os.environ:
        return []
    table = json.loads((CORPUS / "leaderboard.json").read_text())
    return [
        row
        for row in table
        if row["folder"] and row["values"] and all((CORPUS / row["folder"] / v["file"]).exists() for v in row["values"])
    ]


def log_files() -> list[Path]:
    """All text logs of the corpus."""
    if "GOLF_CORPUS" not in os.environ:
        return []
    return sorted(p for p in (CORPUS / "records").rglob("*") if p.suffix in {".log", ".txt", ".out"})


def last_run(path: Path) -> RunFacts:
    """The last run of a log that has a result."""
    return [run for run in read_log(path.name, path.read_bytes()).facts.runs if run.final][-1]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["score"])
def test_leaderboard_rows(row: dict[str, Any]) -> None:
    """The last label common to all logs gives the hand-checked scores, seed by seed, and the mean of the row."""
    found = common_final([last_run(CORPUS / row["folder"] / v["file"]) for v in row["values"]])
    assert found is not None
    scores = [score.val_bpb for score in found[1]]
    assert scores == [v["val_bpb"] for v in row["values"]]
    assert [score.val_loss for score in found[1]] == [v["val_loss"] for v in row["values"]]
    if row["agreement"].startswith(("mean", "single run")) and row["agrees"]:
        digits = len(row["score"].split(".")[1])
        assert f"{sum(filter(None, scores)) / len(scores):.{digits}f}" == row["score"]


@pytest.mark.parametrize("path", log_files(), ids=lambda p: f"{p.parent.name[:24]}/{p.name}")
def test_real_logs(path: Path) -> None:
    """Each real log of a merged record is one, and gives steps, training time and sizes with lines inside the file."""
    data = path.read_bytes()
    assert is_log(path.name, data[: 1 << 16])
    log = read_log(path.name, data).facts
    assert log.runs
    for run in log.runs:
        for name in RunFacts.model_fields:
            at = getattr(getattr(run, name), "at", None)
            assert at is None or 1 <= at.line <= log.lines
        if run.bytes_total and run.bytes_code and run.bytes_model:
            code = run.bytes_code_compressed or run.bytes_code
            assert abs(run.bytes_total.value - code.value - run.bytes_model.value) < 200_000
