"""Rules on what a run on a CPU showed."""

from __future__ import annotations

import pytest
from tests_support.runs import found, reviewed

from harness.model.base import At
from harness.model.cpu_run import (
    Check,
    CpuRunFacts,
    Fault,
    FeatureRun,
    Fidelity,
    Ran,
    RunFailure,
    RunStage,
    Tamper,
    TamperKind,
)
from harness.model.findings import Outcome, Severity
from harness.model.plan import Feature
from harness.model.review import Depth, Verdict

CHECKS = (Check(name="exit", held=True, words="exit status and report do not agree"),)
"""What was checked from outside of an honest run."""


def failed(fault: Fault, module: str | None = "modal") -> CpuRunFacts:
    """A run that ended at line 4."""
    at = At(path="train_gpt.py", line=4)
    failure = RunFailure(fault=fault, exception="ModuleNotFoundError", message="", at=at, module=module, remedy="Ship.")
    return CpuRunFacts(reached=(RunStage.DECODED,), failure=failure)


def test_imports() -> None:
    """An import that fails through the submission's fault is a defect with its line and a remedy."""
    (finding,) = found(failed(Fault.SUBMISSION), "PG011")
    assert (finding.outcome, finding.violation_class) == (Outcome.FAIL, "import_error")
    assert [(row.path, row.line) for row in finding.evidence] == [("train_gpt.py", 4)]
    assert "modal" in finding.message
    reached = CpuRunFacts(reached=(RunStage.DECODED, RunStage.IMPORTED), checks=CHECKS)
    (finding,) = found(reached, "PG011")
    assert finding.outcome is Outcome.PASS
    looked = (Tamper(kind=TamperKind.LOOKED, words="adds an audit hook"),)
    (finding,) = found(reached.model_copy(update={"tampering": looked}), "PG011")
    assert finding.outcome is Outcome.INCONCLUSIVE


def test_as_launched() -> None:
    """A file that its own launcher can run ends at the launcher's import all the same, whatever the run reached."""
    failure = failed(Fault.SUBMISSION).failure
    (finding,) = found(CpuRunFacts(reached=tuple(RunStage), as_launched=failure), "PG011")
    assert (finding.outcome, finding.severity) == (Outcome.FAIL, Severity.DEFECT)
    assert [(row.path, row.line) for row in finding.evidence] == [("train_gpt.py", 4)]


@pytest.mark.parametrize(
    "run",
    [failed(Fault.HARNESS), failed(Fault.MACHINE), failed(Fault.SUBMISSION, None), CpuRunFacts(refused="no bwrap")],
)
def test_nothing_is_laid_to_a_submission_that_was_not_at_fault(run: CpuRunFacts) -> None:
    """Where machine, harness or something else failed, or nothing can be run, the question stays open: inconclusive."""
    (finding,) = found(run, "PG011")
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert reviewed(run).compliance.verdict is Verdict.INCONCLUSIVE
    assert run.refused is None or run.refused in finding.message


def test_without_a_run() -> None:
    """Where no run was asked for, the rule says nothing."""
    assert found(None, "PG011") == []


def test_depth_and_gaps() -> None:
    """A review tells that the submission was run, and what of it the run did not reach or could not do."""
    assert reviewed(None).harness.depth is Depth.STATIC
    review = reviewed(failed(Fault.HARNESS))
    assert review.harness.depth is Depth.RUN
    assert review.submissions[0].fidelity is not None
    gaps = " ".join(review.submissions[0].not_examined)
    assert "not seen to be imported, trained, written, reloaded, evaluated" in gaps
    assert "train_gpt.py:4" in gaps
    assert "it was not run: no bubblewrap" in " ".join(
        reviewed(CpuRunFacts(refused="no bubblewrap")).submissions[0].not_examined
    )


def test_operations_that_were_not_followed() -> None:
    """What this harness failed to follow was not examined, and it says so."""
    run = CpuRunFacts(reached=tuple(RunStage), fidelity=Fidelity(unfollowed=("mul: ValueError: words",)))
    assert any("mul: ValueError: words" in gap for gap in reviewed(run).submissions[0].not_examined)


def test_features_that_did_not_run() -> None:
    """A feature that is enabled and was not executed was not examined; nothing is said of one that was."""
    features = (
        FeatureRun(feature=Feature.SLIDING, ran=Ran.EXECUTED, because=("eval_stride",)),
        FeatureRun(
            feature=Feature.SWA, ran=Ran.NOT_EXECUTED, because=("swa_every",), missed=(At(path="a.py", line=7),)
        ),
        FeatureRun(feature=Feature.TTT, ran=Ran.UNKNOWN, because=("ttt_mode",), reason="another text ran"),
    )
    run = CpuRunFacts(reached=tuple(RunStage), fidelity=Fidelity(features=features))
    gaps = [gap for gap in reviewed(run).submissions[0].not_examined if "the launch enables" in gap]
    assert gaps == [
        "run on a CPU: the launch enables swa (swa_every) and its code was not executed (line 7)",
        "run on a CPU: the launch enables ttt (ttt_mode); whether it was executed is not known: another text ran",
    ]
