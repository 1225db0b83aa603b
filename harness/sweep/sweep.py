"""`golf sweep`: plan, run what is not done yet, and write the index."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.judge.rulebook import ruleset_digest
from harness.model.competition import DEFAULT_POLICY
from harness.model.review import Depth
from harness.observe.digest import observer_digest, run_digest
from harness.observe.intake.repository import Repository
from harness.runner import refusal
from harness.sweep.doing import Doing
from harness.sweep.index import Index, IndexRow, Journal
from harness.sweep.job import Setup
from harness.sweep.local import run_local
from harness.sweep.plan import Key, PlanError, job_keys, parse_prs


@dataclass(frozen=True)
class Sweep:
    """A planned sweep: keys of all pull requests, and the rows that an earlier sweep left and that still hold."""

    setup: Setup
    keys: dict[int, Key]
    done: dict[int, IndexRow]

    @property
    def left(self) -> dict[int, Key]:
        """Keys of the pull requests that must be reviewed."""
        return {pr: key for pr, key in self.keys.items() if pr not in self.done}


def plan_sweep(
    repository: Path,
    prs: str,
    output: Path,
    store: Path,
    base: str | None = None,
    as_of: dt.date | None = None,
    policy: str = DEFAULT_POLICY,
    depth: Depth = Depth.STATIC,
) -> Sweep:
    """Read the refs and the journal. Raises PlanError or RepositoryError for what does not exist.

    Every pull request is judged as of `as_of` (default: the date of its head) under the record policy `policy`.
    PlanError also where `depth` asks for runs and this machine can run nothing, and where `output` holds a sweep of
    another depth, which would be written over.
    """
    if depth is not Depth.STATIC and (reason := refusal()) is not None:
        raise PlanError(f"nothing can be run on this machine: {reason}; or sweep at depth static")
    source = Repository(repository)
    heads = source.pull_requests
    numbers = parse_prs(prs, heads)
    base_sha = source.resolve(base or source.base_branch)
    setup = Setup(repository.resolve(), store, output.resolve(), base, as_of, policy, depth)
    observing = f"{setup.repository} {observer_digest()}"
    judging = f"{ruleset_digest()} {as_of} {policy}"
    if depth is not Depth.STATIC:
        judging += f" {depth} {run_digest()}"
    keys = job_keys(numbers, heads, base_sha, observing, judging)
    source.close()
    rows = Journal(output).rows()
    if other := {row.depth for row in rows.values()} - {depth}:
        raise PlanError(
            f"--output {output} holds a sweep at depth {other.pop()}; give one at depth {depth} another folder"
        )
    output.mkdir(parents=True, exist_ok=True)
    done = {
        pr: rows[pr]
        for pr, key in keys.items()
        if pr in rows and rows[pr].key == key.judged and rows[pr].settled and (output / f"{pr}.json").exists()
    }
    return Sweep(setup, keys, done)


def run_sweep(
    sweep: Sweep, jobs: int, report: Callable[[IndexRow], None], doing: Callable[[Doing], None] = lambda _: None
) -> Index:
    """Review what is left, and write `index.json`. `report` is told of every finished row, `doing` of the workers."""
    started = time.perf_counter()
    rows = dict(sweep.done)
    journal = Journal(sweep.setup.output)
    try:
        for row in run_local(sweep.left, sweep.setup, jobs, doing):
            journal.add(row)
            rows[row.pr] = row
            report(row)
    finally:
        journal.close()
    seconds = time.perf_counter() - started
    repository, depth = str(sweep.setup.repository), sweep.setup.depth
    index = Index.of(rows.values(), repository, observer_digest(), ruleset_digest(), seconds, depth)
    index.write(sweep.setup.output)
    return index
