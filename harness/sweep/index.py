"""The index of a sweep: one row a pull request, kept as an append-only journal while it runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TextIO

from pydantic import Field, ValidationError

from harness.model.base import Frozen
from harness.model.facts import Facts
from harness.model.review import Review, Verdict
from harness.store.store import write_atomically

INDEX_SCHEMA: Literal["golf.index/1"] = "golf.index/1"
JOURNAL = "journal.jsonl"


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
    rows: tuple[IndexRow, ...]

    @classmethod
    def of(cls, rows: Iterable[IndexRow], repository: str, observed_by: str, ruleset: str, seconds: float) -> Index:
        """Count the rows."""
        ordered = tuple(sorted(rows, key=lambda row: row.pr))
        verdicts = Counter(row.verdict.value for row in ordered if row.verdict is not None)
        coverage = Counter(fact for row in ordered for fact in row.has)
        return cls(
            repository=repository,
            observed_by=observed_by,
            ruleset=ruleset,
            seconds=round(seconds, 2),
            verdicts=dict(verdicts.most_common()),
            coverage=dict(coverage.most_common()),
            errors=sum(row.error is not None for row in ordered),
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
