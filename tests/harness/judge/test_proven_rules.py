"""PG411 to PG415: experiments convict where something moved, acquit where enough was seen, and answer suspicions."""

from __future__ import annotations

import math
from typing import Any

import pytest
from tests_support.programs import ADAPT_FIRST, DELTA, DOCUMENT_EPOCHS, HEAD, MAIN, PLAIN
from tests_support.runs import found, reviewed

from harness.model.base import At
from harness.model.cpu_run import Attempt, Check, CpuRunFacts, Fidelity, RunStage, Tamper, TamperKind
from harness.model.findings import Finding, Outcome, Severity, Strength
from harness.model.proof import Apart, Divergence, Later, Lesson, Lessons, Moved, ProofFacts, RowTotal, SharedByte, Swap
from harness.model.review import Depth, Verdict

HELD = (Check(name="exit", held=True, words="the exit status is what was reported"),)
KEPT = Divergence(position=489, rows=489, row_kept=True, artifact_same=True)
LARGEST = Moved(position=484, token=7, before=6.9, after=6.8)
MOVED = KEPT.model_copy(
    update={"moved": 9, "first": (LARGEST,), "largest": LARGEST, "spans": ((481, 489),), "row_kept": False}
)
JUST_BEFORE = MOVED.model_copy(update={"moved": 3, "spans": ((487, 489),)})
PACKED = MOVED.model_copy(update={"artifact": ("final_model.int8.ptz",), "artifact_same": False})


def run(*divergences: Divergence, tampering: tuple[Tamper, ...] = (), **changes: Any) -> CpuRunFacts:
    """A run with these experiments."""
    fields: dict[str, Any] = {
        "stream": 2112, "rows": 2111, "positions": 2111, "normalised": 2111, "divergences": divergences,
        "repeatable": True, **changes,
    }  # fmt: skip
    return CpuRunFacts(
        attempts=(Attempt(rung="64", seconds=1.0, ended="exit 0"),),
        reached=tuple(RunStage),
        checks=HELD,
        tampering=tampering,
        proof=ProofFacts(**fields),
    )


def said(run: CpuRunFacts, evaluate: str = PLAIN) -> dict[str, Finding]:
    """What the rules on experiments, and those that only suspect, say of a program."""
    rules = ("PG401", "PG402", "PG403", "PG404", "PG411", "PG412", "PG413")
    program = {"train_gpt.py": HEAD + evaluate + MAIN}
    findings = {rule: found(run, rule, **program) for rule in rules}
    return {rule: one for rule, ones in findings.items() for one in ones}


def test_a_stream_that_is_scored_from_its_first_window_on() -> None:
    """Tokens of the first window need no score for nothing to have moved; those of a longer stretch do."""
    early = KEPT.model_copy(update={"position": 69, "rows": 21, "head": 48})
    assert said(run(early, KEPT))["PG411"].outcome is Outcome.PASS
    late = KEPT.model_copy(update={"position": 489, "rows": 60, "head": 400})
    assert said(run(late))["PG411"].outcome is Outcome.INCONCLUSIVE


def test_a_score_that_was_not_logged() -> None:
    """Where logs have no score of that name, what was run is not what was logged, and acquits of nothing."""
    findings = said(run(KEPT, label="final_other_score"), ADAPT_FIRST)
    assert {findings[rule].outcome for rule in ("PG411", "PG412", "PG413")} == {Outcome.INCONCLUSIVE}
    assert "the logs have no score called final_other_score" in findings["PG411"].message
    assert findings["PG401"].outcome is Outcome.WARN
    assert said(run(MOVED, label="final_other_score"))["PG411"].outcome is Outcome.FAIL


def test_another_order() -> None:
    """Where documents are scored in another order, a parting in time shows that nothing later was known."""
    late = KEPT.model_copy(update={"rows": 9, "late": 480, "row_kept": None})
    after = Later(changed=700, rows=1400, row_kept=True)
    kept = said(run(late, later=(after, after.model_copy(update={"rows": 1900}))))
    assert {kept[rule].outcome for rule in ("PG411", "PG412", "PG413")} == {Outcome.PASS}
    assert "up to 1,900 when every token was another one that was scored after them" in kept["PG411"].message
    for changes in ({"moved": 1}, {"rows": 900}, {"failure": "it ended"}):
        assert said(run(late, later=(after.model_copy(update=changes),)))["PG411"].outcome is Outcome.INCONCLUSIVE
    other = said(run(late, later=(after.model_copy(update={"row_kept": False}),)))
    assert other["PG413"].outcome is Outcome.INCONCLUSIVE


def test_nothing_moved() -> None:
    """All three rules hold, and the depth is that of a proof."""
    facts = run(KEPT, KEPT.model_copy(update={"position": 1495, "rows": 1495}))
    findings = said(facts)
    assert [findings[rule].outcome for rule in ("PG411", "PG412", "PG413")] == [Outcome.PASS] * 3
    review = reviewed(facts)
    assert review.harness.depth is Depth.PROOF
    assert not any("experiment" in gap for gap in review.submissions[0].not_examined)
    none = reviewed(run(reason="the run came to no score"))
    assert any("no experiment was made: the run" in gap for gap in none.submissions[0].not_examined)


def test_other_orders() -> None:
    """Tokens that were scored after later ones are not missed where most were not; else nothing is said."""
    late = KEPT.model_copy(update={"rows": 40, "late": 449})
    assert said(run(KEPT, late))["PG411"].outcome is Outcome.PASS
    assert said(run(late))["PG411"].outcome is Outcome.INCONCLUSIVE
    assert said(run(KEPT, late.model_copy(update={"rows": 9})))["PG411"].outcome is Outcome.INCONCLUSIVE
    assert said(run(late.model_copy(update={"moved": 1, "largest": LARGEST})))["PG411"].outcome is Outcome.FAIL


def test_what_is_not_placed() -> None:
    """Scores of which the token is not known acquit of nothing; that of others moved convicts."""
    findings = said(run(KEPT, unplaced=20))
    assert {findings[rule].outcome for rule in ("PG411", "PG413")} == {Outcome.INCONCLUSIVE}
    assert findings["PG412"].outcome is Outcome.PASS, "files have nothing to do with it"
    assert said(run(MOVED, unplaced=20))["PG411"].outcome is Outcome.FAIL
    assert next(iter(found(run(KEPT, unplaced=20), "PG414"))).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    "facts",
    [
        run(KEPT, tampering=(Tamper(kind=TamperKind.LOOKED, words="looked at the recorder"),)),
        run(KEPT.model_copy(update={"rows": 20})),
        run(KEPT.model_copy(update={"failure": "IndexError: 3"})),
        run(MOVED, repeatable=False),
        run(reason="the run came to no final score that is what was summed"),
    ],
    ids=["tampered", "few", "failed", "not repeatable", "no score"],
)
def test_too_little_is_inconclusive(facts: CpuRunFacts) -> None:
    """Nothing is decided by a run that was tampered with, saw too little, failed, or does not repeat itself."""
    assert said(facts)["PG411"].outcome is Outcome.INCONCLUSIVE
    assert said(facts, ADAPT_FIRST)["PG401"].outcome is Outcome.WARN, "a suspicion stays one"


def test_the_past_moved() -> None:
    """A score that moved is a proof, with the token, both values and what was compared."""
    finding = said(run(KEPT, MOVED), ADAPT_FIRST)["PG411"]
    assert (finding.outcome, finding.strength, finding.severity) == (Outcome.FAIL, Strength.PROVEN, Severity.VIOLATION)
    assert finding.violation_class == "ttt_train_before_score"
    assert finding.proof is not None
    assert (finding.proof.position, finding.proof.values, finding.proof.rows_compared) == (484, (6.9, 6.8), 489)
    assert (finding.proof.parted, finding.proof.moved, finding.proof.spans) == (489, 9, ((481, 489),))
    assert "PG411" in finding.proof.replay
    assert any(row.measured.get("role") == "learns" for row in finding.evidence)


@pytest.mark.parametrize(
    ("evaluate", "one", "name", "severity"),
    [
        (DOCUMENT_EPOCHS, MOVED, "multi_epoch_ttt_leak", Severity.VIOLATION),
        (DELTA, MOVED, "slot", Severity.DECISION),
        (PLAIN, MOVED, "future_token_gate", Severity.VIOLATION),
        (ADAPT_FIRST, PACKED, "pre_quant_ttt", Severity.VIOLATION),
        (PLAIN, PACKED, "val_in_training", Severity.VIOLATION),
        (ADAPT_FIRST, MOVED, "ttt_train_before_score", Severity.VIOLATION),
        (DOCUMENT_EPOCHS, JUST_BEFORE, "future_token_gate", Severity.VIOLATION),
    ],
)
def test_kinds(evaluate: str, one: Divergence, name: str, severity: Severity) -> None:
    """What reading saw names the kind; what was never ruled on is a decision, proof or not."""
    finding = said(run(one), evaluate)["PG411"]
    assert (finding.outcome, finding.violation_class, finding.severity) == (Outcome.FAIL, name, severity)


def test_order_of_events() -> None:
    """The first step that came before the score of one of its tokens is the evidence; steps in order are told."""
    step = Lesson(at=At(path="train_gpt.py", line=7), first=1, last=64, tokens=64, late=60, position=5)
    finding = said(run(MOVED, lessons=Lessons(steps=9, tokens=576, late=3, first=step)))["PG411"]
    assert "learned from tokens 1 to 64; 60 of them, the first at 5, were scored after it" in finding.message
    assert (finding.evidence[0].line, finding.evidence[0].measured["role"]) == (7, "learns before it scores")
    ordered = said(run(MOVED, lessons=Lessons(steps=9, tokens=576)), ADAPT_FIRST)["PG411"]
    assert ordered.violation_class == "future_token_gate"
    assert "No optimizer step came before a score of its tokens" in ordered.message
    kept = said(run(KEPT, lessons=Lessons(steps=9, tokens=576)))["PG411"]
    assert "9 optimizer steps on validation tokens came after their scores" in kept.message


def test_artifact() -> None:
    """Files that differ convict where scores moved with them, and are only told of where none did."""
    assert said(run(PACKED))["PG412"].outcome is Outcome.FAIL
    files = {"artifact": ("model.pt",), "artifact_same": False}
    told = said(run(KEPT.model_copy(update=files)))["PG412"]
    assert (told.outcome, told.severity) == (Outcome.WARN, Severity.ADVICE)
    unseen = said(run(KEPT.model_copy(update=files | {"rows": 0})))["PG412"]
    assert unseen.outcome is Outcome.INCONCLUSIVE, "whether a score moved was not seen"
    held = said(run(KEPT.model_copy(update=files | {"row_kept": False})))
    assert (held["PG412"].outcome, held["PG412"].violation_class) == (Outcome.FAIL, "val_in_training")
    assert held["PG413"].outcome is Outcome.INCONCLUSIVE
    assert said(run(KEPT.model_copy(update={"artifact_same": None})))["PG412"].outcome is Outcome.INCONCLUSIVE


def test_rows_of_scores() -> None:
    """A row that was made with its token in sight convicts; scores that come from no row leave the question open."""
    finding = said(run(KEPT.model_copy(update={"row_kept": False})))["PG413"]
    assert (finding.outcome, finding.strength) == (Outcome.FAIL, Strength.PROVEN)
    assert said(run(KEPT, normalised=2000))["PG413"].outcome is Outcome.INCONCLUSIVE
    assert said(run(KEPT.model_copy(update={"row_kept": None})))["PG413"].outcome is Outcome.INCONCLUSIVE
    assert said(run(MOVED))["PG413"].outcome is Outcome.INCONCLUSIVE


def test_suspicions_are_answered() -> None:
    """What reading suspects and the experiments refute is dropped with a note; what is contested stays a decision."""
    finding = said(run(KEPT), ADAPT_FIRST)["PG401"]
    assert finding.outcome is Outcome.PASS
    assert "refute" in finding.message
    slot = said(run(KEPT), DELTA)["PG404"]
    assert (slot.outcome, slot.severity) == (Outcome.WARN, Severity.DECISION)
    assert "Measured" in slot.message
    assert slot.violation_class == "slot_causal"


def test_verdicts() -> None:
    """Something proven makes a violation."""
    assert reviewed(run(MOVED)).submissions[0].compliance.verdict is Verdict.VIOLATION


def test_beginning_only() -> None:
    """Where all moved with the first tokens and nothing with later ones, something warmed up on the first."""
    first = MOVED.model_copy(update={"position": 21, "rows": 21, "moved": 21, "spans": ((1, 21),)})
    finding = said(run(first, KEPT), ADAPT_FIRST)["PG411"]
    assert finding.violation_class == "eval_warmup_on_val"


def test_branches_that_were_not_taken() -> None:
    """A branch that learns and that the run did not take leaves the question open, and suspicions what they are."""
    unmet = Fidelity(unmet=(At(path="train_gpt.py", line=7),))
    facts = run(KEPT).model_copy(update={"fidelity": unmet})
    findings = said(facts, ADAPT_FIRST)
    assert findings["PG411"].outcome is Outcome.INCONCLUSIVE
    assert "line 7" in findings["PG411"].message
    assert findings["PG401"].outcome is Outcome.WARN
    assert reviewed(facts).submissions[0].compliance.verdict is not Verdict.CLEAN


def test_sums_of_probabilities() -> None:
    """A sum above 1 convicts, of a whole row or of a few tokens; a smaller one of a few says nothing."""
    row = RowTotal(position=40, token=3, value=0.5, total=1.8, rows=2111)
    (whole,) = found(run(KEPT, normalised=0, above=row), "PG414")
    assert (whole.outcome, whole.violation_class) == (Outcome.FAIL, "ngram_unnormalized")
    assert "1.8000" in whole.message
    few = Swap(position=40, tokens=(3, 4), values=(0.1, 0.2))
    assert [one.outcome for one in found(run(KEPT, normalised=0, swaps=(few,)), "PG414")] == [Outcome.FAIL]
    less = few.model_copy(update={"values": (0.1, 9.0)})
    assert [one.outcome for one in found(run(KEPT, normalised=0, swaps=(less,)), "PG414")] == [Outcome.INCONCLUSIVE]


def test_sums_over_bytes() -> None:
    """Tokens that begin alike convict by what their bytes got: unlike as part of each, or too much together.
    Else it may be a distribution over bytes.
    """
    alike = Swap(position=40, tokens=(3, 4), values=(0.1, 0.2), by_bytes=True, together=0.95)
    (kept,) = found(run(KEPT, normalised=0, swaps=(alike,)), "PG414")
    assert kept.outcome is Outcome.INCONCLUSIVE
    assert "a distribution over bytes" in kept.message
    (unknown,) = found(run(KEPT, normalised=0, swaps=(alike.model_copy(update={"together": 0.0}),)), "PG414")
    assert unknown.outcome is Outcome.INCONCLUSIVE
    assert "is not known" in unknown.message
    byte = SharedByte(index=0, byte=116, tokens=(3, 4), values=(math.log(2), math.log(4)))
    (unlike,) = found(run(KEPT, normalised=0, swaps=(alike.model_copy(update={"shared": byte}),)), "PG414")
    assert (unlike.outcome, unlike.strength) == (Outcome.FAIL, Strength.PROVEN)
    assert "byte 1 of what two of them begin with got 0.5000 as part of token 3 and 0.2500" in unlike.message
    (more,) = found(run(KEPT, normalised=0, swaps=(alike.model_copy(update={"together": 1.5}),)), "PG414")
    assert (more.outcome, more.strength) == (Outcome.FAIL, Strength.PROVEN)
    assert "1.5000 together" in more.message


FOLLOWED = Swap(position=40, tokens=(3, 4, 5), values=(1.5, 2.0, 9.0), totals=(1.0, 1.0, 1.0), foretold=(1.5, 1.5))


def test_rows_that_are_computed() -> None:
    """A row for the whole vocabulary acquits where other tokens were scored from it and it sums to 1."""
    kept = run(KEPT, mixed=700, swaps=(FOLLOWED,))
    for rule in ("PG413", "PG414"):
        assert [one.outcome for one in found(kept, rule)] == [Outcome.PASS]
    assert "700" in found(kept, "PG413")[0].message
    few = FOLLOWED.model_copy(update={"totals": (1.3, 1.3, 1.3)})
    assert [one.outcome for one in found(run(KEPT, normalised=0, swaps=(few,)), "PG414")] == [Outcome.INCONCLUSIVE]
    more = Swap(
        position=40, tokens=(3, 4, 5, 6, 7, 8), values=(2.5, 9.0, 9.0, 9.0, 9.0, 9.0), totals=(1.3,) * 6,
        foretold=(2.5,) * 5,
    )  # fmt: skip
    (beyond,) = found(run(KEPT, normalised=0, mixed=2111, swaps=(more,)), "PG414")
    assert (beyond.outcome, beyond.strength) == (Outcome.FAIL, Strength.PROVEN)
    assert beyond.proof is not None
    assert (beyond.proof.position, beyond.proof.tokens) == (40, (3, 4, 5, 6, 7, 8))
    assert "1.3000" in beyond.message
    less = FOLLOWED.model_copy(update={"totals": (0.8, 0.8, 0.8)})
    for rule in ("PG413", "PG414"):
        assert [one.outcome for one in found(run(KEPT, normalised=0, swaps=(less,)), rule)] == [Outcome.INCONCLUSIVE]
    assert "0.8000" in found(run(KEPT, normalised=0, swaps=(less,)), "PG414")[0].message


def test_sharper_weights() -> None:
    """What sums to 1 only while the model is unsure convicts, and says with which weights; rounding does not."""
    sharp = Swap(
        position=41, tokens=(3, 4, 5, 6, 7, 8), values=(2.5, 9.0, 9.0, 9.0, 9.0, 9.0), totals=(1.9,) * 6,
        foretold=(2.5,) * 5,
    )  # fmt: skip
    tried = {"normalised": 0, "mixed": 2111, "swaps": (FOLLOWED,), "sharpness": 16.0}
    (one,) = found(run(KEPT, **tried, sharper=(sharp,)), "PG414")
    assert (one.outcome, one.violation_class) == (Outcome.FAIL, "ngram_unnormalized")
    assert "weights 16 times as large" in one.message
    assert "1.9000" in one.message
    assert one.proof is not None
    assert one.proof.position == 41
    rounded = sharp.model_copy(update={"totals": (1.05,) * 6})
    assert [one.outcome for one in found(run(KEPT, **tried, sharper=(rounded,)), "PG414")] == [Outcome.INCONCLUSIVE]


def test_a_choice_between_distributions() -> None:
    """A token that was scored from another distribution than the one in its place convicts, with both numbers."""
    chosen = FOLLOWED.model_copy(update={"foretold": (1.5, 2.25)})
    (one,) = found(run(KEPT, normalised=0, mixed=2111, swaps=(chosen,)), "PG413")
    assert (one.outcome, one.violation_class) == (Outcome.FAIL, "future_token_gate")
    assert one.proof is not None
    assert (one.proof.position, one.proof.tokens, one.proof.values) == (40, (3, 5), (1.5, 2.25))
    assert not [one for one in found(run(KEPT, normalised=0, swaps=(chosen,)), "PG414") if one.outcome is Outcome.PASS]
    none = chosen.model_copy(update={"totals": (1.0, 1.0, 1.2)})
    unsure = found(run(KEPT, normalised=0, mixed=2111, swaps=(none,)), "PG413")
    assert [one.outcome for one in unsure] == [Outcome.INCONCLUSIVE]


APART = Apart(first=65, last=172, rows=1700, moved=49, spans=((174, 222),), largest=LARGEST)


def test_documents() -> None:
    """What moves in later documents convicts where the README says that they are independent, else it is told."""
    claim = {"README.md": "# Entry\n\nDocuments are fully independent of each other.\n"}
    (moved,) = found(run(KEPT, apart=APART), "PG415", **claim)
    assert (moved.outcome, moved.strength) == (Outcome.FAIL, Strength.PROVEN)
    assert moved.violation_class == "cross_doc_leak_bos"
    kept = APART.model_copy(update={"moved": 0, "spans": (), "largest": None})
    assert [one.outcome for one in found(run(KEPT, apart=kept), "PG415", **claim)] == [Outcome.PASS]
    failed = Apart(first=65, last=172, failure="it ended")
    assert [one.outcome for one in found(run(KEPT, apart=failed), "PG415", **claim)] == [Outcome.INCONCLUSIVE]
    (told,) = found(run(KEPT, apart=APART), "PG415")
    assert (told.outcome, told.severity) == (Outcome.WARN, Severity.ADVICE)
    assert found(run(KEPT), "PG415", **claim) == []
