"""One pull request of a sweep, in a worker process that keeps its repository and its limited reader open."""

from __future__ import annotations

import ctypes
import datetime as dt
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.facts import facts_of, observer_failed, stored_facts
from harness.judge.judge import harness_errors, judge
from harness.model.base import Frozen
from harness.model.competition import DEFAULT_POLICY
from harness.model.facts import Facts
from harness.observe.intake.pull_request import read_pull_request
from harness.observe.intake.repository import Repository
from harness.observe.observe import facts_key
from harness.observe.reading.worker import Reader
from harness.store.store import Store, write_atomically
from harness.sweep.index import IndexRow, facts_found
from harness.sweep.plan import Key

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Setup:
    """What every worker of a sweep shares."""

    repository: Path
    store: Path
    output: Path
    base: str | None = None
    as_of: dt.date | None = None
    policy: str = DEFAULT_POLICY


class Observed(Frozen):
    """Where the facts of a pull request are in the store; kept under the key of all that they hang on."""

    facts: str


def observed_facts(key: Key, store: Store) -> Facts | None:
    """Facts of a pull request where they are in the store."""
    observed = store.get("observed", key.observed, Observed)
    return stored_facts(observed.facts, store) if observed is not None else None


class Worker:
    """State of one worker process."""

    def __init__(self, setup: Setup) -> None:
        """Open the store; repository and reader start with the first job that needs them."""
        self.setup = setup
        self.store = Store(setup.store)

    @cached_property
    def repository(self) -> Repository:
        """The repository that holds the pull requests."""
        return Repository(self.setup.repository)

    @cached_property
    def reader(self) -> Reader:
        """The limited reader."""
        return Reader()

    def facts(self, pr: int, key: Key) -> tuple[Facts, bool]:
        """Facts of one pull request, and whether nothing had to be read for them: neither git nor files."""
        facts = observed_facts(key, self.store)
        if facts is not None:
            return facts, True
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
            )
        except Exception:  # noqa: BLE001  one pull request must not end the sweep; the row carries the traceback
            seconds = round(time.perf_counter() - started, 4)
            return IndexRow(pr=pr, key=key.judged, seconds=seconds, error=traceback.format_exc(limit=-8)[-4_000:])


_worker: Worker | None = None


def start(setup: Setup, parent: int) -> None:
    """Initialise this process as a worker that dies with its parent, even when that is killed."""
    global _worker  # noqa: PLW0603  a process pool gives its workers no other place for state
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = Worker(setup)


def run(pr: int, key: Key) -> IndexRow:
    """Review one pull request in this worker."""
    if _worker is None:
        raise RuntimeError("the worker process was not started with `start`")
    return _worker.review(pr, key)
