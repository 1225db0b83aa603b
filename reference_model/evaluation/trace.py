"""What an evaluation did, in order: for people and tests. (The harness never takes a program's own word for it.)"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What happened."""

    SCORE = "score"
    """Positions `first` to `last` were added to the score."""
    UPDATE = "update"
    """Weights learned from positions `first` to `last`."""
    RESET = "reset"
    """Everything learned was forgotten."""


class Event(NamedTuple):
    """One event of one learner: adapters of different documents learn apart."""

    kind: Kind
    learner: int
    first: int
    last: int


def violations(events: Iterable[Event]) -> list[Event]:
    """Updates from positions that were not scored before, and scores of positions that were scored already."""
    scored: set[int] = set()
    found = []
    for event in events:
        positions = set(range(event.first, event.last + 1))
        if event.kind is Kind.SCORE:
            if positions & scored:
                found.append(event)
            scored |= positions
        elif event.kind is Kind.UPDATE and positions - scored:
            found.append(event)
    return found
