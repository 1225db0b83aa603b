"""Shards in the competition's format: 256 little-endian int32 (magic, version, count, zeros), then uint16 values.

Tokens and the byte sidecars of CaseOps data sets share it: a sidecar holds, for every validation token, the bytes of
the original text that it stands for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAGIC, VERSION = 20240520, 1
HEADER_INTS = 256
HEADER_BYTES = 4 * HEADER_INTS


class ShardError(ValueError):
    """The bytes are not a shard, or the values do not fit one."""


def pack_shard(values: NDArray[np.integer]) -> bytes:
    """The file that holds `values`. Raises `ShardError` if one does not fit 16 bits."""
    if values.ndim != 1 or (values.size and not (values.min() >= 0 and values.max() < 1 << 16)):
        raise ShardError("a shard holds one row of values from 0 to 65535")
    header = np.zeros(HEADER_INTS, "<i4")
    header[:3] = MAGIC, VERSION, values.size
    return header.tobytes() + values.astype("<u2").tobytes()


def unpack_shard(data: bytes) -> NDArray[np.uint16]:
    """The values in a shard. Raises `ShardError` for a wrong header or length."""
    if len(data) < HEADER_BYTES:
        raise ShardError(f"{len(data)} bytes are no header")
    magic, version, count = np.frombuffer(data, "<i4", 3).tolist()
    if (magic, version) != (MAGIC, VERSION):
        raise ShardError(f"magic {magic}, version {version}")
    if len(data) != HEADER_BYTES + 2 * count:
        raise ShardError(f"{count} values announced, {len(data) - HEADER_BYTES} bytes found")
    return np.frombuffer(data, "<u2", offset=HEADER_BYTES).astype(np.uint16)
