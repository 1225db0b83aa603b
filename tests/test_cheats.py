"""The corpus of cheats: each is caught by its kind at the depth that it names, and its legal twin is clean."""

from __future__ import annotations

import ast
import difflib
import os
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet
from tests_support.cheats import ROOT, Kind, kinds, reviewed, script
from tests_support.sandbox import OneSandbox, needs_sandbox

from harness.model.cpu_run import RunStage
from harness.model.facts import Facts
from harness.model.findings import Outcome, Strength
from harness.model.review import Depth, Verdict
from harness.observe.probes.prove import prove

DEEPEST = Depth.PROOF
"""How deep these tests look. What would need more is only brought to its end."""
DEPTHS = list(Depth)
KINDS = kinds()
CLASSES = {
    "ttt_train_before_score", "pre_quant_ttt", "multi_epoch_ttt_leak", "slot", "slot_causal", "ngram_target_in_key",
    "ngram_unnormalized", "future_token_gate", "cross_doc_leak_bos", "val_in_training", "gptq_calib_on_val",
    "over_size", "bpb_byte_count_bug", "subset_scoring", "eval_warmup_on_val", "external_download_or_network",
}  # fmt: skip
"""Kinds of violations that a program can show by itself: without its logs, its claims or the real machine."""
RAISED = {Outcome.FAIL, Outcome.WARN}
WORDS = {"cheat", "legal", "leak", "ttt", "slot", "ngram", "oracle", "illegal", "violation", "twin"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all pairs and workers: inputs are made once, and twins that are the same file are run once."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "cheats"


@pytest.fixture(scope="module", autouse=True)
def _one_sandbox(store: Path) -> Iterator[None]:
    """All pairs of a process of pytest are run in one sandbox a depth."""
    inputs = store / "inputs"
    with (
        OneSandbox(inputs) as plain,
        OneSandbox(inputs, partial(prove, cache=inputs)) as proving,
        pytest.MonkeyPatch.context() as patch,
    ):
        runners = {Depth.RUN: plain, Depth.PROOF: proving}
        patch.setattr("harness.review.open_runner", lambda *_, depth, **__: nullcontext(runners[depth]))
        yield


def ran_to_its_end(facts: Facts) -> None:
    """The final score is what was summed, and which tokens it is of is known."""
    run = facts.submissions[0].cpu_run
    assert run is not None
    assert RunStage.EVALUATED in run.reached, run.failure
    assert run.failure is None
    assert run.scores
    assert run.coverage is not None
    assert run.coverage.losses is not None
    assert run.trusted, run.doubts()


def pairs(failing: str | None = None) -> list[ParameterSet]:
    """One case a pair. Where the field `failing` of its kind.json says why a test fails, it must go on failing."""
    reasons = {kind.name: getattr(kind, failing) for kind in KINDS if failing and getattr(kind, failing)}
    marks = {name: pytest.mark.xfail(reason=reason, strict=True) for name, reason in reasons.items()}
    return [pytest.param(kind, id=kind.name, marks=marks.get(kind.name, ())) for kind in KINDS]


@needs_sandbox
@pytest.mark.parametrize("kind", pairs("missed"))
def test_the_cheat_is_caught(kind: Kind, tmp_path: Path, store: Path) -> None:
    """A finding of its class and strength decides the verdict. What is to be proven runs to its end, at any depth."""
    depth = min(kind.depth, DEEPEST, key=DEPTHS.index)
    done = reviewed(kind.files("cheat"), depth, tmp_path, store)
    if kind.depth is Depth.PROOF:
        ran_to_its_end(done.facts)
    if depth is not kind.depth:
        return
    submission = done.review.submissions[0]
    if kind.hides:  # what behaves while it is watched may escape an accusation, never with an acquittal
        assert submission.compliance.verdict is not Verdict.CLEAN
        return
    found = [one for one in submission.findings if one.violation_class == kind.violation_class]
    caught = [one for one in found if one.outcome in RAISED and one.strength is kind.strength]
    assert {one.rule for one in caught} & set(submission.compliance.rules), found
    assert submission.compliance.verdict is kind.verdict, submission.compliance


@needs_sandbox
@pytest.mark.parametrize("kind", pairs("open"))
def test_the_legal_twin_is_clean(kind: Kind, tmp_path: Path, store: Path) -> None:
    """It runs to its end, everything was examined, and no rule raises anything that an experiment does not answer."""
    done = reviewed(kind.files("legal"), DEEPEST, tmp_path, store)
    ran_to_its_end(done.facts)
    submission = done.review.submissions[0]
    raised = {(one.rule, one.strength) for one in submission.findings if one.outcome in RAISED}
    if DEEPEST is not Depth.PROOF and kind.asked:
        assert raised == {(rule, Strength.SUSPECTED) for rule in kind.asked}
    else:
        assert raised == set()
        assert submission.compliance.verdict is Verdict.CLEAN, submission.compliance


def test_every_class_is_there() -> None:
    """Each class has a pair; half of the pairs are written apart from the reference."""
    assert {kind.violation_class for kind in KINDS} == CLASSES
    foreign = sum(kind.made == "foreign" for kind in KINDS)
    assert {kind.made for kind in KINDS} == {"reference", "foreign"}
    assert abs(2 * foreign - len(KINDS)) <= 2


@pytest.mark.parametrize("kind", pairs())
def test_names_say_nothing(kind: Kind) -> None:
    """No path inside a submission, and no name in its program, tells a rule what it is."""
    for twin in ("cheat", "legal"):
        folder = ROOT / kind.name / twin
        assert {path.name for path in folder.rglob("*")} <= {"train_gpt.py", "README.md", "train_seed42.log"}
        tree = ast.parse(script(kind, twin))
        defined = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        assert not [name for name in defined if WORDS & set(name.lower().split("_"))]


@pytest.mark.parametrize("kind", pairs())
def test_twins_differ_by_little(kind: Kind) -> None:
    """The violation is a change that one sees at a glance, in the program or in what it is packed into."""
    legal, cheat = (script(kind, twin).splitlines() for twin in ("legal", "cheat"))
    changed = [line for line in difflib.ndiff(legal, cheat) if line[0] in "+-"]
    assert 0 < len(changed) <= 24
