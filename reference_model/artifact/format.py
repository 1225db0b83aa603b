"""Tensors as one file: a manifest in JSON and raw buffers, compressed as a whole. No pickle: reading runs no code.

    "PGA1"  codec (1 byte)  length of the container (8 bytes)  SHA-256 of what follows (32 bytes)  compressed container
    container: length of the manifest (4 bytes)  [[name, dtype, shape], ...] as JSON  buffers in that order

All numbers are little-endian. A file that was cut off or changed is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_model.artifact.codecs import CODECS, codec

MAGIC = b"PGA1"
HEADER = struct.Struct("<4sBQ32s")
DTYPES = ("int8", "float16", "float32")
MAX_CONTAINER = 1 << 32

Arrays = Mapping[str, npt.NDArray[Any]]


class ArtifactError(ValueError):
    """The bytes are no artifact, or not a whole one; the message says in what way."""


def encoded(arrays: Arrays, codec_name: str) -> bytes:
    """The file of these arrays. Raises ArtifactError for a dtype that the format does not have."""
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise ArtifactError(f"{name} is {array.dtype.name}; the format holds {', '.join(DTYPES)}")
    rows = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    manifest = json.dumps(rows, separators=(",", ":")).encode()
    buffers = b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays.values())
    container = struct.pack("<I", len(manifest)) + manifest + buffers
    body = codec(codec_name).compress(container)
    return HEADER.pack(MAGIC, CODECS.index(codec_name), len(container), hashlib.sha256(body).digest()) + body


def decoded(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a file. Raises ArtifactError for anything that is not exactly such a file."""
    container = _container(data)
    if len(container) < 4:
        raise ArtifactError("the container has no manifest")
    position = 4 + struct.unpack_from("<I", container)[0]
    try:
        rows = json.loads(container[4:position])
        shapes = [(str(name), str(dtype), tuple(int(n) for n in shape)) for name, dtype, shape in rows]
    except (ValueError, TypeError, RecursionError) as error:
        raise ArtifactError(f"the manifest cannot be read: {error}") from error
    found: dict[str, npt.NDArray[Any]] = {}
    for name, dtype, shape in shapes:
        count = math.prod(shape)
        if dtype not in DTYPES or min(shape, default=0) < 0:
            raise ArtifactError(f"the manifest says that {name} is {dtype} {shape}")
        size = count * np.dtype(dtype).itemsize
        if position + size > len(container):
            raise ArtifactError(f"{name} ends beyond the container's {len(container)} bytes")
        found[name] = np.frombuffer(container, np.dtype(dtype).newbyteorder("<"), count, position).reshape(shape)
        position += size
    if position != len(container):
        raise ArtifactError(f"the manifest describes {position} bytes of {len(container)}")
    return found


def _container(data: bytes) -> bytes:
    if len(data) < HEADER.size:
        raise ArtifactError(f"{len(data)} bytes are too few for the {HEADER.size}-byte header")
    magic, index, length, digest = HEADER.unpack_from(data)
    if magic != MAGIC or index >= len(CODECS) or length > MAX_CONTAINER:
        raise ArtifactError("the header is not that of an artifact")
    body = data[HEADER.size :]
    if hashlib.sha256(body).digest() != digest:
        raise ArtifactError("its content is not what its header says: it was cut off or changed")
    try:
        container = codec(CODECS[index]).decompress(body, length)
    except ModuleNotFoundError:
        raise
    except Exception as error:  # every library has an error of its own
        raise ArtifactError(f"{CODECS[index]} cannot decompress it: {error}") from error
    if len(container) != length:
        raise ArtifactError(f"it holds {len(container)} bytes, its header says {length}")
    return container
