"""Rules on what a program was noticed to do to its observer."""

from __future__ import annotations

import pytest
from tests_support.runs import found, reviewed

from harness.model.base import At
from harness.model.cpu_run import Check, CpuRunFacts, RunStage, Tamper, TamperKind
from harness.model.findings import Outcome, Strength
from harness.model.review import Verdict

PLACE = At(path="train_gpt.py", line=7)


def run(*kinds: TamperKind, held: bool = True) -> CpuRunFacts:
    """A run to its end, with this tampering."""
    check = Check(name="time", held=held, words="the times that are reported cannot be")
    tampering = tuple(Tamper(kind=kind, words=f"{kind} it", at=PLACE) for kind in kinds)
    return CpuRunFacts(reached=tuple(RunStage), checks=(check,), tampering=tampering)


@pytest.mark.parametrize("kind", [TamperKind.REPLACED, TamperKind.FORGED])
def test_changes_are_violations(kind: TamperKind) -> None:
    """Who replaces what only this harness put there, or writes its report, is accused, with the line."""
    (finding,) = found(run(kind), "PG706")
    assert (finding.outcome, finding.strength) == (Outcome.FAIL, Strength.DERIVED)
    assert [(row.path, row.line) for row in finding.evidence] == [("train_gpt.py", 7)]
    assert reviewed(run(kind)).compliance.verdict is Verdict.VIOLATION


def test_looks_are_suspected() -> None:
    """Who only looks is not accused: somebody has to decide."""
    (finding,) = found(run(TamperKind.LOOKED), "PG706")
    assert (finding.outcome, finding.strength) == (Outcome.WARN, Strength.SUSPECTED)
    assert reviewed(run(TamperKind.LOOKED)).compliance.verdict is Verdict.NEEDS_DECISION


@pytest.mark.parametrize("facts", [run(TamperKind.CHANGED), run(held=False)])
def test_doubts_acquit_of_nothing(facts: CpuRunFacts) -> None:
    """Where a library's function was replaced or a measurement contradicts, no observation of the run is a pass."""
    (finding,) = found(facts, "PG706")
    assert finding.outcome is Outcome.INCONCLUSIVE
    (imports,) = found(facts, "PG011")
    assert imports.outcome is Outcome.INCONCLUSIVE
    assert reviewed(facts).compliance.verdict is Verdict.INCONCLUSIVE


def test_honest_runs_pass() -> None:
    """An honest run is confirmed by what was measured outside of it; without a run there is nothing to say."""
    (finding,) = found(run(), "PG706")
    assert finding.outcome is Outcome.PASS
    assert found(run(), "PG707") == []
    assert found(None, "PG706") == found(CpuRunFacts(refused="no bubblewrap"), "PG706") == []


def test_questions() -> None:
    """Who asks where it runs has to be looked at; that alone accuses nobody."""
    (finding,) = found(run(TamperKind.ASKED), "PG707")
    assert (finding.outcome, finding.strength) == (Outcome.WARN, Strength.SUSPECTED)
