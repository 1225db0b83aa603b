"""Real merged records (their logs and metadata; scripts are not kept) through the whole pipeline."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from syrupy.assertion import SnapshotAssertion

from harness.judge.judge import harness_errors
from harness.model.review import Review, Verdict
from harness.observe.target import Request
from harness.review import review_target
from harness.store.store import Store

AS_OF = dt.date(2026, 5, 2)


def line_of(review: Review) -> str:
    """One submission in one line: evidence and every finding that is no pass."""
    (submission,) = review.submissions
    scores = ", ".join(f"{run.seed}:{run.val_bpb:.4f}" for run in submission.runs if run.val_bpb)
    found = " ".join(f"{f.rule}:{f.outcome.value}" for f in submission.findings if f.outcome.value != "pass")
    return f"{submission.folder} [{submission.compliance.verdict.value}] {scores} | {found}"


def test_merged_records(corpus: Path, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """Every merged record is read without a harness error and accused of nothing; the golden shows what is found."""
    store = Store(tmp_path / "store")
    lines = []
    for folder in sorted(path for path in corpus.glob("records/*/*") if path.is_dir()):
        review = review_target(Request(str(folder)), store, AS_OF).review
        assert not harness_errors(review), folder
        assert review.compliance.verdict is not Verdict.VIOLATION, folder
        lines.append(line_of(review))
    assert len(lines) > 50
    assert "\n".join(lines) == snapshot
