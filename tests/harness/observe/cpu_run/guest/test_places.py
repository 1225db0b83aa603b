"""Stretches of the validation stream are told by their content, and others are not."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.observe.cpu_run.guest.places import GRAM, UNKNOWN, Places, spans

STREAM = np.random.default_rng(0).integers(0, 1_000, 400).astype(np.uint16)
PLACES = Places(STREAM)


@given(st.integers(0, 400 - GRAM), st.integers(GRAM, 400), st.sampled_from([np.uint16, np.int32, np.int64]))
def test_stretches(start: int, length: int, kind: type) -> None:
    """Any stretch is found where it is, whatever its type."""
    values = STREAM[start : start + length].astype(kind)
    found = PLACES.of(values)
    assert found is not None
    assert found.tolist() == list(range(start, start + len(values)))


def test_what_is_none() -> None:
    """What is too short, changed, of another stream or of no integers is not placed."""
    changed = STREAM[:50].copy()
    changed[30] += 1
    for values in (STREAM[: GRAM - 1], changed, STREAM[:50][::-1], STREAM[:50].astype(np.float32), np.array(3),
                   STREAM[:50].astype(np.int64) + (1 << 16)):  # fmt: skip
        assert PLACES.of(np.asarray(values)) is None


def test_ambiguous() -> None:
    """What stands in two places is not placed."""
    twice = Places(np.concatenate((STREAM, STREAM)))
    assert twice.of(STREAM[:100]) is None
    assert twice.of(np.concatenate((STREAM[-20:], STREAM[:20]))) is not None


def test_around() -> None:
    """The stream after a header, and rows of it, are placed; the header stands nowhere."""
    header = np.full(10, 9, np.uint16)
    found = PLACES.of(np.concatenate((header, STREAM)))
    assert found is not None
    assert found[:10].tolist() == [UNKNOWN] * 10
    assert found[10:].tolist() == list(range(400))
    rows = PLACES.of(STREAM[:60].reshape(3, 20))
    assert rows is not None
    assert rows[2].tolist() == list(range(40, 60))


def test_bytes_of_tokens() -> None:
    """A second stream of the same positions is told as well."""
    sizes = np.random.default_rng(1).integers(0, 9, 400).astype(np.uint16)
    found = Places(STREAM, sizes).of(sizes[100:200])
    assert found is not None
    assert found[0] == 100


@given(st.lists(st.integers(0, 3), max_size=40))
def test_spans(times: list[int]) -> None:
    """Runs of counts give the counts again."""
    again = [0] * len(times)
    for first, last, count in spans(np.array(times, np.int64)):
        assert count
        again[first : last + 1] = [count] * (last + 1 - first)
    assert again == times
