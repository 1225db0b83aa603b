"""What is bundled from the reference model is judged by what it does: only learning of the legal kind is clean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests_support.cheats import complete, reviewed
from tests_support.sandbox import needs_sandbox

from harness.model.findings import Outcome, Strength
from harness.model.review import Depth, Verdict
from reference_model.bundle import bundle
from reference_model.presets import PRESETS


@needs_sandbox
@pytest.mark.parametrize(
    ("preset", "verdict", "broken"),
    [("pr1254", Verdict.VIOLATION, {"PG411"}), ("pr1254_fixed", Verdict.CLEAN, set())],
)
def test_learning_in_documents(tmp_path: Path, preset: str, verdict: Verdict, broken: set[str]) -> None:
    """Passes over a document before the one that counts are proven; a chunk that is scored first, once, is clean."""
    whole = PRESETS[preset]
    # The evaluation is what is tried: two layers and a small vocabulary take a fifth of the time.
    model = replace(whole.model, num_layers=2, xsa_last_n=2, vocab_size=1_024)
    small = replace(whole, model=model, data=replace(PRESETS["naive_baseline"].data, train_seq_len=256))
    label = f"final_{small.evaluation.evaluation}"
    files = complete({"train_gpt.py": bundle(small, preset).encode()}, label=label)
    submission = reviewed(files, Depth.PROOF, tmp_path, tmp_path / "store").review.submissions[0]
    raised = [one for one in submission.findings if one.outcome in {Outcome.FAIL, Outcome.WARN}]
    assert submission.compliance.verdict is verdict, raised
    assert {one.rule for one in raised if one.strength is Strength.PROVEN} == broken
