"""One pull request of a sweep, in a worker process that keeps its repository and its limited reader open."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from harness.judge.judge import harness_errors
from harness.model.facts import StageStatus
from harness.observe.intake.pull_request import read_pull_request
from harness.observe.intake.repository import Repository
from harness.observe.reading.worker import Reader
from harness.review import review_intake
from harness.store.store import Store, write_atomically
from harness.sweep.index import IndexRow, facts_found

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Setup:
    """What every worker of a sweep shares."""

    repository: Path
    store: Path
    output: Path
    base: str | None = None


class Worker:
    """State of one worker process."""

    def __init__(self, setup: Setup) -> None:
        """Open repository and store; the reader starts with the first job."""
        self.setup = setup
        self.repository = Repository(setup.repository)
        self.store = Store(setup.store)
        self.reader = Reader()

    def review(self, pr: int, key: str) -> IndexRow:
        """Review one pull request into `<output>/<pr>.json`. A failure of the harness becomes a row with `error`."""
        started = time.perf_counter()
        try:
            intake = read_pull_request(self.repository, pr, self.setup.base)
            done = review_intake(intake, self.repository, self.reader, self.store)
            data = done.review.model_dump_json().encode()
            write_atomically(self.setup.output / f"{pr}.json", data)
            errors = [finding.message for finding in harness_errors(done.review)]
            errors += [
                f"{stage.name}: {stage.reason}"
                for submission in done.facts.submissions
                for stage in submission.stages
                if stage.status is StageStatus.ERROR
            ]
            return IndexRow(
                pr=pr,
                key=key,
                sha=intake.target.sha,
                verdict=done.review.compliance.verdict,
                rules=done.review.compliance.rules,
                submissions=len(done.review.submissions),
                seconds=round(time.perf_counter() - started, 4),
                cached=done.cached,
                error=errors[0] if errors else None,
                has=facts_found(done.facts, done.review),
            )
        except Exception:  # noqa: BLE001  one pull request must not end the sweep; the row carries the traceback
            seconds = round(time.perf_counter() - started, 4)
            return IndexRow(pr=pr, key=key, seconds=seconds, error=traceback.format_exc(limit=-8)[-4_000:])


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


def run(pr: int, key: str) -> IndexRow:
    """Review one pull request in this worker."""
    if _worker is None:
        raise RuntimeError("the worker process was not started with `start`")
    return _worker.review(pr, key)
