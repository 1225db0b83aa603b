"""Rules on the bytes that a run billed, wrote, read back and executed."""

from __future__ import annotations

from typing import Any

import pytest
from tests_support.runs import found

from harness.model.base import At, Fact
from harness.model.cpu_run import Check, CpuRunFacts, RunStage, WrittenFile
from harness.model.findings import Outcome, Severity, Strength
from harness.model.weighed import CodeFile, ShippedFile, Weighed

CODE = CodeFile(path="train_gpt.py", size=1_010, read_as=1_000)
HELD = (Check(name="files", held=True, words=""),)


def size(value: int) -> Fact[int]:
    """A printed size."""
    return Fact(value=value, at=At(path="run.log", line=3), text=f"{value} bytes")


def artifact(name: str = "final_model.ptz", bytes_: int = 500, written: int | None = 5, read: int | None = 9) -> Any:
    """A file that a run left."""
    return WrittenFile(path=name, size=bytes_, written=written, read=read, reloaded=read is not None)


def ran(*files: WrittenFile, checks: tuple[Check, ...] = HELD, **weights: Any) -> CpuRunFacts:
    """A run that bills 1,000 bytes of code and 500 of model."""
    given: dict[str, Any] = {"total": size(1_500), "code": size(1_000), "program": (CODE,), **weights}
    return CpuRunFacts(reached=tuple(RunStage), files=files, checks=checks, weighed=Weighed(**given))


RAW = artifact("final_model.pt", 9_000, written=None, read=3)
"""A raw checkpoint that training reads before the artifact is written."""


@pytest.mark.parametrize(
    "run",
    [
        ran(artifact()),
        ran(artifact(), RAW),
        ran(artifact(), artifact("cache.bin", 7_000, written=12, read=13)),
        ran(artifact(bytes_=200), artifact("scales.bin", 300)),
        ran(artifact(), model=size(500), code=None),
    ],
    ids=["alone", "raw in training", "made of the artifact", "two parts", "model printed"],
)
def test_billed_is_read(run: CpuRunFacts) -> None:
    """The artifact in one file or several; what training alone reads and what evaluation makes is no part of it."""
    (finding,) = found(run, "PG210")
    assert finding.outcome is Outcome.PASS, finding.message


def test_read_beside_the_artifact() -> None:
    """A file of training that is read after the artifact was written may be a comparison: people must look."""
    (finding,) = found(ran(artifact(), artifact("final_model.pt", 9_000, written=None, read=11)), "PG210")
    assert (finding.outcome, finding.strength) == (Outcome.WARN, Strength.SUSPECTED)
    assert "final_model.pt (9,000 bytes)" in finding.message


def test_read_instead_of_the_artifact() -> None:
    """Billing one file and evaluating another is uncounted bytes."""
    (finding,) = found(ran(artifact(read=None), artifact("final_model.pt", 9_000, written=2, read=11)), "PG210")
    assert (finding.outcome, finding.severity, finding.strength) == (
        Outcome.FAIL,
        Severity.VIOLATION,
        Strength.DERIVED,
    )
    assert {row.path for row in finding.evidence} >= {"final_model.pt"}


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (ran(artifact(bytes_=501)), "no file that was written has that size"),
        (ran(artifact(read=None), RAW), "was not seen to be read back"),
        (ran(artifact(written=None, read=None), RAW), "was not seen to be read back"),
        (ran(artifact(), checks=()), "That acquits of nothing: nothing was checked from outside"),
    ],
)
def test_unknown_artifact(run: CpuRunFacts, words: str) -> None:
    """Nothing acquits and nothing accuses where sizes do not meet, nothing was read, or the run is in doubt."""
    (finding,) = found(run, "PG210")
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert words in finding.message


@pytest.mark.parametrize("run", [ran(artifact(), total=None), ran(), CpuRunFacts(refused="no"), CpuRunFacts()])
def test_nothing_printed_or_read(run: CpuRunFacts) -> None:
    """Without a printed total, files or a run the rule does not apply."""
    assert found(run, "PG210") == []


@pytest.mark.parametrize("code", [1_000, 1_010, 2_000])
def test_code_is_billed(code: int) -> None:
    """As submitted, as text that was read, or more than ran."""
    (finding,) = found(ran(code=size(code)), "PG211")
    assert finding.outcome is Outcome.PASS


def test_helpers_are_not_billed() -> None:
    """A helper that ran and was not billed: a small one is tolerated, a large one is listed; neither accuses."""
    for bytes_, tolerated in ((400, "unbilled_helpers"), (60_000, None)):
        helper = CodeFile(path="helper.py", size=bytes_, read_as=bytes_)
        (finding,) = found(ran(program=(CODE, helper)), "PG211")
        assert (finding.outcome, finding.tolerated) == (Outcome.WARN, tolerated)
        assert "helper.py" in finding.message
        assert finding.severity is Severity.ADVICE


def test_unseen_helper_over_the_limit() -> None:
    """Where the run shows code that reading did not, and the logged model does not fit beside it, that accuses."""
    helper = CodeFile(path="helper.py", size=16_000_000, read_as=16_000_000)
    (finding,) = found(ran(program=(CODE, helper)), "PG211")
    assert (finding.outcome, finding.severity) == (Outcome.FAIL, Severity.VIOLATION)


def test_less_than_ran() -> None:
    """A count that nothing explains is a defect somebody should look at; a wrapper that was computed is tolerated."""
    (finding,) = found(ran(code=size(10)), "PG211")
    assert (finding.outcome, finding.tolerated, finding.severity) == (Outcome.WARN, None, Severity.DEFECT)
    (finding,) = found(ran(code=size(900)), "PG211")
    assert (finding.outcome, finding.tolerated) == (Outcome.WARN, "virtual_wrapper")
    assert found(ran(code=None), "PG211") == []


def test_shipped() -> None:
    """A shipped artifact has its real size: the limit applies to it and to the code that ran."""
    for bytes_, outcome in ((15_998_990, Outcome.PASS), (15_998_991, Outcome.FAIL)):
        shipped = (ShippedFile(path="model.ptz", size=bytes_, read=4),)
        (finding,) = found(ran(shipped=shipped, artifact="model.ptz"), "PG212")
        assert finding.outcome is outcome
    (finding,) = found(ran(artifact="model.ptz"), "PG212")
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert found(ran(artifact()), "PG212") == []
