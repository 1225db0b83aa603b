"""How host and guest talk: a line of JSON, then as many bytes as it announces. Neither trusts the other's sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

MAX_HEADER = 1 << 16
MAX_BLOB = 256 << 20


class FrameError(Exception):
    """What came is no frame; the message says in what way."""


def send(stream: BinaryIO, header: Mapping[str, Any], blob: bytes = b"") -> None:
    """Write one frame. Raises BrokenPipeError when the other side is gone."""
    line = json.dumps({**header, "bytes": len(blob)}, separators=(",", ":")).encode() + b"\n"
    stream.write(line + blob)
    stream.flush()


def receive(stream: BinaryIO, limit: int = MAX_BLOB) -> tuple[dict[str, Any], bytes] | None:
    """One frame, or None at the end of the stream. Raises FrameError for anything else."""
    line = stream.readline(MAX_HEADER)
    if not line:
        return None
    try:
        header = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a frame begins with a line of JSON, not with {line[:80]!r}") from error
    size = header.pop("bytes", None) if isinstance(header, dict) else None
    if not isinstance(size, int) or not 0 <= size <= limit:
        raise FrameError(f"a frame announces {size!r} bytes; at most {limit} are taken")
    blob = stream.read(size)
    if len(blob) < size:
        raise FrameError(f"a frame of {size} bytes ended after {len(blob)}")
    return header, blob
