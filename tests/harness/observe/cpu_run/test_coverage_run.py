"""Whole runs in a real sandbox: which tokens a score is of is measured, and measuring changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_support.cases import facts_of
from tests_support.sandbox import needs_sandbox

from harness.model.coverage import Coverage
from harness.model.cpu_run import CpuRunFacts, RunStage
from harness.observe.cpu_run.inputs.layout import Layout
from harness.observe.cpu_run.runner import CpuRunner

DEMO = Path(__file__).parents[4] / "submissions" / "track_cpu_demo" / "2026-11-21_PlainBaseline"

pytestmark = needs_sandbox


def demo(runner: CpuRunner, *changes: tuple[str, str]) -> CpuRunFacts:
    """The run of the repository's own entry, with pieces of its script replaced."""
    files = {path.name: path.read_bytes() for path in DEMO.iterdir() if path.suffix in {".py", ".json", ".md"}}
    script = files["train_gpt.py"].decode()
    for old, new in changes:
        assert script.count(old) == 1, old
        script = script.replace(old, new)
    files["train_gpt.py"] = script.encode()
    facts = runner.run(facts_of(dict(files)), files)
    assert RunStage.EVALUATED in facts.reached, facts.failure
    return facts


def coverage(facts: CpuRunFacts) -> Coverage:
    """What the final score is of."""
    assert facts.coverage is not None
    assert facts.coverage.losses is not None
    return facts.coverage


def test_measuring_changes_nothing(runner: CpuRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without positions a run prints, sums and writes the same, bit for bit; only one knows its coverage."""
    measured = demo(runner)
    with monkeypatch.context() as patch:
        patch.setattr(Layout, "streams", property(lambda _: ()))
        plain = demo(runner)
    assert plain.coverage is None
    for name in ("printed", "totals", "scores", "steps", "files", "reached"):
        assert getattr(measured, name) == getattr(plain, name), name
    found = coverage(measured)
    assert (found.missing, found.head, found.again, found.differ) == (0, 0, None, 0)
    assert found.bytes_true == found.bytes_counted
    assert found.tail is not None
    assert found.tail < 2 * (found.sequence or 0)


def test_left_out_and_counted_twice(runner: CpuRunner) -> None:
    """Windows that are not scored, and a space that is counted twice, are measured as what they are."""
    facts = demo(
        runner,
        ('model(x, y, reduction="sum")', 'model(x[::2], y[::2], reduction="sum")'),
        ("(base_bytes[targets] + (leading_space", "(base_bytes[targets] + leading_space[targets] + (leading_space"),
    )
    found = coverage(facts)
    assert found.missing
    assert found.missing + (found.tail or 0) > found.stream // 3
    assert found.again is None
    assert found.bytes_true
    assert found.bytes_counted
    assert found.bytes_counted > 1.5 * found.bytes_true
    assert found.differ
