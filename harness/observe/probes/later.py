"""Where documents are not scored in the order of the stream: other tokens stand wherever a score was taken later.

A parting of the stream says nothing of a token that was scored after later ones: it may know them by right. Here the
parting is one in time. Every token that was scored after a moment is another one, and no score taken up to it may move.
That may convict of nothing: a token that is scored later may stand before another and be its context. But where nothing
moves, no score knew what came after it in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.observe.cpu_run.inputs.stream import Stream
from harness.observe.cpu_run.rows import Rows

SHARES = (0.3, 0.9)
"""Of the scores that were taken up to the moment."""
SEED = 3_001
"""Of the tokens that are put there."""


@dataclass(frozen=True)
class Instant:
    """A moment between two scores."""

    changed: NDArray[np.int64]
    """Tokens that were scored after it, in order; the first ones of documents are kept."""
    before: NDArray[np.int64]
    """Tokens that were scored up to it, each time that they were; but for documents' first ones, which are foretold
    from what stands before, whenever that is scored."""
    next: NDArray[np.int64]
    """Tokens among the changed that were scored first of all, with no changed one before them in their document: what
    is foretold of them knows none of the others."""


def moments(rows: Rows, stream: Stream) -> list[Instant]:
    """Instants after which enough was scored; none where it is not known when each score was taken."""
    rows = rows[(rows["at"] >= 0) & (rows["at"] < len(stream.tokens))]
    if not len(rows) or not (rows["when"] > 0).all():
        return []
    times = np.sort(rows["when"])
    found: dict[int, Instant] = {}
    for share in SHARES:
        last = int(times[int(share * (len(times) - 1))])
        if last < times[-1]:
            found[last] = _moment(rows, stream, last)
    return [one for one in found.values() if len(one.changed)]


def _moment(rows: Rows, stream: Stream, last: int) -> Instant:
    after, before = (np.unique(rows["at"][which]) for which in (rows["when"] > last, rows["when"] <= last))
    changed = np.setdiff1d(np.setdiff1d(after, before), stream.starts)
    following = rows["when"][rows["when"] > last].min()
    first = np.isin(changed, rows["at"][rows["when"] == following])
    document = np.searchsorted(stream.starts, changed, side="right")
    opens = np.ones(len(changed), np.bool_)
    opens[1:] = document[1:] != document[:-1]
    return Instant(changed, np.setdiff1d(np.setdiff1d(before, after), stream.starts), changed[first & opens])
