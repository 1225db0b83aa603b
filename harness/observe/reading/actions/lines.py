"""Lines that hold one of many words, found without looking at every character twice."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable

MAX_HITS = 20_000


def lines_holding(text: str, words: Iterable[str], limit: int = MAX_HITS) -> list[int]:
    """Numbers (from 1, ascending) of the lines of `text` that hold one of `words`; about `limit` of them at most."""
    starts = list(itertools.accumulate((len(line) + 1 for line in text.split("\n")), initial=0))
    hits: set[int] = set()
    for word in words:
        place = text.find(word)
        while place >= 0 and len(hits) < limit:
            hits.add(bisect.bisect_right(starts, place))
            place = text.find(word, place + len(word))
    return sorted(hits)
