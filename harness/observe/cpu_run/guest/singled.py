"""Lists of numbers that a program took out of an array one by one, and makes an array of again.

What single numbers speak of is told by their values, which is not enough for a list: two may be the same. Here the
whole list is found again in the array that they came out of, in its order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.observe.cpu_run.guest import arrays
from harness.observe.cpu_run.guest.lanes import places_of
from harness.observe.cpu_run.guest.places import UNKNOWN, Positions

LISTERS = ("array", "asarray")
"""Functions of numpy that make arrays of lists."""
LEAST = 8
"""Numbers of a list that is looked for: fewer may be the same by chance."""


def follow_listed() -> None:
    """Arrays that are made of lists from now on are looked for; there is no way back."""
    for name in LISTERS:
        setattr(np, name, _finding(getattr(np, name)))


def _finding(original: Callable[..., Any]) -> Callable[..., Any]:
    def made(*args: Any, **keywords: Any) -> Any:
        out = original(*args, **keywords)
        if type(out) is not np.ndarray or out.ndim != 1 or out.dtype.kind != "f" or not args:
            return out
        at = _found_again(args[0]) if type(args[0]) is list else None
        return out if at is None else arrays.with_positions(out, at, {})

    made.__name__ = original.__name__
    made.__doc__ = original.__doc__
    return made


def _found_again(numbers: list[Any]) -> Positions | None:
    """Positions of numbers that were taken out of an array one by one, in its order, some of them left out. Where equal
    ones leave open which it was, it is not known.
    """
    if not LEAST <= len(numbers) <= arrays.MOST_MADE or any(type(one) is not float for one in numbers):
        return None
    for array in reversed(tuple(arrays.SINGLED)):
        known = arrays.positions_of(array)
        if known is None or known[1]:
            continue
        values = arrays.bare(array).tolist()
        first = _places(numbers, values)
        if first is not None:
            last = len(values) - 1 - np.flip(np.asarray(_places(numbers[::-1], values[::-1]), np.int64))
            at: Positions = np.where(first == last, places_of(known[0])[first], UNKNOWN)
            return at
    return None


def _places(numbers: list[float], values: list[float]) -> Positions | None:
    """Indices of numbers among values, in order, each the earliest that may be; None where one is not there."""
    left = enumerate(values)
    found = [next((index for index, one in left if one == number), None) for number in numbers]
    return None if None in found else np.asarray(found, np.int64)
