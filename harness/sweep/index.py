"""The index of a sweep: one row a pull request, kept as an append-only journal while it runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TextIO

from pydantic import Field, ValidationError

from harness.model.base import Frozen
from harness.model.cpu_run import CpuRunFacts, Fault, RunStage
from harness.model.facts import Facts
from harness.model.review import Depth, Review, Verdict
from harness.store.store import write_atomically

INDEX_SCHEMA: Literal["golf.index/1"] = "golf.index/1"
JOURNAL = "journal.jsonl"


class IndexRun(Frozen):
    """How far the run of one submission got. Seconds and memory are those of all sizes that were tried."""

    folder: str
    reached: tuple[RunStage, ...] = ()
    fault: Fault | None = None
    """With whom the failure lies that ended it; None where nothing did."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float | None = None

    @classmethod
    def of(cls, folder: str, run: CpuRunFacts) -> IndexRun:
        """The run in short."""
        return cls(
            folder=folder,
            reached=run.reached,
            fault=run.failure.fault if run.failure is not None else None,
            seconds=run.seconds,
            cpu_seconds=run.cpu_seconds,
            peak_mb=run.peak_mb,
        )


class IndexRow(Frozen):
    """One pull request. `error` tells of a failure of the harness; `has` names the facts that were found."""

    pr: int
    key: str
    sha: str | None = None
    verdict: Verdict | None = None
    rules: tuple[str, ...] = ()
    submissions: int = 0
    seconds: float = 0.0
    cached: bool = False
    error: str | None = None
    has: tuple[str, ...] = ()
    depth: Depth = Depth.STATIC
    runs: tuple[IndexRun, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether another sweep would find the same: neither the harness nor, maybe, the machine failed."""
        return self.error is None and all(run.fault not in {Fault.MACHINE, Fault.UNKNOWN} for run in self.runs)


class Index(Frozen):
    """`DIR/index.json`."""

    schema_id: Literal["golf.index/1"] = Field(default=INDEX_SCHEMA, alias="schema")
    repository: str
    observed_by: str
    ruleset: str
    seconds: float
    verdicts: dict[str, int]
    coverage: dict[str, int]
    errors: int
    depth: Depth = Depth.STATIC
    runs: int = 0
    """Submissions that were run."""
    reached: dict[str, int] = Field(default_factory=dict)
    """Submissions by every stage that their run went through."""
    faults: dict[str, int] = Field(default_factory=dict)
    """Submissions by whose failure ended their run."""
    rows: tuple[IndexRow, ...]

    @classmethod
    def of(
        cls,
        rows: Iterable[IndexRow],
        repository: str,
        observed_by: str,
        ruleset: str,
        seconds: float,
        depth: Depth = Depth.STATIC,
    ) -> Index:
        """Count the rows."""
        ordered = tuple(sorted(rows, key=lambda row: row.pr))
        verdicts = Counter(row.verdict.value for row in ordered if row.verdict is not None)
        coverage = Counter(fact for row in ordered for fact in row.has)
        runs = [run for row in ordered for run in row.runs]
        reached = Counter(stage for run in runs for stage in run.reached)
        faults = Counter(run.fault.value for run in runs if run.fault is not None)
        return cls(
            repository=repository,
            observed_by=observed_by,
            ruleset=ruleset,
            seconds=round(seconds, 2),
            verdicts=dict(verdicts.most_common()),
            coverage=dict(coverage.most_common()),
            errors=sum(row.error is not None for row in ordered),
            depth=depth,
            runs=len(runs),
            reached={stage.value: reached[stage] for stage in RunStage if stage in reached},
            faults=dict(faults.most_common()),
            rows=ordered,
        )

    def write(self, directory: Path) -> None:
        """Write `index.json` whole."""
        write_atomically(directory / "index.json", self.model_dump_json(indent=1).encode())


def facts_found(facts: Facts, review: Review) -> tuple[str, ...]:
    """Names of the kinds of fact that at least one submission of the target has."""
    found: set[str] = set()
    for submission in facts.submissions:
        found |= {
            name for name in ("metadata", "readmes", "logs", "scripts", "tokenizers") if getattr(submission, name)
        }
        found |= {"claimed_bpb" for m in submission.metadata if m.val_bpb is not None}
        found |= {"wrapped_script" for s in submission.scripts if s.layers}
        found |= {"model_shape" for m in submission.models if m.exact}
        runs = [run for log in submission.logs for run in log.runs]
        for name in (
            "final",
            "seed",
            "steps",
            "train_seconds",
            "eval_seconds",
            "bytes_total",
            "world_size",
            "gpu",
            "torch",
        ):
            if any(getattr(run, name) is not None for run in runs):
                found.add(f"log_{name}")
        if submission.launch is not None and submission.launch.script is not None:
            found |= {"launched_script"} | ({"dead_branches"} if submission.launch.branches else set())
    if any(submission.runs for submission in review.submissions):
        found.add("evidence_runs")
    if facts.submissions:
        found.add("submission")
    return tuple(sorted(found))


class Journal:
    """Rows as they are finished. A line cut by a kill is dropped when it is read again."""

    def __init__(self, directory: Path) -> None:
        """Open or create the journal of a sweep directory."""
        self.path = directory / JOURNAL
        self._stream: TextIO | None = None

    def rows(self) -> dict[int, IndexRow]:
        """The latest row of each pull request."""
        found: dict[int, IndexRow] = {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    row = IndexRow.model_validate(json.loads(line))
                except (ValueError, ValidationError):
                    continue
                found[row.pr] = row
        return found

    def add(self, row: IndexRow) -> None:
        """Append one row and hand it to the system at once."""
        if self._stream is None:
            cut = self.path.exists() and not self.path.read_bytes().endswith(b"\n") and self.path.stat().st_size > 0
            self._stream = self.path.open("a", encoding="utf-8")
            if cut:
                self._stream.write("\n")
        self._stream.write(row.model_dump_json() + "\n")
        self._stream.flush()

    def close(self) -> None:
        """End writing."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
