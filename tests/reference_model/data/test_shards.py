"""Shards: any tokens come back as they were written, and a damaged file is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_model.data.shards import read_shard, shards, write_shard


@given(values=st.lists(st.integers(0, 65535), max_size=300))
def test_shard_round_trip(values: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any token ids are read as they were written, behind a header of 1,024 bytes that counts them."""
    path = tmp_path_factory.mktemp("shard") / "deep" / "tokens.bin"
    write_shard(path, np.array(values, dtype=np.uint16))
    header = np.frombuffer(path.read_bytes()[:1024], dtype="<i4")
    assert header.tolist() == [20240520, 1, len(values)] + [0] * 253
    assert path.stat().st_size == 1024 + 2 * len(values)
    read = read_shard(path)
    assert read.dtype == np.uint16
    assert read.tolist() == values


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", "0 bytes are too few for the 1024-byte header"),
        (lambda data: data[:1000], "1000 bytes are too few"),
        (lambda data: b"\0\0\0\0" + data[4:], "magic 0, version 1 instead of 20240520, 1"),
        (lambda data: data[:4] + b"\2" + data[5:], "magic 20240520, version 2"),
        (lambda data: data[:-1], "announces 3 tokens, which take 1030 bytes"),
        (lambda data: data + b"\0\0", "cut off or has something appended"),
        (lambda data: data[:8] + b"\xff\xff\xff\xff" + data[12:], "announces -1 tokens"),
    ],
    ids=["empty", "short header", "magic", "version", "cut off", "appended", "negative count"],
)
def test_damaged_shard_is_refused(tmp_path: Path, damage, message: str) -> None:
    """A file that is no complete shard raises a ValueError that names the file and what is wrong."""
    path = tmp_path / "tokens.bin"
    write_shard(path, np.array([1, 2, 3], dtype=np.uint16))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as error:
        read_shard(path)
    assert str(path) in str(error.value)


def test_files_come_in_order_and_none_is_an_error(tmp_path: Path) -> None:
    """A pattern that finds nothing says so."""
    for number in (2, 0, 1):
        write_shard(tmp_path / f"x_train_{number}.bin", np.arange(3, dtype=np.uint16))
    assert [path.name for path in shards(f"{tmp_path}/x_train_*.bin")] == [f"x_train_{i}.bin" for i in range(3)]
    with pytest.raises(FileNotFoundError, match="x_val"):
        shards(f"{tmp_path}/x_val_*.bin")
