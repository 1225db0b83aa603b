"""`golf.review/1`: the judgement of a target, and the JSON contract with everything that reads it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from harness.model.base import Frozen
from harness.model.coverage import Coverage
from harness.model.cpu_run import CpuRunFacts, Fidelity, MatchedScore, RunFailure, RunStage, WrittenFile
from harness.model.facts import Stage
from harness.model.findings import Finding
from harness.model.metadata import MetadataFacts
from harness.model.target import Origin, Target

REVIEW_SCHEMA: Literal["golf.review/1"] = "golf.review/1"
FILES_SHOWN, SCORES_SHOWN, LINES_SHOWN = 20, 20, 10
"""Most files, scores and printed lines of a run that a review repeats."""


class Depth(StrEnum):
    """How far the observation went."""

    STATIC = "static"
    RUN = "run"
    PROOF = "proof"


class Verdict(StrEnum):
    """Compliance verdict, worst first."""

    VIOLATION = "violation"
    NEEDS_DECISION = "needs_decision"
    ACTION_NEEDED = "action_needed"
    INCONCLUSIVE = "inconclusive"
    CLEAN = "clean"


class RecordStatus(StrEnum):
    """Where the score stands against the records of its date; apart from compliance."""

    RECORD = "record"
    NOT_SIGNIFICANT = "not_significant"
    NOT_BETTER = "not_better"
    NON_RECORD = "non_record"
    UNVERIFIED = "unverified"


class Compliance(Frozen):
    """A verdict and the rules that decided it."""

    verdict: Verdict
    rules: tuple[str, ...] = ()


class Record(Frozen):
    """Record status with the test that was computed."""

    status: RecordStatus
    test: str | None = None
    margin_nats: float | None = None
    p_value: float | None = None
    beats: str | None = None
    by_policy: dict[str, RecordStatus] = Field(default_factory=dict)
    """Status under every policy, that in force among them."""


class ReviewedRun(Frozen):
    """One seed's evidence, as the log shows it. Times in seconds, sizes in bytes."""

    seed: int | None
    val_loss: float | None
    val_bpb: float | None
    label: str | None
    log: str
    line: int | None = None
    train_seconds: float | None = None
    eval_seconds: float | None = None
    bytes_total: int | None = None
    steps: int | None = None


class Claimed(Frozen):
    """What submission.json says, under one spelling."""

    name: str | None = None
    val_bpb: float | None = None
    val_loss: float | None = None
    val_bpb_std: float | None = None
    bytes_total: int | None = None
    train_seconds: float | None = None
    eval_seconds: float | None = None
    seeds: tuple[int, ...] = ()
    date: str | None = None

    @classmethod
    def of(cls, metadata: MetadataFacts | None) -> Claimed:
        """The claims of `metadata`; all None where there is none."""
        if metadata is None:
            return cls()

        def value(name: str) -> Any:
            fact = getattr(metadata, name)
            return None if fact is None else fact.value

        names = ("name", "val_bpb", "val_loss", "val_bpb_std", "bytes_total", "train_seconds", "eval_seconds", "date")
        return cls(**{name: value(name) for name in names}, seeds=tuple(seed.value for seed in metadata.seeds))


class CpuRunSummary(Frozen):
    """How far the run on a CPU got. What of it was not the real thing stands in `ReviewedSubmission.fidelity`."""

    reached: tuple[RunStage, ...] = ()
    failure: RunFailure | None = None
    size: str | None = None
    """Name of the size at which it ended: the model's width, or `original`."""
    attempts: int = 0
    """Sizes that were tried."""
    seconds: float = 0.0
    """Of all of them."""
    cpu_seconds: float = 0.0
    peak_mb: float | None = None
    world_size: int = 1
    so_far: bool = False
    """All this is what had been told when the run was ended from outside."""
    steps: int = 0
    """Optimizer steps."""
    files: tuple[WrittenFile, ...] = ()
    """The largest that it left."""
    scores: tuple[MatchedScore, ...] = ()
    """Printed scores that are what was summed, in the order in which they were printed."""
    coverage: Coverage | None = None
    printed: tuple[str, ...] = ()
    """The last lines that it printed, as data."""
    doubts: tuple[str, ...] = ()
    """Why what was observed acquits of nothing; none where it may."""
    refused: str | None = None
    """Why nothing was run, and the remedy."""

    @classmethod
    def of(cls, run: CpuRunFacts) -> CpuRunSummary:
        """The run in short."""
        return cls(
            reached=run.reached,
            failure=run.failure,
            size=run.attempts[-1].rung or None if run.attempts else None,
            attempts=len(run.attempts),
            seconds=run.seconds,
            cpu_seconds=run.cpu_seconds,
            peak_mb=run.peak_mb,
            world_size=1 + len(run.others),
            so_far=run.so_far,
            steps=run.steps,
            files=run.files[:FILES_SHOWN],
            scores=run.scores[-SCORES_SHOWN:],
            coverage=run.coverage,
            printed=run.printed[-LINES_SHOWN:],
            doubts=run.doubts() if run.refused is None else (),
            refused=run.refused,
        )


class ReviewedSubmission(Frozen):
    """The review of one folder."""

    folder: str
    track: str | None
    origin: Origin
    author: str | None
    claimed: Claimed
    compliance: Compliance
    record: Record
    runs: tuple[ReviewedRun, ...] = ()
    findings: tuple[Finding, ...] = ()
    cpu_run: CpuRunSummary | None = None
    """How far it got when it was run on a CPU; None where that was not asked for."""
    fidelity: Fidelity | None = None
    """What of that run was not the real thing."""
    stages: tuple[Stage, ...] = ()
    not_examined: tuple[str, ...] = ()


class HarnessInfo(Frozen):
    """Which harness judged, from which observation, under which rules and policy."""

    version: str
    observed_by: str
    ruleset: str
    as_of: str
    policy: str
    depth: Depth


class Review(Frozen):
    """The root of `golf.review/1`."""

    schema_id: Literal["golf.review/1"] = Field(default=REVIEW_SCHEMA, alias="schema")
    harness: HarnessInfo
    target: Target
    compliance: Compliance
    hygiene: tuple[Finding, ...] = ()
    submissions: tuple[ReviewedSubmission, ...] = ()
    stages: tuple[Stage, ...] = ()
