"""Lines that hold one of many words, found without looking at every character twice."""

from __future__ import annotations

from collections.abc import Iterable

MAX_HITS = 20_000


def lines_holding(text: str, words: Iterable[str], limit: int = MAX_HITS) -> list[int]:
    """Numbers (from 1, ascending) of the lines of `text` that hold one of `words`; about `limit` of them at most."""
    places: set[int] = set()
    for word in words:
        place = text.find(word)
        while place >= 0 and len(places) < limit:
            places.add(place)
            end = text.find("\n", place)
            place = text.find(word, end) if end >= 0 else -1
    lines: list[int] = []
    line, at = 1, 0
    for place in sorted(places):
        line += text.count("\n", at, place)
        at = place
        if not lines or lines[-1] != line:
            lines.append(line)
    return lines
