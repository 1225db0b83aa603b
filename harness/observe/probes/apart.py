"""Does what is said in one document change the scores of another? Other tokens are put into an early one alone."""

from __future__ import annotations

from itertools import pairwise

from harness.observe.cpu_run.inputs.stream import Stream

OFF = range(9, 24)
"""Remainders by 32 of the end of the changed document: inside of any window, so that one looks over it."""
SEED = 2_003
"""Of the tokens that are put there."""


def early(stream: Stream) -> tuple[int, int] | None:
    """First and last token to be changed in an early document that ends inside of a window; its own first is kept.

    None for a single document.
    """
    starts = stream.starts.tolist()
    bounds = [(begin + 1, end - 1) for begin, end in pairwise(starts) if end - begin > 2]
    return next((one for one in bounds if (one[1] + 1) % 32 in OFF), bounds[0] if bounds else None)
