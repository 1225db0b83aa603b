"""The sums that a program adds up, and which elements went into each."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from harness.observe.cpu_run.guest.places import run_starts
from harness.observe.cpu_run.rows import Rows, in_a_row, negated, without

MAX_TOTALS = 2_000
"""Finished sums kept of one site."""
MAX_COVERED = 8
"""Last sums of a site whose elements are told."""
_KEPT = 128
"""Last sums of a site whose elements are kept: parts that a score is put together from in the end."""
_SAME = 1e-5
"""Relative difference that single precision leaves between a sum and what it was made of."""
MAX_ROWS = 1 << 20
"""Elements of one sum that are kept one by one; of those before, only how often each position was added."""


class Covered:
    """What one sum has added up: elements at positions of the validation stream, in order."""

    __slots__ = (
        "_by_bytes",
        "_earlier",
        "_length",
        "_rows",
        "_whole",
        "blind",
        "elsewhere",
        "end",
        "looked",
        "size",
        "untold",
    )

    def __init__(self, size: int) -> None:
        self.size = size
        self.end: float | None = None
        """What the sum came to; None while it is in progress."""
        self.elsewhere = self.untold = self.looked = self.blind = 0
        """Elements added that stand at no known place; additions of which no place is known; additions of which it is
        known at which token the program looked for them; additions of which not even the elements are known."""
        self._rows: list[Rows] = []
        self._by_bytes: list[bool] = []
        self._whole: Rows | None = None
        self._length = 0
        self._earlier: NDArray[np.int64] | None = None

    def add(
        self,
        rows: Rows | None,
        *,
        looked: bool = False,
        elements: Rows | None = None,
        by_bytes: bool = False,
    ) -> None:
        """These rows were added; `looked`: their positions are what was looked at before; `by_bytes`: each is a byte's.
        Where they are not known, `elements` are what was added, at no known place.
        """
        if rows is None:
            self.untold += 1
            self.blind += elements is None
            rows = elements
            if rows is None:
                return
        else:
            self.looked += looked
            self.elsewhere += int((rows["at"] < 0).sum())
        self._rows.append(rows)
        self._by_bytes.append(by_bytes)
        self._whole = None
        self._length += len(rows)
        if self._length > MAX_ROWS:
            self._earlier = self.times
            self._rows, self._by_bytes, self._length = [], [], 0

    @property
    def known(self) -> Rows | None:
        """All elements, where it is known of each which token it is of."""
        return None if self.untold or self.elsewhere or self.looked else self.rows

    @property
    def rows(self) -> Rows | None:
        """All elements in the order in which they were added; None where they were too many."""
        if self._earlier is not None:
            return None
        if self._whole is None:
            self._whole = in_a_row(self._rows)
        return self._whole

    @property
    def times(self) -> NDArray[np.int64]:
        """How often each position was added. A token whose bytes were added one after the other was added once."""
        parts = [
            rows["at"][run_starts(rows["at"])] if by_bytes else rows["at"]
            for rows, by_bytes in zip(self._rows, self._by_bytes, strict=True)
        ]
        at = np.concatenate(parts) if parts else np.empty(0, np.int64)
        times = np.bincount(at[at >= 0], minlength=self.size)
        return times if self._earlier is None else times + self._earlier


class Sum:
    """The sums that one site adds up: each begins anew when its variable is set back."""

    __slots__ = ("additions", "covered", "finished", "last", "sign")

    def __init__(self) -> None:
        self.additions = 0
        self.finished: list[float] = []
        self.last: float | None = None
        self.sign = 0
        """-1 where it falls, as a sum of logarithms of probabilities does: it is told as minus what it is."""
        self.covered: deque[Covered] = deque(maxlen=_KEPT)
        """Of the last sums, the one in progress last."""

    def add(self, value: float, added: float | None = None) -> bool:
        """The variable has this value after an addition (of `added`, if known); whether a new sum began with it.

        Sums of losses, tokens and bytes only grow, or only fall, and begin at 0; but a loss is below 0 where a program
        gives its token a probability above 1.
        """
        self.sign = self.sign or int(value > 0) - int(value < 0)
        if self.sign < 0:
            value, added = -value, None if added is None else -added
        goes_on = self.last is not None and added is not None and math.isclose(value, self.last + added, rel_tol=_SAME)
        begins = self.last is None or (value < self.last and not goes_on) or (value == added and self.last != 0)
        if begins and self.last is not None:
            if self.covered:
                self.covered[-1].end = self.last
            if len(self.finished) < MAX_TOTALS:
                self.finished.append(self.last)
        self.additions += 1
        self.last = value
        return begins

    def cover(
        self,
        rows: Rows | None,
        size: int,
        *,
        begins: bool,
        whole: bool,
        looked: bool = False,
        elements: Rows | None = None,
        by_bytes: bool = False,
    ) -> None:
        """These rows of a stream of `size` were added, or where `whole` they are the sum (see `Covered.add`)."""
        if begins or not self.covered:
            self.covered.append(Covered(size))
        elif whole or self.covered[-1].size != size:  # set anew, or the stream is known from now on
            self.covered[-1] = Covered(size)
        self.covered[-1].add(rows, looked=looked, elements=elements, by_bytes=by_bytes)

    def lessen(self, value: float, rows: Rows | None, size: int) -> None:
        """These rows were taken out of the sum in progress, which is `value` now."""
        known = self.covered[-1].known if self.covered else None
        left = without(known, rows) if known is not None and rows is not None else None
        self.last = value
        if self.covered:
            self.covered[-1] = Covered(size)
            self.covered[-1].add(left)

    def of(self, value: float) -> Rows | None:
        """The elements of the sum that is `value` or minus that, the latest first; None where not all are known."""
        if self.last is None:
            return None
        for one in reversed(self.covered):
            end = self.last if one.end is None else one.end
            if abs(value) == abs(end):
                rows = one.known
                return negated(rows) if rows is not None and value != end else rows
        return None

    @property
    def told(self) -> list[Covered]:
        """The last sums, the one in progress first."""
        return list(self.covered)[: -MAX_COVERED - 1 : -1]

    def totals(self) -> list[float]:
        """Ends of all sums, the one in progress too."""
        return self.finished if self.last is None else [*self.finished, self.last]
