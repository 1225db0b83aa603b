"""Which files a run writes, and which of these it reads back; which programs it starts."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from pathlib import Path
from typing import Any

from harness.observe.cpu_run.guest import unpacking
from harness.observe.cpu_run.guest.clock import wall

MAX_FILES = 2_000
"""Opened files that are remembered."""


class Files:
    """Files of one run, by their real paths."""

    def __init__(self) -> None:
        self.order = itertools.count(1)
        self.written: dict[str, int] = {}
        """Every file opened for writing, and when, in the order of events."""
        self.read: dict[str, int] = {}
        """The same of files that the run had written before and opens for reading: when it did so last."""
        self.found: dict[str, int] = {}
        """The same of files that lay in `root` before."""
        self.root: str | None = None
        """Where the submission lies."""
        self.processes: list[str] = []
        self._busy = threading.local()
        self._began = 0.0

    def install(self) -> None:
        """Listen to the interpreter from now on; there is no way back."""
        self._began = wall()
        sys.addaudithook(self._audit)
        unpacking.listen(self._unpacked)

    @property
    def told(self) -> dict[str, Any]:
        """Everything seen, as JSON."""
        return {"written": self.written, "read": self.read, "found": self.found, "processes": self.processes}

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            self._opened(*args)
        elif event in {"os.rename", "os.link"}:
            self._renamed(*args[:2])
        elif event in {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"} and len(self.processes) < 100:
            self.processes.append(str(args[1] if event == "subprocess.Popen" else args[0])[:300])

    def _opened(self, path: object, _: object, flags: int) -> None:
        if getattr(self._busy, "now", False) or not isinstance(path, (str, bytes, os.PathLike)):
            return
        self._busy.now = True
        try:
            real = os.path.realpath(os.fsdecode(path))
            if flags & (os.O_WRONLY | os.O_RDWR):
                if len(self.written) < MAX_FILES:
                    self.written.setdefault(real, next(self.order))
            elif real in self.read or real in self.written or self._made(real):
                self.read[real] = next(self.order)
            elif self.root is not None and real.startswith(self.root + os.sep) and len(self.found) < MAX_FILES:
                self.found[real] = next(self.order)
        except (OSError, ValueError):
            pass
        finally:
            self._busy.now = False

    def _unpacked(self, packed: bytes) -> None:
        """Bytes unpacked from memory: they are read back from the files that hold the very same."""
        self._busy.now = True  # looking at a file is not the program's reading
        try:
            for path in list(self.written):
                file = Path(path)
                if file.is_file() and file.stat().st_size == len(packed) and file.read_bytes() == packed:
                    self.read[path] = next(self.order)
        except OSError:
            pass
        finally:
            self._busy.now = False

    def _made(self, path: str) -> bool:
        """Whether a file is new since the run began: libraries of C++ write files that no event tells of."""
        return len(self.read) < MAX_FILES and not path.startswith("/proc/") and Path(path).stat().st_ctime > self._began

    def _renamed(self, source: object, target: object) -> None:
        """A file that was written under another name first, as those do that write it whole or not at all."""
        if isinstance(source, (str, bytes, os.PathLike)) and isinstance(target, (str, bytes, os.PathLike)):
            old, new = (os.path.realpath(os.fsdecode(path)) for path in (source, target))
            if old in self.written and len(self.written) < MAX_FILES:
                self.written.setdefault(new, next(self.order))
