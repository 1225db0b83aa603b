"""Whole reviews for tests of reports: real rules on small submissions, without what changes from run to run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

from harness.judge.judge import judge
from harness.model.facts import Facts
from harness.model.findings import Evidence, Finding, Outcome, Proof, Severity, Strength
from harness.model.review import Review
from harness.model.target import Change, ChangeKind, DiffFacts, Target, TargetKind
from harness.observe.observe import observe
from harness.observe.reading.worker import Reader
from harness.observe.target import Request, open_target
from tests_support.cases import AS_OF, COMPLETE, FOLDER, facts_of
from tests_support.repository import METADATA

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "submissions" / "track_cpu_demo" / "2026-11-21_PlainBaseline"
SHA = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "openai/parameter-golf"
TARGET = Target(kind=TargetKind.PR, repository="/somewhere/clone", pr=7, ref="refs/pull/7/head", sha=SHA)
LONG_LOG = COMPLETE["train_seed42.log"].replace(
    "step:13000/20000 val", "step:2000/20000 train_loss:2.4000 val_loss:2.0800 val_bpb:1.2319 x\nstep:13000/20000 val"
)
_NO_COST = {"seconds": 0.0, "peak_mb": None}
FINDINGS: dict[str, str] = {
    **COMPLETE,
    "submission.json": METADATA.replace("15850000", "16155425").replace("1.2052", "1.1800"),
    "train_gpt.py": "import my_missing_module\n",
}
"""A submission with something to mend: other numbers than its log, and a script that cannot start."""


_KINDS = [
    (outcome, severity, strength)
    for outcome in Outcome
    for severity in Severity
    for strength in Strength
    if outcome in {Outcome.FAIL, Outcome.WARN} or strength is Strength.DERIVED
]


def facts_with(*folders: tuple[str, Mapping[str, str]]) -> Facts:
    """Facts of a pull request that adds these folders."""
    changes = tuple(Change(path=f"{path}/{name}", change=ChangeKind.ADDED) for path, files in folders for name in files)
    return Facts(
        observed_by="0" * 16,
        target=TARGET,
        diff=DiffFacts(method="merge_base", base="1" * 40, changes=changes),
        submissions=tuple(facts_of(files, path) for path, files in folders),
    )


def steady(review: Review) -> Review:
    """The review without versions, digests and times."""
    info = review.harness.model_copy(update={"version": "1.2.3", "ruleset": "0" * 12, "observed_by": "0" * 16})
    submissions = tuple(
        one.model_copy(
            update={"stages": tuple(s.model_copy(update={"seconds": 0.0, "peak_mb": None}) for s in one.stages)}
        )
        for one in review.submissions
    )
    return review.model_copy(update={"harness": info, "submissions": submissions, "stages": ()})


def judged(facts: Facts, as_of: dt.date = AS_OF) -> Review:
    """The review of facts, without what changes from run to run."""
    return steady(judge(facts, as_of))


def demo() -> tuple[Review, Facts]:
    """The review and facts of the demonstration submission of this repository."""
    intake, source = open_target(Request(str(DEMO)), ROOT)
    with Reader() as reader:
        facts = observe(intake, source, reader)
    target = facts.target.model_copy(update={"repository": str(DEMO.relative_to(ROOT))})
    facts = facts.model_copy(update={"target": target})
    return judged(facts, dt.date(2026, 11, 21)), facts


def one_folder() -> tuple[Review, Facts]:
    """A pull request with one submission that has something to mend."""
    facts = facts_with((FOLDER, FINDINGS))
    return judged(facts), facts


def several_folders(count: int = 3) -> tuple[Review, Facts]:
    """A pull request with several submissions, whole ones and such with something to mend in turn."""
    contents = (COMPLETE, FINDINGS, {"README.md": "# Nothing else\n"})
    facts = facts_with(*((f"{FOLDER}_{i}", contents[i % 3]) for i in range(count)))
    return judged(facts), facts


def every_kind() -> tuple[Review, Facts]:
    """`one_folder` with a finding of every outcome, severity and strength, a proof and a tolerance among them."""
    review, facts = one_folder()
    first = review.submissions[0]
    evidence = Evidence(
        path="train_gpt.py", line=3, end_line=5, snippet="x = 1", sha256="a" * 64, measured={"name": "value", "n": 1}
    )
    proof = Proof(
        position=5, tokens=(1, 2), values=(0.5, 0.25), rows_compared=9, replay="golf replay REVIEW.json PG401"
    )
    made = tuple(
        Finding(
            rule="PG401",
            title="A title",
            outcome=outcome,
            severity=severity,
            strength=strength,
            message=f"{outcome.value} {severity.value} {strength.value}",
            remedy="Mend it.",
            evidence=(evidence, evidence.model_copy(update={"path": "."})),
            proof=proof if strength is Strength.PROVEN else None,
            basis=first.findings[0].basis,
            tolerated="a_tolerance" if outcome is Outcome.FAIL and severity is Severity.ADVICE else None,
        )
        for outcome, severity, strength in _KINDS
    )
    record = first.record.model_copy(update={"test": "one-sample t-test", "beats": "the record", "p_value": 0.004})
    whole = first.model_copy(
        update={"findings": (*first.findings, *made), "record": record, "fidelity": {"override": "a stand-in"}}
    )
    hygiene = tuple(finding.model_copy() for finding in made[:4])
    return review.model_copy(update={"submissions": (whole,), "hygiene": hygiene}), facts
