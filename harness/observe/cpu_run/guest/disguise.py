"""What a run need not see of its observer: modules, paths, the command line and the environment of this process.

Scripts that look for a harness by its names find none, and an import of it is noticed (`tampering`). What stays to be
seen: the globals of functions that stand in, their files in tracebacks, builtins of rewritten source, patched functions
where the real ones are compiled, one device and one process of eight, the processor and the kernel, the absence of
/proc/driver/nvidia and of CUDA's libraries, the sizes of the data, and the even steps of the clock.
"""

from __future__ import annotations

import ctypes
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

PACKAGE = __name__.partition(".")[0]
OURS = str(Path(__file__).parents[3])
"""The folder of this package."""
_ARGUMENTS, _ENVIRONMENT = (45, 46), (47, 48)
"""Ends of two areas of memory, among the fields of /proc/self/stat behind the name (proc_pid_stat(5), from field 3)."""


def hide(script: str) -> None:
    """Let modules of this package be found by themselves alone, and this process look like `python -u SCRIPT`."""
    hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == PACKAGE}
    for name in hidden:
        del sys.modules[name]
    above = str(Path(OURS).parent)
    sys.path[:] = [path for path in sys.path if path != above]
    sys.path_importer_cache.pop(above, None)
    sys.meta_path.insert(0, _Own(hidden))
    sys.orig_argv = ["python", "-u", script]
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    for (first, last), text in ((_ARGUMENTS, "\0".join(sys.orig_argv)), (_ENVIRONMENT, "")):
        start, end = int(fields[first]), int(fields[last])
        if start:  # not told to everybody
            ctypes.memmove(start, text.encode()[: end - start - 1].ljust(end - start, b"\0"), end - start)


class _Own(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the hidden modules, for imports within this package that are made late."""

    def __init__(self, hidden: Mapping[str, ModuleType]) -> None:
        self._hidden = hidden

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module that was loaded before it was hidden."""
        del path, target  # the protocol's
        if name not in self._hidden or not _asked_by_us():
            return None
        return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """The module itself."""
        return self._hidden[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """It has been executed."""


def _asked_by_us() -> bool:
    """Whether code of this package makes the import."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame.f_code.co_filename.startswith(OURS)
