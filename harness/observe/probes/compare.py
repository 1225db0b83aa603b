"""What differs between the scores of two runs whose streams are equal up to a position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.observe.cpu_run.rows import Rows


@dataclass(frozen=True)
class Compared:
    """Scores of the tokens up to a position, those of each token in the order in which they were added."""

    rows: int
    """How many there are, in the run that has more."""
    late: int
    """Tokens that are left out because they were scored after one that differs."""
    moved: NDArray[np.int64]
    """Positions of those that differ, each as often as it does, in order."""
    before: NDArray[np.float64]
    """Their values in the first run; NaN where it has none."""
    after: NDArray[np.float64]


def compared(first: Rows, second: Rows, position: int, *, parting: int | None = None, whole: bool = True) -> Compared:
    """Scores up to and including `position`. What was scored more often in one run than in the other has moved; where
    not the `whole` of both is known it is left out.

    Tokens after the `parting` are others. What was scored after one of them may know it by right, as where documents
    are scored in order of their length: it is left out, too.
    """
    late = first["at"][~in_time(first, parting)] if parting is not None else first["at"][:0]
    first, second = (one[(one["at"] >= 0) & (one["at"] <= position)] for one in (first, second))
    if len(late):
        first, second = (one[~np.isin(one["at"], late)] for one in (first, second))
    if not whole:
        first, second = _as_often(first, second)
    ours, theirs = _numbered(first), _numbered(second)
    places = np.union1d(ours["place"], theirs["place"])
    before, after = (_values(one, places) for one in (ours, theirs))
    same = before.view(np.int64) == after.view(np.int64)  # to the last bit, NaN among them
    return Compared(
        len(places), len(np.unique(late[late <= position])), places["at"][~same], before[~same], after[~same]
    )


def in_time(rows: Rows, parting: int) -> NDArray[np.bool_]:
    """Which scores were taken before, or together with, the first of a token after the parting.

    The order is that in which they were taken, where that is known of all; else that in which they were added.
    """
    later = rows["at"] > parting
    if not later.any():
        return np.ones(len(rows), bool)
    order = rows["when"] if (rows["when"] > 0).all() else np.arange(len(rows))
    found: NDArray[np.bool_] = order <= order[later].min()
    return found


def row_kept(first: Rows, second: Rows, position: int) -> bool | None:
    """Whether both runs took the scores of the token at `position` out of the same rows; None where one is unknown, or
    was taken after that of a later token.
    """
    if not in_time(first, position - 1)[first["at"] == position].all():
        return None
    return rows_kept(first, second, np.array([position]))


def rows_kept(first: Rows, second: Rows, positions: NDArray[np.int64]) -> bool | None:
    """Whether the scores of these tokens were taken out of the same rows in both runs; None where none is known."""
    ours, theirs = (one[np.isin(one["at"], positions)] for one in (first, second))
    if not len(ours) or len(ours) != len(theirs) or not ours["source"].all() or not theirs["source"].all():
        return None
    ours, theirs = (one[np.argsort(one["at"], kind="stable")] for one in (ours, theirs))
    return bool(np.array_equal(ours["source"], theirs["source"]))


def _as_often(first: Rows, second: Rows) -> tuple[Rows, Rows]:
    """The scores of those tokens that have as many in one run as in the other."""
    counts = [dict(zip(*np.unique(one["at"], return_counts=True), strict=True)) for one in (first, second)]
    same = [at for at, times in counts[0].items() if counts[1].get(at) == times]
    return first[np.isin(first["at"], same)], second[np.isin(second["at"], same)]


_PLACE = np.dtype([("at", np.int64), ("turn", np.int64)])
_PLACED = np.dtype([("place", _PLACE), ("value", np.float64)])


def _numbered(rows: Rows) -> NDArray[np.void]:
    """Rows by token, and for each token its first, second ... score."""
    ordered = rows[np.argsort(rows["at"], kind="stable")]
    found = np.empty(len(ordered), _PLACED)
    _, starts, counts = np.unique(ordered["at"], return_index=True, return_counts=True)
    found["place"]["at"] = ordered["at"]
    found["place"]["turn"] = np.arange(len(ordered)) - np.repeat(starts, counts)
    found["value"] = ordered["value"]
    return found


def _values(rows: NDArray[np.void], places: NDArray[np.void]) -> NDArray[np.float64]:
    """The value at each place, NaN where there is none."""
    values = np.full(len(places), np.nan)
    values[np.searchsorted(places, rows["place"])] = rows["value"]
    return values
