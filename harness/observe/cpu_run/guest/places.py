"""Where a stretch of tokens stands in the validation stream, told by its content."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
"""Indices into the validation stream, from 0; or one of the two below."""
UNKNOWN, NOTHING = -1, -2
"""What stands at no known place, and what adds nothing to a sum (masked out)."""
GRAM = 8
"""Tokens by which a stretch is looked up; a shorter one is not placed."""


_BY_BYTES = 0.9
"""Share of the tokens of which that must be so."""


def run_starts(at: Positions) -> Positions:
    """Indices at which another position begins than the one before."""
    return np.flatnonzero(np.concatenate([[True], at[1:] != at[:-1]])) if len(at) else np.empty(0, np.int64)


class Places:
    """An index of one stream of 16-bit values: its tokens, or the bytes that each of them stands for."""

    def __init__(self, *streams: NDArray[np.uint16]) -> None:
        """`streams` have an entry a position each, and all the same length."""
        self.size = len(streams[0])
        self.tokens = streams[0]
        self._streams = [np.ascontiguousarray(stream, np.uint16) for stream in streams]
        self._starts: list[defaultdict[bytes, list[int]]] = []
        for stream in self._streams:
            starts: defaultdict[bytes, list[int]] = defaultdict(list)
            for start in range(len(stream) - GRAM + 1):
                starts[stream[start : start + GRAM].tobytes()].append(start)
            self._starts.append(starts)

    def by_bytes(self, at: Positions) -> bool:
        """Whether positions follow upon themselves as often as their tokens have bytes: they were scored byte by byte.

        A space that begins a document may be one more.
        """
        begins = run_starts(at)
        lengths = np.diff([*begins, len(at)])
        tokens = at[begins]
        if len(self._streams) < 2 or not len(at) or (tokens < 0).any() or lengths.max() < 2:
            return False
        more = lengths - self._streams[1][tokens].astype(np.int64)
        return bool(((more == 0) | (more == 1)).mean() >= _BY_BYTES)

    def of(self, values: NDArray[Any]) -> Positions | None:
        """Position of each value where the values, or all rows of them, are stretches of the stream; else None.

        A stretch that stands in several places is not placed. Values that hold the whole stream and more are placed
        where the stream is.
        """
        if values.ndim == 0 or values.shape[-1] < GRAM or values.dtype.kind not in "iu":
            return None
        if values.ndim > 1:
            rows = []
            for row in values:
                found = self.of(row)
                if found is None:  # most tensors end here, at their first row
                    return None
                rows.append(found)
            return np.stack(rows) if rows else None
        for stream, starts in zip(self._streams, self._starts, strict=True):
            found = self._in(values, stream, starts)
            if found is not None:
                return found
        return None

    def _in(
        self, values: NDArray[Any], stream: NDArray[np.uint16], starts: defaultdict[bytes, list[int]]
    ) -> Positions | None:
        first = starts.get(_sixteen(values[:GRAM]).tobytes(), ())
        length = len(values)
        places = [at for at in first if at + length <= self.size and np.array_equal(stream[at : at + length], values)]
        if len(places) == 1:
            return np.arange(places[0], places[0] + length)
        if places or length <= self.size:
            return None
        return self._around(values, stream)

    def _around(self, values: NDArray[Any], stream: NDArray[np.uint16]) -> Positions | None:
        """Positions where the values hold the whole stream once, after a header or between other shards."""
        data, wanted = _sixteen(values).tobytes(), stream.tobytes()
        at = data.find(wanted)
        if at < 0 or at % 2 or data.find(wanted, at + 1) >= 0:
            return None
        found = np.full(len(values), UNKNOWN, np.int64)
        found[at // 2 : at // 2 + self.size] = np.arange(self.size)
        return found if np.array_equal(values[found >= 0], stream) else None


def _sixteen(values: NDArray[Any]) -> NDArray[np.uint16]:
    return np.ascontiguousarray(values).astype(np.uint16)


def spans(times: NDArray[np.integer[Any]]) -> list[tuple[int, int, int]]:
    """Runs of equal counts: (first, last, times), those of 0 left out."""
    if not len(times):
        return []
    ends = np.flatnonzero(np.diff(times)).tolist()
    return [
        (first, last, int(times[first]))
        for first, last in zip([0, *(end + 1 for end in ends)], [*ends, len(times) - 1], strict=True)
        if times[first]
    ]
