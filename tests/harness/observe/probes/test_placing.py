"""Scores without places get them where two runs part as far from each other as their streams do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.inputs import StreamKind, TokenizerKind
from harness.observe.cpu_run.inputs.stream import Stream, make_stream
from harness.observe.cpu_run.inputs.tokenizers import make_tokenizer
from harness.observe.cpu_run.rows import Rows, rows_of
from harness.observe.probes.placing import SLACK, Alignment, How, Layout, aligned, parted, placed

SIZE = 400
STREAM = make_stream(make_tokenizer(TokenizerKind.BPE, 512), StreamKind.NATURAL, (SIZE // 2,) * 2, 0)


def scores(parting: int | None = None, shift: int = 0, size: int = SIZE) -> Rows:
    """Scores of a run in order, at no known place; after a parting of the stream they are others.

    The first is that of token 1, or of `shift` tokens later.
    """
    values = np.arange(size, dtype=np.float64) / 7
    if parting is not None:
        values[max(0, parting - shift) :] += 0.5
    return rows_of(np.full(size, -1), values)


def by_bytes(stream: Stream, layout: Layout, first: int) -> Rows:
    """Scores of all bytes from a token on, each told by all the tokens up to its own."""
    sizes = np.diff(layout.begins(stream))
    known = np.cumsum(stream.tokens.astype(np.float64) * np.arange(1, SIZE + 1))
    values = np.repeat(known, sizes)[sizes[:first].sum() :]
    return rows_of(np.full(len(values), -1), np.sqrt(values + np.arange(len(values))))


@given(st.integers(0, 20), st.integers(30, 90), st.integers(100, 180))
def test_in_order(shift: int, first: int, second: int) -> None:
    """Every score has its token, whatever was left out before the first."""
    found = aligned(scores(), STREAM, [(at, scores(at, shift)) for at in (first, second)])
    assert found is not None
    assert found.layout is Layout.TOKENS
    rows = found.of(scores(), STREAM)
    assert rows is not None
    assert rows["at"].tolist() == list(range(1 + shift, SIZE - 2 * SLACK))


@pytest.mark.parametrize("layout", [Layout.TEXT, Layout.SURFACE, Layout.WORDS])
@pytest.mark.parametrize("first", [1, 9])
def test_byte_by_byte(layout: Layout, first: int) -> None:
    """Where every byte has a score of its own they have the tokens of those bytes, in every run those of its stream."""
    base = by_bytes(STREAM, layout, first)
    others = [(at, STREAM.diverged(at, 5)) for at in (40, 130)]
    found = aligned(base, STREAM, [(at, by_bytes(other, layout, first)) for at, other in others])
    assert found is not None
    for stream in (STREAM, *(other for _, other in others)):
        rows = found.of(by_bytes(stream, layout, first), stream)
        assert rows is not None
        sizes = np.diff(Layout.begins(layout, stream))
        expected = np.repeat(np.arange(SIZE), sizes)[sizes[:first].sum() :]
        assert rows["at"].tolist() == expected[: len(rows)].tolist()
        assert rows["at"][-1] > SIZE // 2
    assert found.of(base[:10], STREAM) is None, "too few of them"
    assert found.of(base[:-1], STREAM) is None, "a byte has no score: which one is not known"


def test_tail() -> None:
    """A parting among the last windows, which score tokens again, need not agree to the token."""
    others = [(50, scores(50)), (150, scores(150)), (390, scores(370))]
    found = aligned(scores(), STREAM, others)
    assert found is not None
    assert found.left_out == 1
    assert aligned(scores(), STREAM, [*others[:2], (390, scores(300))]) is None
    assert aligned(scores(), STREAM, [*others[:2], (390, scores())]) is not None, "no token after it was scored"


def test_not_in_order() -> None:
    """Nothing is placed where a score before the parting moved, where the run has another length, or nothing moved."""
    assert aligned(scores(), STREAM, [(50, scores(50)), (150, scores(20))]) is None
    assert aligned(scores(), STREAM, [(50, scores(50)), (150, scores(150, size=SIZE - 1))]) is None
    assert aligned(scores(), STREAM, [(50, scores(50)), (150, scores())]) is None
    assert aligned(scores(), STREAM, [(50, scores(50))]) is None, "one parting alone tells nothing"
    assert parted(scores(), scores()) is None


def test_how() -> None:
    """Scores that were followed stay as they are; if of some the token is not known these are left out; else partings
    tell, where they agree.
    """
    followed = scores()
    followed["at"] = np.arange(SIZE)
    rows, placing = placed(followed, STREAM, [])
    assert (rows is followed, placing.how, placing.of(rows, STREAM) is rows) == (True, How.FOLLOWED, True)
    assert placing.whole(rows)
    assert not placing.whole(scores())
    followed["at"][::3] = -1
    rows, placing = placed(followed, STREAM, [])
    assert (len(rows), placing.how) == (SIZE - len(followed[::3]), How.PARTLY)
    assert not placing.whole(followed)
    others = [(at, scores(at)) for at in (50, 150)]
    rows, placing = placed(scores(), STREAM, others)
    assert placing == type(placing)(How.BY_PARTING, Alignment(Layout.TOKENS, 1, SIZE - 2 * SLACK))
    assert placing.whole(None)
    none, unknown = placed(scores(), STREAM, [(at, None) for at in (50, 150)])
    assert (len(none), unknown.of(scores(), STREAM)) == (0, None)
