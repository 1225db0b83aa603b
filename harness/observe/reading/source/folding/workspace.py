"""What folded code can touch: the submission's files, files it writes itself, and limits on time and memory."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.observe.reading.source.folding.payload import MAX_OUTPUT, Allowance
from harness.observe.reading.source.folding.values import FOLDER, TEMPORARY, Trail, absolute, relative

MAX_STEPS = 120_000
"""Statements and expressions folded in one script."""
MAX_BYTES = 256 * 1024 * 1024
"""Bytes that the operations of one script may read and write together; bounds the time of repeated large copies."""
_TRACED = 24
"""Shorter values are shared between uses by Python itself, so that their identity says nothing about their origin."""


class Exhausted(Exception):  # noqa: N818  ends the folding of one script
    """Folding came to a limit; the text says which."""


@dataclass
class Workspace:
    """Files and limits of one script. `files` maps paths relative to the submission's folder to their bytes."""

    files: Mapping[str, bytes]
    written: dict[str, Any] = field(default_factory=dict)
    search: list[str] = field(default_factory=list)
    """Folders put on the module search path, relative to the submission's."""
    allowance: Allowance = field(default_factory=Allowance)
    steps: int = MAX_STEPS
    bytes_left: int = MAX_BYTES
    _trails: dict[int, tuple[Any, Trail]] = field(default_factory=dict)
    _temporary: int = 0

    def step(self, count: int = 1) -> None:
        """Count work; raise `Exhausted` at the limit."""
        self.steps -= count
        if self.steps < 0:
            raise Exhausted(f"folding stopped after {MAX_STEPS} steps")

    def charge(self, *values: Any) -> None:
        """Count the bytes of long strings and containers that an operation reads or makes."""
        for value in values:
            if isinstance(value, (str, bytes, list, tuple, dict)):
                self.bytes_left -= len(value)
        if self.bytes_left < 0:
            raise Exhausted(f"folding stopped after copying {MAX_BYTES} bytes")

    def everything(self) -> Mapping[str, bytes]:
        """All files, those that the code wrote included (by their absolute paths)."""
        if not self.written:
            return self.files
        return {
            **self.files,
            **{relative(path): data for path, data in self.written.items() if isinstance(data, bytes)},
        }

    def exists(self, path: str) -> bool | None:
        """Whether the file or folder exists; None outside the submission, where nothing is known."""
        path = absolute(path)
        if path in self.written or any(name.startswith(path + "/") for name in self.written):
            return True
        if path == FOLDER:
            return True
        if not path.startswith(FOLDER + "/"):
            return None
        name = path[len(FOLDER) + 1 :]
        return name in self.files or any(other.startswith(name + "/") for other in self.files)

    def read(self, path: str) -> Any:
        """Return the bytes of a file (or the unknown value written to it); None where there is none."""
        path = absolute(path)
        if path in self.written:
            return self.written[path]
        if path.startswith(FOLDER + "/") and (data := self.files.get(path[len(FOLDER) + 1 :])) is not None:
            name = path[len(FOLDER) + 1 :]
            self.charge(data)
            data = data[:MAX_OUTPUT]
            self._remember(data, Trail((), len(data), name))
            return data
        return None

    def write(self, path: str, data: Any) -> None:
        """Write a file that only later reads see."""
        if isinstance(data, bytes):
            before = self.written.get(absolute(path))
            if isinstance(before, bytes) and before:
                data = self.derive(before + data, data)
        self.written[absolute(path)] = data

    def temporary(self) -> str:
        """Return a new temporary path."""
        self._temporary += 1
        return posixpath.join(TEMPORARY, str(self._temporary))

    def trail(self, value: Any) -> Trail | None:
        """How `value` came about, if it is a payload."""
        known = self._trails.get(id(value))
        return known[1] if known else None

    def derive(self, result: Any, *sources: Any, codec: str | None = None) -> Any:
        """Return `result`, remembered as made from the first of `sources` that has a trail, by `codec`."""
        if not isinstance(result, (str, bytes, list, tuple, dict)) or (
            len(result) < _TRACED and isinstance(result, (str, bytes))
        ):
            return result
        trail = next((known for source in sources if (known := self.trail(source))), None)
        if codec is not None:
            start = len(sources[0]) if sources and isinstance(sources[0], (str, bytes)) else 0
            trail = trail or Trail((), start)
            trail = Trail((*trail.codecs, codec), trail.bytes_in, trail.target)
        if trail is not None and not any(result is source for source in sources):
            self._remember(result, trail)
        return result

    def _remember(self, value: Any, trail: Trail) -> None:
        # The value is kept beside its trail: an identity is only good while its object lives.
        self._trails[id(value)] = (value, trail)
