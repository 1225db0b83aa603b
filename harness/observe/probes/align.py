"""Which token each score is of, where nothing followed it: told by where two runs part.

A program that scores the stream once, in order, gives the same scores up to the parting and others after it. If two
partings lie as far apart among the scores as they do in the stream, every score in between has its token, and so have
the others by counting on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.observe.cpu_run.rows import Rows

SLACK = 64
"""Tokens before the first score, or left out before it, up to which counting is believed."""


def parted(first: Rows, second: Rows) -> int | None:
    """Index of the first score that differs; None where all are the same, or where one run has more of them."""
    if len(first) != len(second):
        return None
    differs = np.flatnonzero(first["value"].view(np.int64) != second["value"].view(np.int64))
    return int(differs[0]) if len(differs) else None


def aligned(base: Rows, others: Sequence[tuple[int, Rows]]) -> Rows | None:
    """The scores with their tokens; `others` are those of runs on streams that part after a position.

    None where the partings do not agree: scores in another order, or scores that know later tokens. The last windows
    may score some tokens again, so a parting there need only agree roughly, and the last scores are left out.
    """
    shifts = set()
    for at, rows in others:
        index = parted(base, rows)
        if index is None and len(rows) == len(base) and at >= len(base) - 2 * SLACK:
            continue  # scored were only tokens before it
        if index is None or abs(at - index) > SLACK:
            return None
        if at < len(base) - 2 * SLACK:
            shifts.add(at - index)
    if len(others) < 2 or len(shifts) != 1:
        return None
    found = base[: max(0, len(base) - 2 * SLACK)].copy()
    found["at"] = np.arange(len(found)) + shifts.pop() + 1
    return found if len(found) and found["at"][0] >= 0 else None
