"""`golf.facts/1`: everything that was observed of a target. Judging adds nothing to it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from harness.model.accounting import AccountingFacts
from harness.model.actions import Action, Announcement, TechniqueFact
from harness.model.base import Fact, Frozen
from harness.model.cpu_run import CpuRunFacts
from harness.model.documents import DocumentFacts
from harness.model.launch import LaunchFacts, ModelShape
from harness.model.logs import LogFacts
from harness.model.metadata import MetadataFacts
from harness.model.order import OrderFacts
from harness.model.readme import ReadmeFacts
from harness.model.source import ScriptFacts
from harness.model.statements import Statement
from harness.model.target import DiffFacts, FolderEntry, Target
from harness.model.tokenizer import TokenizerFacts

FACTS_SCHEMA: Literal["golf.facts/1"] = "golf.facts/1"


class StageStatus(StrEnum):
    """How a stage of observation ended."""

    DONE = "done"
    PARTIAL = "partial"
    """Some files could not be read, which `Unreadable` names; or a run ended early for a reason of ours."""
    SKIPPED = "skipped"
    FAILED = "failed"
    """The submission made the stage fail (limit, crash of the limited reader)."""
    ERROR = "error"
    """The harness itself failed."""


class Stage(Frozen):
    """One stage of observation: what it cost and how it ended."""

    name: str
    status: StageStatus
    seconds: float = 0.0
    peak_mb: float | None = None
    reason: str | None = None


class Unreadable(Frozen):
    """A file that the limited reader could not finish, with the limit that ended it."""

    path: str
    reason: str


class SubmissionFacts(Frozen):
    """All facts of one submission folder; paths are relative to it."""

    folder: FolderEntry
    metadata: tuple[MetadataFacts, ...] = ()
    """submission.json first, then other files of the same kind."""
    readmes: tuple[ReadmeFacts, ...] = ()
    logs: tuple[LogFacts, ...] = ()
    scripts: tuple[ScriptFacts, ...] = ()
    launch: LaunchFacts | None = None
    models: tuple[ModelShape, ...] = ()
    """Models whose state_dict is taken first (the artifact is made of them), then the largest."""
    order: OrderFacts | None = None
    """What scores and what learns, in which order; None where no program could be followed."""
    accounting: AccountingFacts | None = None
    """What scores divide by and what calibrates the artifact; None where there is no script that parses."""
    documents: DocumentFacts | None = None
    """Where the launched script's model looks over document boundaries; None where its attention knows none."""
    tokenizers: tuple[TokenizerFacts, ...] = ()
    requirements: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    """What scripts do to the outside; those of the launched script first."""
    techniques: tuple[TechniqueFact, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    """What scripts print where they average their parameters, and which logs show it."""
    statements: tuple[Statement, ...] = ()
    unheld: tuple[Fact[str], ...] = ()
    """Names of logged settings that no text of the submission holds."""
    unreadable: tuple[Unreadable, ...] = ()
    cpu_run: CpuRunFacts | None = None
    """The run on a CPU; None where none was asked for."""
    stages: tuple[Stage, ...] = ()


class Facts(Frozen):
    """The root of `golf.facts/1`. `observed_by` is the digest of the observing code."""

    schema_id: Literal["golf.facts/1"] = Field(default=FACTS_SCHEMA, alias="schema")
    observed_by: str
    target: Target
    diff: DiffFacts | None = None
    submissions: tuple[SubmissionFacts, ...] = ()
    repeated: tuple[FolderEntry, ...] = ()
    """Folders that an earlier pull request already holds: listed, not read again."""
    stages: tuple[Stage, ...] = ()
