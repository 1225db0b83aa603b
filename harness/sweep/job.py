"""One pull request of a sweep, in a worker process that keeps open what is costly to start: its repository, its limited
reader and, where submissions are run, the next sandbox.
"""

from __future__ import annotations

import datetime as dt
import signal
import socket
import time
import traceback
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.util import Finalize
from pathlib import Path

from harness.facts import Runner, facts_of, observer_failed, stored_facts, with_runs
from harness.judge.judge import harness_errors, judge
from harness.model.base import Frozen
from harness.model.competition import DEFAULT_POLICY
from harness.model.facts import Facts
from harness.model.review import Depth
from harness.observe.confinement import die_with
from harness.observe.intake.pull_request import read_pull_request
from harness.observe.intake.repository import Repository
from harness.observe.moment import Moment, Show, silent
from harness.observe.observe import facts_key
from harness.observe.reading.worker import Reader
from harness.runner import open_runner
from harness.store.store import Store, write_atomically
from harness.sweep.doing import Teller
from harness.sweep.index import IndexRow, IndexRun, facts_found
from harness.sweep.plan import Key


@dataclass(frozen=True)
class Setup:
    """What every worker of a sweep shares."""

    repository: Path
    store: Path
    output: Path
    base: str | None = None
    as_of: dt.date | None = None
    policy: str = DEFAULT_POLICY
    depth: Depth = Depth.STATIC


class Observed(Frozen):
    """Where the facts of a pull request are in the store; kept under the key of all that they hang on."""

    facts: str


def observed_facts(key: Key, store: Store) -> Facts | None:
    """Facts of a pull request where they are in the store."""
    observed = store.get("observed", key.observed, Observed)
    return stored_facts(observed.facts, store) if observed is not None else None


class Worker:
    """State of one worker process."""

    def __init__(self, setup: Setup, show: Show = silent) -> None:
        """Open the store; repository, reader and runner start with the first job that needs them."""
        self.setup = setup
        self.store = Store(setup.store)
        self.show = show
        self._open = ExitStack()

    def close(self) -> None:
        """End what was started."""
        self._open.close()

    @cached_property
    def repository(self) -> Repository:
        """The repository that holds the pull requests."""
        return Repository(self.setup.repository)

    @cached_property
    def reader(self) -> Reader:
        """The limited reader."""
        return Reader()

    @cached_property
    def runner(self) -> Runner:
        """The runner, with the next sandbox started while one is at work."""
        return self._open.enter_context(open_runner(self.store, warm=True, depth=self.setup.depth))

    def facts(self, pr: int, key: Key) -> tuple[Facts, bool]:
        """Facts of one pull request, and whether nothing had to be read for them: neither git nor files."""
        facts, cached = self._read(pr, key)
        if self.setup.depth is not Depth.STATIC:
            facts = with_runs(facts, self.repository, self.runner, self.store, self.show)
        return facts, cached

    def _read(self, pr: int, key: Key) -> tuple[Facts, bool]:
        facts = observed_facts(key, self.store)
        if facts is not None:
            return facts, True
        self.show(Moment("reading"))
        intake = read_pull_request(self.repository, pr, self.setup.base)
        facts, cached = facts_of(intake, self.repository, self.reader, self.store)
        if not observer_failed(facts):
            self.store.put("observed", key.observed, Observed(facts=facts_key(intake)))
        return facts, cached

    def review(self, pr: int, key: Key) -> IndexRow:
        """Review one pull request into `<output>/<pr>.json`. A failure of the harness becomes a row with `error`."""
        started = time.perf_counter()
        try:
            facts, cached = self.facts(pr, key)
            review = judge(facts, self.setup.as_of, policy=self.setup.policy)
            write_atomically(self.setup.output / f"{pr}.json", review.model_dump_json().encode())
            errors = [finding.message for finding in harness_errors(review)]
            errors += [f"{stage.name}: {stage.reason}" for stage in observer_failed(facts)]
            runs = [(one.folder.path, one.cpu_run) for one in facts.submissions if one.cpu_run is not None]
            errors += [f"it could not be run: {run.refused}" for _, run in runs if run.refused is not None]
            return IndexRow(
                pr=pr,
                key=key.judged,
                sha=facts.target.sha,
                verdict=review.compliance.verdict,
                rules=review.compliance.rules,
                submissions=len(review.submissions),
                seconds=round(time.perf_counter() - started, 4),
                cached=cached,
                error=errors[0] if errors else None,
                has=facts_found(facts, review),
                depth=self.setup.depth,
                runs=tuple(IndexRun.of(folder, run) for folder, run in runs),
            )
        except Exception:  # noqa: BLE001  one pull request must not end the sweep; the row carries the traceback
            seconds = round(time.perf_counter() - started, 4)
            error = traceback.format_exc(limit=-8)[-4_000:]
            return IndexRow(pr=pr, key=key.judged, seconds=seconds, error=error, depth=self.setup.depth)


_worker: Worker | None = None
_teller: Teller | None = None


def start(setup: Setup, parent: int, end: socket.socket) -> None:
    """Initialise this process as a worker that dies with its parent, even when that is killed; `end` is where it tells
    what it is at.
    """
    global _worker, _teller  # noqa: PLW0603  a process pool gives its workers no other place for state
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _teller = Teller(end)
    _worker = Worker(setup, _teller.show)
    Finalize(None, _worker.close, exitpriority=1)  # what a process of a pool registers with atexit is never called


def run(pr: int, key: Key) -> IndexRow:
    """Review one pull request in this worker."""
    if _worker is None or _teller is None:
        raise RuntimeError("the worker process was not started with `start`")
    _teller.begin(pr)
    return _worker.review(pr, key)
