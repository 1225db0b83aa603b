"""Tokens are put in one place until their probabilities sum to more than 1, or cannot any more."""

from __future__ import annotations

import math

import numpy as np

from harness.model.inputs import StreamKind, TokenizerKind
from harness.observe.cpu_run.inputs.stream import Stream, document_lengths, make_stream
from harness.observe.cpu_run.inputs.tokenizers import make_tokenizer
from harness.observe.cpu_run.rows import Rows, rows_of
from harness.observe.probes.swap import LEAST, MOST, candidates, places, swaps

SIZE = 600
STREAM = make_stream(make_tokenizer(TokenizerKind.BYTE, 260), StreamKind.NATURAL, document_lengths(SIZE, (97, 65)), 0)


def rows(chance: float, source: int = 0) -> Rows:
    """A run that gives every token this probability."""
    found = rows_of(np.arange(1, SIZE), np.full(SIZE - 1, -math.log(chance)))
    found["source"] = source
    return found


def tried(chance: float) -> tuple[list[float], int]:
    """Sums that come out, and how many runs were made."""
    runs = 0

    def values(stream: Stream) -> Rows:
        nonlocal runs
        runs += 1
        changed = np.flatnonzero(stream.tokens != STREAM.tokens)
        assert len(changed) == 1, "one token at a time"
        return rows(chance)

    return [one.total for one in swaps(STREAM, rows(chance), values)], runs


def test_more_than_one() -> None:
    """What is asked for the realised token alone may give all of them a lot: the first place that shows it ends it."""
    totals, runs = tried(0.4)
    assert len(totals) == 1
    assert totals[0] > 1
    assert runs == 2
    totals, runs = tried(0.09)
    assert totals[0] > 1, "twelve others are tried where that may lead above 1"
    assert runs <= MOST


def test_less_than_one() -> None:
    """Where a sum above 1 is out of reach, no more is tried than the least."""
    totals, runs = tried(0.01)
    assert len(totals) == 3
    assert max(totals) < 1
    assert runs == 3 * LEAST


def test_places_and_candidates() -> None:
    """Places are those of mixed scores and no starts of documents; candidates are other tokens of the text."""
    assert places(STREAM, rows(0.5, source=7)) == []
    starts = set(STREAM.starts.tolist())
    for position in places(STREAM, rows(0.5)):
        assert position not in starts
        others = candidates(STREAM, position)
        assert len(set(others)) == MOST
        assert int(STREAM.tokens[position]) not in others
