"""Work on many items at once: in this process, or in several, each of which takes a chunk at a time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from typing import TypeVar

from harness.observe.collector import collector_held

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_chunks(
    work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], size: int, jobs: int
) -> Iterator[Result]:
    """Results of `work`, in the order of `items`, of which each call gets at most `size`. All of it can be pickled."""
    chunks = [items[at : at + size] for at in range(0, len(items), size)]
    quiet = partial(_quietly, work)
    if jobs == 1 or len(chunks) < 2:
        yield from chain.from_iterable(map(quiet, chunks))
    else:
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield from chain.from_iterable(pool.map(quiet, chunks))


def _quietly(work: Callable[[Sequence[Item]], list[Result]], chunk: Sequence[Item]) -> list[Result]:
    with collector_held():
        return work(chunk)
