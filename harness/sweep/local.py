"""The local engine: a pool of processes, a window of jobs in flight, and a second chance after a crash."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from harness.sweep.doing import Doing, Listener
from harness.sweep.index import IndexRow
from harness.sweep.job import Setup, run, start
from harness.sweep.plan import Key

ATTEMPTS = 2
_TASKS_PER_CHILD = 1_500
"""Workers are renewed now and then, so that no leak of a library grows with the sweep."""
_LISTEN_SECONDS = 0.25


def run_local(
    keys: Mapping[int, Key], setup: Setup, jobs: int, doing: Callable[[Doing], None] = lambda _: None
) -> Iterator[IndexRow]:
    """Rows of all pull requests in `keys`, as they are finished. At most `2 * jobs` are in flight.

    `doing` is told what the workers are at.
    """
    waiting = deque((pr, key, 1) for pr, key in keys.items())
    others = set(multiprocessing.active_children())
    while waiting:
        flying: dict[Future[IndexRow], tuple[int, Key, int]] = {}
        with Listener() as listener, _pool(setup, jobs, listener.theirs) as pool:
            try:
                while waiting or flying:
                    while waiting and len(flying) < 2 * jobs:
                        job = waiting.popleft()
                        flying[pool.submit(run, job[0], job[1])] = job
                    done = wait(flying, _LISTEN_SECONDS, FIRST_COMPLETED).done
                    for one in listener.heard():
                        doing(one)
                    for future in done:
                        row = future.result()
                        del flying[future]
                        yield row
            except BrokenProcessPool:
                for pr, key, attempt in flying.values():
                    if attempt < ATTEMPTS:
                        waiting.append((pr, key, attempt + 1))
                    else:
                        yield IndexRow(
                            pr=pr,
                            key=key.judged,
                            error="the worker process died twice on this pull request",
                            depth=setup.depth,
                        )
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                # A run lasts minutes, and nobody waits for it any more. Sandboxes die with their worker.
                for worker in set(multiprocessing.active_children()) - others:
                    worker.kill()
                raise


def _pool(setup: Setup, jobs: int, end: socket.socket) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        max_workers=jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start,
        initargs=(setup, os.getpid(), end),
        max_tasks_per_child=_TASKS_PER_CHILD,
    )
