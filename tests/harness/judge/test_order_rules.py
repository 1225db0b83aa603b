"""Rules on order and mixtures: each on a program that breaks it, on its legal twin, and on what logs say."""

from __future__ import annotations

import json

import pytest
from tests_support.cases import COMPLETE, findings_of
from tests_support.programs import (
    ADAPT_FIRST,
    CALIBRATED,
    CALIBRATED_ON_TRAINING,
    DELTA,
    DOCUMENT_ADAPTER,
    DOCUMENT_EPOCHS,
    HEAD,
    LAST_EPOCH,
    MAIN,
    PLAIN,
    RESTORED,
    SCORE_FIRST,
    TABLE,
)
from tests_support.repository import LOG, METADATA

from harness.model.findings import Finding, Outcome, Severity, Strength

ORDER = ("PG401", "PG402", "PG403", "PG404", "PG405", "PG321", "PG322")


def asked(evaluate: str, main: str = MAIN, log: str = LOG, **files: str) -> dict[str, Finding]:
    """The rules of both families that ask about a program, with their findings."""
    program = {**COMPLETE, "train_gpt.py": HEAD + evaluate + main, "train_seed42.log": log, **files}
    found = {rule: findings_of(program, rule) for rule in ORDER}
    return {rule: f for rule, findings in found.items() for f in findings if f.outcome is not Outcome.PASS}


@pytest.mark.parametrize("evaluate", [PLAIN, SCORE_FIRST, DOCUMENT_ADAPTER, RESTORED, CALIBRATED_ON_TRAINING])
def test_legal(evaluate: str) -> None:
    """Scoring first, adapters that are reset and warm-ups that are undone are asked nothing."""
    assert asked(evaluate) == {}


@pytest.mark.parametrize(
    ("evaluate", "rule", "name"),
    [
        (ADAPT_FIRST, "PG401", "ttt_train_before_score"),
        (LAST_EPOCH, "PG401", "ttt_train_before_score"),
        (DOCUMENT_EPOCHS, "PG403", "multi_epoch_ttt_leak"),
        (DELTA, "PG404", "slot"),
        (CALIBRATED, "PG405", "gptq_calib_on_val"),
        (TABLE, "PG321", "ngram_target_in_key"),
    ],
)
def test_suspected(evaluate: str, rule: str, name: str) -> None:
    """What reading suspects is asked about in its own kind, with the lines, and accuses nobody."""
    findings = asked(evaluate)
    assert list(findings) == [rule]
    finding = findings[rule]
    assert (finding.outcome, finding.strength, finding.violation_class) == (Outcome.WARN, Strength.SUSPECTED, name)
    assert finding.severity in {Severity.VIOLATION, Severity.DECISION}
    assert finding.evidence
    assert all(row.path == "train_gpt.py" and row.line is not None for row in finding.evidence)


def test_artifact_with_validation() -> None:
    """PG402 asks where weights that learnt from validation tokens are written and scored."""
    main = MAIN.replace(
        '    print("val_bpb"',
        '    adapt(args, model, tokens)\n    torch.save(model.state_dict(), "m.pt")\n    print("val_bpb"',
    ).replace("evaluate(args", "score(args")
    findings = asked(ADAPT_FIRST, main)
    assert list(findings) == ["PG402"]
    assert {row.measured["role"] for row in findings["PG402"].evidence} >= {"learns", "writes"}
    assert "3 passes over the same tokens" in findings["PG402"].message
    assert [row.measured["passes"] for row in findings["PG402"].evidence if "passes" in row.measured] == [3]


def test_logs_tell() -> None:
    """A second pass, a mixture or an open gate that only the log shows is asked about."""
    assert set(asked(PLAIN, log=LOG + "final_ngram val_loss:1.0 val_bpb:0.5000\n")) == {"PG321"}
    assert "PG403" in asked(PLAIN, log=LOG + "ngram_pass2 val_loss:1.0 val_bpb:0.5000\n")
    gate = "ngram_tilt:hints total=100 gated=12 token_gate=3 within_gate=9 word_gate=0\n"
    assert set(asked(PLAIN, log=LOG + gate)) == {"PG322"}
    assert asked(PLAIN, log=LOG + gate.replace("within_gate=9", "within_gate=0")) == {}


def test_logs_of_former_runs() -> None:
    """A gate that was open in a run that is no longer claimed is none; without claims for seeds, every log counts."""
    gate = "ngram_tilt:hints total=100 gated=12 token_gate=3 within_gate=9 word_gate=0\n"
    former = {"train_former_seed42.log": LOG.replace("1.2052", "1.0234") + gate}
    claims = json.loads(METADATA) | {"seed_results": {"42": {"val_bpb": 1.2052}}}
    assert set(asked(PLAIN, **former)) == {"PG322"}
    assert asked(PLAIN, **former, **{"submission.json": json.dumps(claims)}) == {}


@pytest.mark.parametrize(
    ("title", "rules"),
    [
        ("# Two-Pass n-gram cache", {"PG403", "PG321"}),
        ("# Full rescore", {"PG403"}),
        ("# PPM byte mixer", {"PG321"}),
        ("# SLOT-24 + TTT", {"PG404"}),
        ("# Two-pass GPTQ", set()),
        ("# Bigram hash, no SLOT", set()),
        ("# Slotted attention", set()),
    ],
)
def test_titles_tell(title: str, rules: set[str]) -> None:
    """What a title names is asked about; words that only look like it are not."""
    assert set(asked(PLAIN, **{"README.md": title + "\n"})) == rules
