"""Positions survive what numpy does, and nothing of numpy changes."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from tests_support.positions import STREAM

from harness.observe.cpu_run.guest import positioned
from harness.observe.cpu_run.guest.places import UNKNOWN
from harness.observe.cpu_run.guest.positions import Tracker


def test_numpy(tracked: Tracker) -> None:
    """Losses that go through numpy are known there, as arrays, sums and numbers."""
    loss = torch.from_numpy(STREAM[:40].astype(np.int64)).double() + 0.25
    array = loss.cpu().numpy()
    assert isinstance(array, np.ndarray)
    assert type(np.asarray(array)) is np.ndarray
    total = (array[4:20] * (np.arange(16) % 2)).sum()
    assert tracked.rows(total) is not None
    assert tracked.rows(total)["at"].tolist() == list(range(5, 20, 2))  # type: ignore[union-attr]
    assert tracked.rows(array[2:5].mean())["at"].tolist() == [2, 3, 4]  # type: ignore[union-attr]
    assert tracked.rows(np.concatenate([array[:3], array[9:11]]))["at"].tolist() == [0, 1, 2, 9, 10]  # type: ignore[union-attr]
    assert positioned.rows(torch.from_numpy(array[3:30].astype(np.float32)))["at"].tolist() == list(range(3, 30))
    assert float(array.astype(np.float64).reshape(4, 10).sum(axis=1)[2]) == float(np.asarray(array)[20:30].sum())
    with pytest.raises(IndexError):
        array[99]


def test_arrays_that_are_changed(tracked: Tracker) -> None:
    """What is sorted, filled or written over in place is no longer known, and is what numpy makes of it."""
    for change in (
        lambda a: a.sort(), lambda a: a.fill(3), lambda a: np.copyto(a, 1), lambda a: a.put([0], 5),
        lambda a: a.partition(4), lambda a: np.put(a, [1], 2), lambda a: np.cumsum(a, out=a),
        lambda a: np.add.at(a, [2, 3], 7),
    ):  # fmt: skip
        array = torch.from_numpy(STREAM[:40].astype(np.int64)).numpy().copy()
        plain = np.asarray(array).copy()
        change(array)
        change(plain)
        assert tracked.rows(array[:10]) is None
        assert np.array_equal(np.asarray(array), plain)
    array = torch.from_numpy(STREAM[:40].astype(np.int64)).double().numpy()
    array[3:5] = array[7:9]
    array[0] = 0.5
    assert tracked.rows(array[:6])["at"].tolist() == [0, 1, 2, 7, 8, 5]  # type: ignore[union-attr]


def test_mixtures(tracked: Tracker) -> None:
    """What a mixer does to losses in numpy, in buffers of its own, in place and by weights, speaks of their tokens."""
    loss = (torch.from_numpy(STREAM[:40].astype(np.int64)).double() / 500 + 0.25).numpy()
    own = np.exp(-loss)
    table = np.linspace(0.1, 0.9, 40)
    mixed = own.copy()
    mixed[table > 0.5] = 0.5 * own[table > 0.5] + 0.5 * table[table > 0.5]
    mixed *= 0.9
    mixed += 0.1 * table
    kept = np.zeros(50)
    kept[5:45] = -np.log(np.clip(mixed, 1e-9, 1.0))
    part = kept[10:20]
    part[:3] = np.where(table[:3] > 0.11, own[5:8], 0.5)
    shares = np.stack([own, table, table], axis=1) * np.array([0.5, 0.25, 0.25])
    for values, expected in (
        (kept[13:40], range(8, 35)), (np.where(table > 0.5, own, table)[35:], range(35, 40)),
        (np.nan_to_num(own).reshape(4, 10).ravel()[3:9], range(3, 9)), (shares.sum(axis=1)[7:30], range(7, 30)),
    ):  # fmt: skip
        rows = tracked.rows(values)
        assert rows is not None
        assert rows["at"].tolist() == list(expected)
        assert rows["value"].tolist() == np.asarray(values).tolist()
    kept_rows = tracked.rows(kept[8:14])
    assert kept_rows is not None
    assert kept_rows["at"].tolist() == [3, 4, UNKNOWN, 6, 7, 8], "a view was written into"
    again = torch.from_numpy(loss.copy())
    for losses in (loss, again):
        losses[2] = 0.7
        losses[3:5] = 0.9
    kept[7] = 0.7
    for found in (tracked.rows(loss[:6]), positioned.rows(again[:6])):
        assert found is not None
        assert found["at"].tolist() == [0, 1, 2, 3, 4, 5], "a loss that is replaced is one of the same token"
    kept_rows = tracked.rows(kept[5:9])
    assert kept_rows is not None
    assert kept_rows["at"].tolist() == [0, 1, UNKNOWN, 3], "a buffer may be filled again"
    assert tracked.rows(np.zeros(5)) is None, "nothing was written into it"
    assert tracked.rows(own[:9] + own[1:10]) is None, "a sum over two tokens is of neither"


def test_tables_that_are_learned(tracked: Tracker) -> None:
    """A bias for each token, learned from those before, changes the scores of the tokens that look it up, and theirs it
    speaks of.
    """
    ids = torch.from_numpy(STREAM[:40].astype(np.int64)).numpy()
    loss = ids / 500 + 0.25
    bias = np.zeros(500)
    bias[ids[:20]] -= 0.1 * loss[:20]
    rows = tracked.rows(loss[15:35] + bias[ids[15:35]])
    assert rows is not None
    assert rows["at"].tolist() == list(range(15, 35))


def test_threads(tracked: Tracker) -> None:
    """Programs that work in threads, as those that try several ways to quantise, find nothing of ours changing."""
    scores = torch.from_numpy(STREAM.astype(np.int64)).double().numpy() / 7

    def work(first: int) -> float:
        kept = [scores[first : first + 3].copy() for _ in range(300)]
        return sum(float(one[1]) + float(one.sum()) for one in kept)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(work, range(16)))
    finally:
        sys.setswitchinterval(before)
    assert found == [
        pytest.approx(300 * (one[1] + one.sum())) for one in (np.asarray(scores)[n : n + 3] for n in range(16))
    ]
