"""What the benchmark of the run counts as a run from end to end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.model.cpu_run import Attempt, CpuRunFacts, Fault, FeatureRun, Fidelity, Ran, RunFailure, RunStage
from harness.model.plan import Feature
from harness.model.proof import Divergence, ProofFacts

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import cpu_run

WHOLE = tuple(RunStage)


def with_features(**answers: Ran) -> CpuRunFacts:
    """A run through all stages, with these features enabled."""
    features = tuple(FeatureRun(feature=Feature(name), ran=ran) for name, ran in answers.items())
    attempts = (Attempt(rung="0", seconds=3.0, cpu_seconds=2.0, peak_mb=500.0, ended="end"),)
    return CpuRunFacts(reached=WHOLE, attempts=attempts, fidelity=Fidelity(features=features))


def failed(fault: Fault) -> CpuRunFacts:
    """A run that got through all stages and failed then."""
    return CpuRunFacts(reached=WHOLE, failure=RunFailure(fault=fault, exception="ValueError", message="no"))


@pytest.mark.parametrize(
    "run",
    [
        with_features(),
        with_features(ttt=Ran.EXECUTED, ngram=Ran.UNKNOWN),
        with_features(sliding=Ran.EXECUTED, swa=Ran.NOT_EXECUTED),
    ],
)
def test_end_to_end(run: CpuRunFacts) -> None:
    """All stages without a failure, and no evaluation feature that is known not to have run."""
    assert cpu_run.shortfall(run) is None


@pytest.mark.parametrize(
    ("run", "fault", "words"),
    [
        (with_features(ttt=Ran.NOT_EXECUTED, sliding=Ran.EXECUTED), Fault.HARNESS, "did not execute ttt"),
        (CpuRunFacts(reached=WHOLE[:-2]), Fault.HARNESS, "not seen to be reloaded, evaluated"),
        (failed(Fault.SUBMISSION), Fault.SUBMISSION, "ValueError: no"),
        (failed(Fault.LIMIT), Fault.LIMIT, "ValueError: no"),
        (CpuRunFacts(refused="no bubblewrap"), Fault.MACHINE, "no bubblewrap"),
    ],
)
def test_not_end_to_end(run: CpuRunFacts, fault: Fault, words: str) -> None:
    """Whatever is missing is somebody's: the submission's only where its own failure ended the run."""
    assert cpu_run.shortfall(run) == (fault, words)


def test_both_denominators(capsys: pytest.CaptureFixture[str]) -> None:
    """Submissions broken in themselves leave the second denominator; unknown features are counted and fail nothing."""
    runs = [with_features(ttt=Ran.UNKNOWN), failed(Fault.SUBMISSION), with_features(ttt=Ran.NOT_EXECUTED)]
    cpu_run.summary([(f"run {number}", run, 1.0) for number, run in enumerate(runs)])
    printed = " ".join(capsys.readouterr().out.split())
    assert "end to end 1 of 3 33.3% 1 of 2 50.0%" in printed
    assert "of these 1 with an evaluation feature" in printed
    assert "ttt 0 of 2 0.0% 1 of 2 50.0% 1 of 2 50.0%" in printed
    assert "1 submission ValueError run 1" in printed
    assert "1 harness did not execute ttt run 2" in printed
    assert "processor seconds of the runs: median 2.0" in printed


def test_what_experiments_cost(capsys: pytest.CaptureFixture[str]) -> None:
    """Their processor seconds are told as a multiple of those of the run, and how much of it they compared."""
    whole = with_features(ttt=Ran.EXECUTED)
    kept = Divergence(position=20, rows=20, artifact_same=True)
    proofs = [
        ProofFacts(rows=9, divergences=(kept,), cpu_seconds=6.0),
        ProofFacts(rows=9, unplaced=1, divergences=(kept,), cpu_seconds=8.0),
        ProofFacts(reason="no score"),
    ]
    cpu_run.summary([(f"run {i}", whole.model_copy(update={"proof": one}), 1.0) for i, one in enumerate(proofs)])
    printed = capsys.readouterr().out
    assert "experiments on 2 runs; all scores compared in 1, some in 2" in printed
    assert "the run being 1: median 3.5" in printed
