"""Whole reviews for tests of reports: real rules on small submissions, without what changes from run to run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

from harness.judge.judge import judge
from harness.model.base import At
from harness.model.coverage import Coverage, Covered, Span
from harness.model.cpu_run import (
    Attempt,
    Check,
    CpuRunFacts,
    Fault,
    FeatureRun,
    Fidelity,
    MatchedScore,
    Ran,
    Replaced,
    RunFailure,
    RunStage,
    WrittenFile,
)
from harness.model.facts import Facts, Stage, StageStatus
from harness.model.findings import Evidence, Finding, Outcome, Proof, Severity, Shows, Strength
from harness.model.plan import Directive, Feature, Meaning, Override
from harness.model.review import CpuRunSummary, Review
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
LINE = At(path="train_gpt.py", line=3)
FAILURE = RunFailure(
    fault=Fault.HARNESS, exception="RuntimeError", message="sizes do not fit", at=LINE, remedy="Nothing to mend."
)
WHOLE_RUN = CpuRunFacts(
    reached=tuple(RunStage),
    attempts=(
        Attempt(rung="64", seconds=4.25, cpu_seconds=4.0, peak_mb=310.0, ended="exit 1", failure=FAILURE),
        Attempt(rung="96", seconds=8.5, cpu_seconds=8.0, peak_mb=323.0, ended="exit 0"),
    ),
    steps=16,
    files=(
        WrittenFile(path="final_model.pt", size=1_200_000, sha256="a" * 64),
        WrittenFile(path="final_model.int8.ptz", size=312_345, sha256="b" * 64, reloaded=True),
    ),
    scores=(MatchedScore(label="final", val_bpb=2.7246, losses=LINE, counts=LINE),),
    coverage=Coverage(
        label="final",
        val_bpb=2.7246,
        stream=1985,
        documents=4,
        losses=Covered(
            at=LINE,
            target="loss_sum",
            spans=(Span(first=1, last=1984, times=1),),
            once=1984,
            several=0,
            tokens=1984,
            elsewhere=0,
        ),
        missing=0,
        tail=3,
        bytes_true=4321,
        bytes_counted=4321.0,
    ),
    printed=("step 16", "final val_bpb:2.7246"),
    checks=(Check(name="exit", held=True, words="it ended as it says"),),
    fidelity=Fidelity(
        overrides=(
            Override(name="ITERATIONS", value="16", why="training steps: 16 steps", meaning=Meaning.STEPS, was=20_000),
            Override(name="DATA_PATH", value="./data", why="where the made inputs lie"),
        ),
        edits=(
            Directive(at=LINE, column=0, end_column=3, old="512", new="96", why="model dimension", meaning=Meaning.DIM),
        ),
        stand_ins=(
            Replaced(name="flash_attn", exact=True, reason="equal to SDPA by test"),
            Replaced(name="some_kernel", exact=False, reason="it computes nothing"),
        ),
        features=(
            FeatureRun(feature=Feature.SLIDING, ran=Ran.EXECUTED, at=(LINE,)),
            FeatureRun(feature=Feature.SWA, ran=Ran.NOT_EXECUTED, because=("SWA_ENABLED",), missed=(LINE,)),
        ),
    ),
)
"""A run to the end, at the second size."""
FAILED_RUN = WHOLE_RUN.model_copy(
    update={
        "reached": (RunStage.DECODED, RunStage.IMPORTED),
        "attempts": WHOLE_RUN.attempts[:1],
        "failure": FAILURE,
        "steps": 0,
        "files": (),
        "scores": (),
        "coverage": None,
    }
)
"""A run that one of our sizes ended."""
RUN_STAGES = (
    Stage(name="run: inputs", status=StageStatus.DONE),
    Stage(name="run: sandbox", status=StageStatus.DONE),
    Stage(name="run: size 64", status=StageStatus.PARTIAL, reason="RuntimeError: sizes do not fit"),
    Stage(name="run: size 96", status=StageStatus.DONE),
)


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


def run_folder(run: CpuRunFacts = WHOLE_RUN) -> tuple[Review, Facts]:
    """A pull request with one whole submission that was run so."""
    facts = facts_with((FOLDER, COMPLETE))
    (one,) = facts.submissions
    stages = (*one.stages, *RUN_STAGES) if run.refused is None else one.stages
    facts = facts.model_copy(update={"submissions": (one.model_copy(update={"cpu_run": run, "stages": stages}),)})
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
        shows=Shows.SUM,
        position=5,
        tokens=(1, 2),
        values=(0.5, 0.25),
        rows_compared=9,
        replay="golf replay REVIEW.json PG401",
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
        update={
            "findings": (*first.findings, *made),
            "record": record,
            "cpu_run": CpuRunSummary.of(WHOLE_RUN).model_copy(update={"failure": FAILURE, "doubts": ("it asked",)}),
            "fidelity": WHOLE_RUN.fidelity,
            "stages": (*first.stages, *RUN_STAGES),
        }
    )
    hygiene = tuple(finding.model_copy() for finding in made[:4])
    return review.model_copy(update={"submissions": (whole,), "hygiene": hygiene}), facts
