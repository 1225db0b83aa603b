"""The local engine: a pool of processes, a window of jobs in flight, and a second chance after a crash."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from harness.sweep.index import IndexRow
from harness.sweep.job import Setup, run, start
from harness.sweep.plan import Key

ATTEMPTS = 2
_TASKS_PER_CHILD = 1_500
"""Workers are renewed now and then, so that no leak of a library grows with the sweep."""


def run_local(keys: Mapping[int, Key], setup: Setup, jobs: int) -> Iterator[IndexRow]:
    """Rows of all pull requests in `keys`, as they are finished. At most `2 * jobs` are in flight."""
    waiting = deque((pr, key, 1) for pr, key in keys.items())
    while waiting:
        flying: dict[Future[IndexRow], tuple[int, Key, int]] = {}
        with _pool(setup, jobs) as pool:
            try:
                while waiting or flying:
                    while waiting and len(flying) < 2 * jobs:
                        job = waiting.popleft()
                        flying[pool.submit(run, job[0], job[1])] = job
                    for future in wait(flying, return_when=FIRST_COMPLETED).done:
                        row = future.result()
                        del flying[future]
                        yield row
            except BrokenProcessPool:
                for pr, key, attempt in flying.values():
                    if attempt < ATTEMPTS:
                        waiting.append((pr, key, attempt + 1))
                    else:
                        yield IndexRow(
                            pr=pr, key=key.judged, error="the worker process died twice on this pull request"
                        )
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _pool(setup: Setup, jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        max_workers=jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start,
        initargs=(setup, os.getpid()),
        max_tasks_per_child=_TASKS_PER_CHILD,
    )
