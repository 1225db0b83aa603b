"""The content-addressed store."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from harness.model.base import Frozen
from harness.store.store import Store, write_atomically

KEY = "0123456789abcdef"


class Thing(Frozen):
    """Something to keep."""

    text: str


def test_round_trip(tmp_path: Path) -> None:
    """What was put is what is got; what was not is None."""
    store = Store(tmp_path)
    assert store.get("facts", KEY, Thing) is None
    store.put("facts", KEY, Thing(text="ü"))
    assert store.get("facts", KEY, Thing) == Thing(text="ü")
    assert list(store.keys("facts")) == [KEY]
    assert store.has("facts", KEY)


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x78\x9c"])
def test_damaged_object(tmp_path: Path, damage: bytes) -> None:
    """A damaged object is absent, so that it is made again."""
    store = Store(tmp_path)
    store.put("facts", KEY, Thing(text="x"))
    next((tmp_path / "facts").rglob("*.z")).write_bytes(damage)
    assert store.get("facts", KEY, Thing) is None


@pytest.mark.parametrize("key", ["../../../etc/passwd", "", "xyz", "0123"])
def test_hostile_key(tmp_path: Path, key: str) -> None:
    """Only digests are addresses."""
    with pytest.raises(ValueError, match="no store address"):
        Store(tmp_path).get("facts", key, Thing)


def _write_forever(path: Path) -> None:
    i = 0
    while True:
        i = (i + 1) % 10
        write_atomically(path, str(i).encode() * 200_000)


def test_kill_leaves_whole_files(tmp_path: Path) -> None:
    """A writer killed at any moment leaves a whole file behind."""
    path = tmp_path / "object"
    for pause in (0.02, 0.05, 0.11):
        process = multiprocessing.get_context("fork").Process(target=_write_forever, args=(path,))
        process.start()
        while not path.exists():
            time.sleep(0.001)
        time.sleep(pause)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        data = path.read_bytes()
        assert len(data) == 200_000
        assert len(set(data)) == 1
