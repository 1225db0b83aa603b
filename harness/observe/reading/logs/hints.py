"""Patterns that are tried only on lines that hold a piece of text which they need: most lines hold few of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Hinted(Generic[T]):
    """Things with their hints: pieces of lower-case text, of which a line must hold one for the thing to be tried."""

    def __init__(self, things: Iterable[tuple[Sequence[str], T]]) -> None:
        pairs = list(things)
        self.things = [thing for _, thing in pairs]
        places: dict[str, list[int]] = {}
        for place, (hints, _) in enumerate(pairs):
            for hint in hints:
                places.setdefault(hint, []).append(place)
        # A line without "total" is not asked for "total_eval".
        shortest = [hint for hint in places if not any(other in hint for other in places if other != hint)]
        self._groups = [
            (short, [(hint, where) for hint, where in places.items() if _first(shortest, hint) == short])
            for short in shortest
        ]

    def on(self, low: str) -> list[T]:
        """Those to try on a line, given in lower case, in their order."""
        found = [
            place
            for short, hints in self._groups
            if short in low
            for hint, places in hints
            if hint in low
            for place in places
        ]
        return [self.things[place] for place in sorted(set(found))] if found else []


def _first(shortest: Iterable[str], hint: str) -> str:
    return next(short for short in shortest if short in hint)
