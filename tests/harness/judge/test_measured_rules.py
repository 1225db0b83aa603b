"""PG310 and PG311: what the run measured of the tokens and bytes of a score, judged without accusing the legal."""

from __future__ import annotations

from typing import Any

import pytest
from tests_support.runs import found

from harness.model.base import At
from harness.model.coverage import Coverage, Covered, Span
from harness.model.cpu_run import Attempt, Check, CpuRunFacts, Fidelity, RunStage, Tamper, TamperKind
from harness.model.findings import Finding, Outcome, Severity, Strength
from harness.model.plan import Meaning, Override
from harness.model.weighed import ShippedFile, Weighed

STREAM, SEQUENCE = 2048, 64
HELD = (Check(name="exit", held=True, words="the exit status is what was reported"),)


def measured(**changes: Any) -> Coverage:
    """A score of all tokens but a rest at the end, each once."""
    losses = Covered(
        at=At(path="train_gpt.py", line=9), target="loss", spans=(Span(first=1, last=1984, times=1),),
        once=1984, several=0, tokens=1984, elsewhere=0,
    )  # fmt: skip
    whole: dict[str, Any] = {
        "label": "final", "val_bpb": 2.0, "stream": STREAM, "documents": 16, "sequence": SEQUENCE, "losses": losses,
        "counts": losses, "missing": 0, "head": 0, "tail": 63, "starts": 1, "differ": 0, "bytes_true": 6_700,
        "bytes_counted": 6_700.0,
    }  # fmt: skip
    return Coverage(**(whole | changes))


def run(coverage: Coverage | None, *sizes: Meaning, **changes: Any) -> CpuRunFacts:
    """A run that came to its end, of which the plan changed these sizes."""
    overrides = tuple(Override(name=size.name, value="1", why="", meaning=size) for size in sizes)
    fields: dict[str, Any] = {
        "attempts": (Attempt(rung="64", seconds=1.0, ended="exit 0"),), "reached": tuple(RunStage),
        "coverage": coverage, "fidelity": Fidelity(overrides=overrides), "checks": HELD,
    }  # fmt: skip
    return CpuRunFacts(**(fields | changes))


def only(run: CpuRunFacts, rule: str, **files: str) -> Finding:
    """The one finding of a rule."""
    (finding,) = found(run, rule, **files)
    assert finding.outcome is not Outcome.ERROR, finding.message
    return finding


@pytest.mark.parametrize("rule", ["PG310", "PG311"])
def test_whole_set(rule: str) -> None:
    """Every token once, over its own bytes: both rules hold, if the run may be trusted."""
    assert only(run(measured(), Meaning.EVAL_BATCH, Meaning.SEQUENCE), rule).outcome is Outcome.PASS
    looked = (Tamper(kind=TamperKind.LOOKED, words="looked at the recorder"),)
    assert only(run(measured(), tampering=looked), rule).outcome is Outcome.INCONCLUSIVE


def test_tokens_that_were_looked_at() -> None:
    """Where tokens are known by what the program looked at, too many bytes convict; nothing else is decided."""
    losses = measured().losses
    assert losses is not None
    looked = losses.model_copy(update={"looked": 1984})
    for counted, outcome in ((7_300.0, Outcome.FAIL), (6_700.0, Outcome.INCONCLUSIVE), (6_000.0, Outcome.INCONCLUSIVE)):
        facts = run(measured(losses=looked, bytes_counted=counted))
        assert only(facts, "PG311").outcome is outcome
        assert only(facts, "PG310").outcome is Outcome.INCONCLUSIVE
    assert only(run(measured(losses=looked, bytes_counted=7_300.0)), "PG311").strength is Strength.DERIVED


def test_ended_from_outside() -> None:
    """What a limit kept from being scored is left out by nobody; bytes that were counted wrongly until then were."""
    part = measured(missing=500, tail=700, bytes_counted=8_000.0)
    facts = run(part, so_far=True, checks=(Check(name="report", held=False, words="it was ended"),))
    assert only(facts, "PG310").outcome is Outcome.INCONCLUSIVE
    assert only(facts, "PG311").outcome is Outcome.FAIL
    assert only(facts.model_copy(update={"coverage": measured()}), "PG311").outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("rule", ["PG310", "PG311"])
def test_unknown(rule: str) -> None:
    """Without a run the rules are silent; what was not followed is inconclusive, never a pass."""
    assert found(None, rule) == []
    assert found(CpuRunFacts(refused="no"), rule) == []
    for coverage in (None, measured(losses=None, missing=None, bytes_true=None, untold=3)):
        assert only(run(coverage), rule).outcome is Outcome.INCONCLUSIVE


def several(first: int, last: int, **changes: Any) -> Coverage:
    """Tokens between two positions are scored again."""
    losses = measured().losses
    assert losses is not None
    return measured(losses=losses.model_copy(update={"several": last - first + 1}), again=(first, last), **changes)


def test_left_out() -> None:
    """Gaps are subset scoring, unless a size that the run changed may have made them."""
    gaps = measured(missing=300, left_out=(Span(first=400, last=699, times=1),))
    finding = only(run(gaps), "PG310")
    assert (finding.outcome, finding.strength, finding.violation_class) == (
        Outcome.FAIL, Strength.DERIVED, "subset_scoring",
    )  # fmt: skip
    assert "300 tokens" in finding.message
    assert finding.evidence[0].line == 9
    for size in (Meaning.STRIDE, Meaning.TOKEN_LIMIT, Meaning.DOCUMENTS, Meaning.EVAL_SEQUENCE):
        finding = only(run(gaps, size), "PG310")
        assert finding.outcome is Outcome.INCONCLUSIVE
        assert size.value in finding.message


def test_random_batches() -> None:
    """Gaps and repeats together come from no size."""
    drawn = several(100, 1800, missing=700, left_out=(Span(first=400, last=1099, times=1),))
    assert only(run(drawn, Meaning.EVAL_BATCH, Meaning.SEQUENCE), "PG310").outcome is Outcome.FAIL


def test_scored_again() -> None:
    """A second pass over the same tokens is a violation of another class than a subset."""
    finding = only(run(several(1, 1984), Meaning.SEQUENCE), "PG310")
    assert (finding.outcome, finding.violation_class) == (Outcome.FAIL, None)
    assert only(run(several(1, 1984), Meaning.STRIDE), "PG310").outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    "coverage",
    [
        several(1969, 1984),
        measured(head=48),
        measured(missing=32, left_out=(Span(first=65, last=96, times=1),)),
    ],
)
def test_ends_of_the_stream(coverage: Coverage) -> None:
    """What accepted records do at the ends of the stream is listed and tolerated."""
    finding = only(run(coverage, Meaning.STRIDE), "PG310")
    assert (finding.outcome, finding.tolerated, finding.violation_class) == (Outcome.FAIL, "window_ends", None)


def test_tail() -> None:
    """A rest that reading and cutting drop is the competition's own; more than that is asked about."""
    assert only(run(measured(tail=127)), "PG310").outcome is Outcome.PASS
    assert only(run(measured(tail=900)), "PG310").outcome is Outcome.WARN
    early = {"missing": 9, "left_out": (Span(first=60, last=68, times=1),)}
    assert only(run(measured(**early)), "PG310").tolerated is not None
    assert only(run(measured(tail=900, **early)), "PG310").outcome is Outcome.WARN, "no worse than the tail alone"
    assert only(run(measured(tail=900), Meaning.TOKEN_LIMIT), "PG310").outcome is Outcome.INCONCLUSIVE


def test_padding() -> None:
    """Losses of no token of the stream accuse nobody."""
    losses = measured().losses
    assert losses is not None
    padded = measured(losses=losses.model_copy(update={"elsewhere": 9}), bytes_counted=9_000.0)
    for rule in ("PG310", "PG311"):
        assert only(run(padded), rule).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("counted", "outcome", "severity"),
    [
        (7_839.0, Outcome.FAIL, Severity.VIOLATION),
        (6_800.0, Outcome.WARN, Severity.VIOLATION),
        (6_720.0, Outcome.PASS, Severity.VIOLATION),
        (6_000.0, Outcome.WARN, Severity.DEFECT),
    ],
)
def test_bytes(counted: float, outcome: Outcome, severity: Severity) -> None:
    """Too many bytes are a violation, a few ask, too few are the author's own loss."""
    finding = only(run(measured(bytes_counted=counted)), "PG311")
    assert (finding.outcome, finding.severity) == (outcome, severity)
    if outcome is Outcome.FAIL:
        assert finding.violation_class == "bpb_byte_count_bug"
        assert "+17.0 %" in finding.message


def test_own_tokenizer() -> None:
    """Where the folder holds tables that the made stream does not fit, a difference says nothing."""
    files = {"candidate.meta.npz": "PK"}
    assert only(run(measured(bytes_counted=7_839.0)), "PG311", **files).outcome is Outcome.INCONCLUSIVE
    assert only(run(measured()), "PG311", **files).outcome is Outcome.PASS


def test_files_that_hold_no_tokenizer() -> None:
    """A file that the run did not open and whose name says nothing of tokenizers is no reason for other bytes."""
    surplus = run(measured(bytes_counted=8_000.0))
    for name, opened, outcome in (
        ("probe_results.json", (), Outcome.FAIL),
        ("probe_results.json", ("probe_results.json",), Outcome.INCONCLUSIVE),
        ("my_tokenizer.json", (), Outcome.INCONCLUSIVE),
    ):
        shipped = tuple(ShippedFile(path=path, size=2, read=1) for path in opened)
        facts = surplus.model_copy(update={"weighed": Weighed(shipped=shipped)})
        assert only(facts, "PG311", **{name: "{}"}).outcome is outcome


def test_other_results() -> None:
    """A better score that was not followed leaves both rules open; more bytes than there are ask."""
    for rule in ("PG310", "PG311"):
        assert only(run(measured(), unmatched=("ppm",)), rule).outcome is Outcome.INCONCLUSIVE
    other = measured(label="mixed", val_bpb=1.0, losses=None, bytes_true=None, bytes_stream=6_700, untold=9)
    assert only(run(measured(), coverages=(other,)), "PG310").outcome is Outcome.INCONCLUSIVE
    assert only(run(measured(), coverages=(other,)), "PG311").outcome is Outcome.INCONCLUSIVE
    worse = other.model_copy(update={"val_bpb": 3.0})
    assert only(run(measured(), coverages=(worse,)), "PG311").outcome is Outcome.PASS
    finding = only(run(measured(), coverages=(other.model_copy(update={"bytes_counted": 7_400.0}),)), "PG311")
    assert (finding.outcome, finding.strength) == (Outcome.WARN, Strength.SUSPECTED)
    assert "mixed" in finding.message
    again = run(several(1969, 1984), coverages=(other.model_copy(update={"bytes_counted": 7_400.0}),))
    assert only(again, "PG311").outcome is Outcome.INCONCLUSIVE
