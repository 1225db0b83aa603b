"""Token shards in the competition's format.

A shard is 256 little-endian int32 (magic 20240520, version 1, number of tokens, zeros), then that many uint16.
"""

from __future__ import annotations

import glob
from pathlib import Path

import numpy as np
import numpy.typing as npt

SHARD_MAGIC = 20240520
SHARD_VERSION = 1
HEADER_INTS = 256
HEADER_BYTES = 4 * HEADER_INTS

Tokens = npt.NDArray[np.uint16]


def write_shard(path: Path, tokens: Tokens) -> None:
    """Write token ids (tokens,), making folders as needed."""
    header = np.zeros(HEADER_INTS, dtype="<i4")
    header[:3] = SHARD_MAGIC, SHARD_VERSION, len(tokens)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.tobytes() + tokens.astype("<u2").tobytes())


def read_shard(path: Path) -> Tokens:
    """The token ids (tokens,), mapped into memory and read as they are used.

    Raises ValueError where the file is no complete shard: a header that is read as tokens, or a shard that was cut off,
    would give a score of something else.
    """
    size = path.stat().st_size
    if size < HEADER_BYTES:
        raise ValueError(f"{path}: {size} bytes are too few for the {HEADER_BYTES}-byte header: write it again")
    magic, version, count = (int(value) for value in np.fromfile(path, dtype="<i4", count=3))
    if (magic, version) != (SHARD_MAGIC, SHARD_VERSION):
        raise ValueError(
            f"{path}: header starts with magic {magic}, version {version} instead of {SHARD_MAGIC}, {SHARD_VERSION}: "
            "not a token shard of the competition"
        )
    expected = HEADER_BYTES + 2 * count
    if size != expected:
        raise ValueError(
            f"{path}: {size} bytes, but its header announces {count} tokens, which take {expected} bytes: "
            "the file is cut off or has something appended, write it again"
        )
    return np.memmap(path, dtype="<u2", mode="r", offset=HEADER_BYTES, shape=(count,)) if count else _none()


def _none() -> Tokens:
    return np.zeros(0, dtype=np.uint16)


def shards(pattern: str) -> list[Path]:
    """Files of a glob pattern in order. Raises FileNotFoundError where there is none."""
    found = [Path(name) for name in sorted(glob.glob(pattern))]  # noqa: PTH207  patterns may be absolute
    if not found:
        raise FileNotFoundError(f"{pattern}: no such shard; set DATA_PATH, or prepare the data first (see README.md)")
    return found
