"""Objects by kind and key in a folder: compressed JSON, written whole or not at all.

A process killed at any moment leaves either the old object or the new one, because each is written beside its place and
renamed into it. Keys are digests of what the object was made from, so an object never needs to be invalidated.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)
_KEY = re.compile(r"[0-9a-f]{16,64}")
_LEVEL = 3


class Store:
    """A folder of objects; it may be shared by any number of processes."""

    def __init__(self, root: Path) -> None:
        """Open the store in `root`, which is created when something is first put there."""
        self.root = root

    def get(self, kind: str, key: str, model: type[M]) -> M | None:
        """The object, or None when it is absent or damaged (a damaged object is one that must be made again)."""
        try:
            data = self._path(kind, key).read_bytes()
            return model.model_validate_json(zlib.decompress(data))
        except (FileNotFoundError, zlib.error, ValidationError):
            return None

    def put(self, kind: str, key: str, value: BaseModel) -> None:
        """Keep `value` under `kind` and `key`."""
        path = self._path(kind, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, zlib.compress(value.model_dump_json().encode(), _LEVEL))

    def has(self, kind: str, key: str) -> bool:
        """Whether an object is there."""
        return self._path(kind, key).exists()

    def keys(self, kind: str) -> Iterator[str]:
        """Keys of all objects of one kind."""
        for path in sorted((self.root / kind).glob("??/*.z")):
            yield path.stem

    def _path(self, kind: str, key: str) -> Path:
        if not _KEY.fullmatch(key) or not kind.isidentifier():
            raise ValueError(f"{kind}/{key} is no store address; a key is 16 to 64 hex digits")
        return self.root / kind / key[:2] / f"{key}.z"


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader, or a kill, sees the old file or the new one and nothing between."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def default_root() -> Path:
    """Where facts are kept unless told otherwise: $GOLF_CACHE, else the user's cache folder."""
    if root := os.environ.get("GOLF_CACHE"):
        return Path(root)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "golf"
