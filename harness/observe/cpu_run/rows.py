"""Elements that went into a sum: position in the validation stream, value, and the row of scores it came from.

Guest and host share the form; between them it is base64 of the bytes of an array.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROW = np.dtype([
    ("at", "<i8"), ("value", "<f8"), ("source", "<u8"), ("total", "<f8"), ("mixed", "?"), ("asked", "<f8"),
    ("when", "<i8"),
])  # fmt: skip
Rows = NDArray[np.void]
"""An array of `ROW`: index of the token, what was added for it, a checksum of the scores over the vocabulary that it
was taken from (0: not known, or no distribution), what the probabilities of that row sum to (0: not known), whether
that row is what the program would have computed for every token, not one that it held (see `guest.lanes`), and what it
has for the token that was asked for at this place (0: none was); and when it was taken, by counting what takes losses
out of rows (0: not known)."""


def rows_of(at: NDArray[np.int64], values: NDArray[Any]) -> Rows:
    """Elements by their positions and values, both of one length; nothing is known of where they come from."""
    rows = np.zeros(len(at), ROW)
    rows["at"], rows["value"] = at, values
    return rows


def in_a_row(parts: Sequence[Rows]) -> Rows:
    """All elements of several. (numpy's own `concatenate` compares the fields of each part: it is slow for many.)"""
    found, done = np.empty(sum(map(len, parts)), ROW), 0
    for one in parts:
        found[done : done + len(one)] = one
        done += len(one)
    return found


def negated(rows: Rows) -> Rows:
    """The same elements with the other sign."""
    return scaled(rows, -1.0)


def without(rows: Rows, taken: Rows) -> Rows | None:
    """The elements but for those of `taken`, each as often as it is there; None where one of these is missing."""
    left = Counter((int(one["at"]), float(one["value"])) for one in taken)
    kept = np.ones(len(rows), np.bool_)
    for index, one in enumerate(rows):
        key = int(one["at"]), float(one["value"])
        if left[key]:
            left[key] -= 1
            kept[index] = False
    return None if left.total() else rows[kept]


def scaled(rows: Rows, factor: float) -> Rows:
    """The same elements in another unit."""
    found = rows.copy()
    found["value"], found["asked"] = factor * found["value"], factor * found["asked"]
    return found


def packed(rows: Rows) -> str:
    """As text."""
    return base64.b64encode(np.ascontiguousarray(rows).tobytes()).decode()


def unpacked(text: str) -> Rows | None:
    """The rows in a text; None where it holds none."""
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), ROW)
    except (ValueError, binascii.Error):
        return None
