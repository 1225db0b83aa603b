"""Streams part in time where documents are scored in another order than theirs."""

from __future__ import annotations

import numpy as np
import pytest

from harness.model.inputs import StreamKind, TokenizerKind
from harness.observe.cpu_run.inputs.stream import make_stream
from harness.observe.cpu_run.inputs.tokenizers import make_tokenizer
from harness.observe.cpu_run.rows import Rows, rows_of
from harness.observe.probes.compare import rows_kept
from harness.observe.probes.later import SEED, moments

LENGTHS = (40, 90, 20, 60)
STREAM = make_stream(make_tokenizer(TokenizerKind.BYTE, 260), StreamKind.NATURAL, LENGTHS, 0)
CHUNK = 16


def shortest_first() -> Rows:
    """Documents scored in order of their length, chunk by chunk: each chunk is one call."""
    starts = rows_of(STREAM.starts[1:], np.ones(3))
    starts["when"] = 1
    parts = [starts]
    when = 1
    for document in np.argsort(LENGTHS):
        begin, end = int(STREAM.starts[document]), int(STREAM.starts[document]) + LENGTHS[document]
        for first in range(begin + 1, end, CHUNK):
            when += 1
            at = np.arange(first, min(first + CHUNK, end))
            part = rows_of(at, np.ones(len(at)))
            part["when"], part["source"] = when, at + 1
            parts.append(part)
    return np.concatenate(parts)


def test_moments() -> None:
    """What is changed was scored after all that is kept, documents' first tokens are kept, and what is foretold next of
    a changed token has no changed one before it.
    """
    rows = shortest_first()
    when = dict(zip(rows["at"].tolist(), rows["when"].tolist(), strict=True))
    found = moments(rows, STREAM)
    assert len(found) == 2
    for one in found:
        assert max(when[at] for at in one.before.tolist()) < min(when[at] for at in one.changed.tolist())
        assert not {*one.changed.tolist(), *one.before.tolist()} & set(STREAM.starts.tolist())
        assert len(one.next) == 1
        assert when[int(one.next[0])] == min(when[at] for at in one.changed.tolist())
        assert int(one.next[0]) - 1 not in one.changed
        other = STREAM.changed(one.changed, SEED)
        assert np.flatnonzero(other.tokens != STREAM.tokens).tolist() == one.changed.tolist()


def test_scored_again() -> None:
    """A token that was scored before the moment, too, is left as it is."""
    rows = shortest_first()
    again = rows[:CHUNK].copy()
    again["when"] = rows["when"].max()
    for one in moments(np.concatenate([rows, again]), STREAM):
        assert not set(one.changed.tolist()) & set(again["at"].tolist())
        assert not set(one.before.tolist()) & set(again["at"].tolist())


@pytest.mark.parametrize("when", [0, 7])
def test_no_moment(when: int) -> None:
    """Where it is not known when scores were taken, or all were taken at once, there is none."""
    rows = shortest_first()
    rows["when"] = when
    assert moments(rows, STREAM) == []
    assert moments(rows[:0], STREAM) == []


def test_rows_kept() -> None:
    """Rows are compared token by token; one that is not known, or lacks, tells nothing."""
    rows = shortest_first()
    positions = np.array([3, 132])
    assert rows_kept(rows, rows[::-1], positions) is True
    other = rows.copy()
    other["source"][other["at"] == 132] = 9
    assert rows_kept(rows, other, positions) is False
    other["source"][other["at"] == 132] = 0
    assert rows_kept(rows, other, positions) is None
    assert rows_kept(rows, rows[rows["at"] != 132], positions) is None
    assert rows_kept(rows, rows, positions[:0]) is None
