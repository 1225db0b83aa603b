"""Bytes of a file under a limit: whole, or its head and tail."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from harness.model.target import FileEntry, FolderEntry

READ_LIMIT = 12 << 20
"""Most bytes of one file that are handed to a reader. The largest real text file seen has 4.1 MB."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Content:
    """What was read of a file. When `truncated`, `data` is its head, a mark line and its tail."""

    data: bytes
    truncated: bool = False


class Readable(Protocol):
    """Anything with `read(n)`."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, empty at the end."""
        ...


class Source(Protocol):
    """Where the bytes of an intake come from."""

    def read(self, folder: FolderEntry, file: FileEntry, limit: int = READ_LIMIT) -> Content | None:
        """Bytes of `file`, or None when they are not to be had (see `file.state`)."""
        ...


def read_limited(stream: Readable, limit: int) -> Content:
    """Read `stream` to its end, keeping at most `limit` bytes: three quarters from the head, one from the tail.

    The end of a log holds its result, so the middle is what a reader can best do without.
    """
    head = bytearray()
    while len(head) < limit:
        chunk = stream.read(min(_CHUNK, limit - len(head)))
        if not chunk:
            return Content(bytes(head))
        head += chunk
    tail = bytearray()
    dropped = 0
    keep = limit // 4
    while chunk := stream.read(_CHUNK):
        tail += chunk
        if len(tail) > keep:
            dropped += len(tail) - keep
            del tail[: len(tail) - keep]
    if not tail:
        return Content(bytes(head))
    cut = len(head) - (limit - keep)
    tail = head[-cut:] + tail if dropped == 0 else tail
    mark = b"\n[... middle not read ...]\n"
    return Content(bytes(head[: limit - keep]) + mark + bytes(tail[-keep:]), truncated=True)


class BlobDigest:
    """The id that git gives to a blob of known size, computed while streaming (SHA-1, as the object format)."""

    def __init__(self, size: int) -> None:
        self._hash = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)

    def update(self, data: bytes) -> None:
        """Add the next bytes."""
        self._hash.update(data)

    def hex(self) -> str:
        """The object id."""
        return self._hash.hexdigest()
