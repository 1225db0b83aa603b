"""What a run is seen to do, from inside its interpreter: blocks, sums, optimizer steps, files.

A submission can lie to this recorder; what acquits is checked from outside as well (`server`, `driver`).
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from harness.observe.cpu_run.guest.rewriting import ADDED, HIT, IMPORTED, Rewriter

MAX_TOTALS = 2_000
"""Finished sums kept of one site."""
MAX_FILES = 2_000
"""Opened files that are remembered."""


class Sum:
    """The sums that one site adds up: each begins anew when its variable is set back."""

    __slots__ = ("additions", "finished", "last")

    def __init__(self) -> None:
        self.additions = 0
        self.finished: list[float] = []
        self.last: float | None = None

    def add(self, value: float) -> None:
        """The variable has this value after an addition. Sums of losses, tokens and bytes only grow."""
        if self.last is not None and value < self.last and len(self.finished) < MAX_TOTALS:
            self.finished.append(self.last)
        self.additions += 1
        self.last = value

    def totals(self) -> list[float]:
        """Ends of all sums, the one in progress too."""
        return self.finished if self.last is None else [*self.finished, self.last]


class Recorder:
    """Observations of one run. `install` must be called once, in the process that runs the submission."""

    def __init__(self, rewriter: Rewriter, clock: Callable[[], float]) -> None:
        self.rewriter = rewriter
        self.clock = clock
        self.hits: dict[int, int] = {}
        self.sums: dict[int, Sum] = {}
        self.order = itertools.count(1)
        self.steps = self.backwards = 0
        self.marks: dict[str, float] = {}
        """Seconds (real) at which stages were first seen."""
        self.written: dict[str, int] = {}
        """Real path of every file opened for writing, and when, in the order of events."""
        self.read: dict[str, int] = {}
        """The same of files that the run had written before and opens for reading."""
        self.processes: list[str] = []
        self._busy = threading.local()

    def builtins(self) -> dict[str, Any]:
        """What rewritten source calls."""
        return {HIT: self._hit, ADDED: self._added, IMPORTED: lambda: self.mark("imported")}

    def mark(self, stage: str) -> None:
        """A stage is reached."""
        self.marks.setdefault(stage, self.clock())

    def install(self) -> None:
        """Hook into torch and the interpreter; there is no way back."""
        register_optimizer_step_post_hook(self._stepped)
        backward: Any = torch.Tensor.backward

        def counted(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            self.backwards += 1
            return backward(tensor, *args, **kwargs)

        torch.Tensor.backward = counted  # type: ignore[method-assign,assignment]  # counted, not changed
        sys.addaudithook(self._audit)

    def _hit(self, block: int) -> None:
        self.hits[block] = self.hits.get(block, 0) + 1

    def _added(self, site: int, value: object) -> None:
        if isinstance(value, bool) or getattr(value, "requires_grad", False):
            return
        try:
            if isinstance(value, (int, float)):
                number = float(value)
            elif getattr(value, "size", None) is not None and _count(value) == 1:
                number = float(value)  # type: ignore[arg-type]  # a tensor or array of one element
            else:
                return
        except (TypeError, ValueError, RuntimeError, OverflowError):
            return
        found = self.sums.get(site)
        if found is None:
            found = self.sums[site] = Sum()
        found.add(number)

    def _stepped(self, *_: object) -> None:
        self.steps += 1
        self.mark("first_step")

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            self._opened(*args)
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
            elif real in self.written and real not in self.read:
                self.read[real] = next(self.order)
        except (OSError, ValueError):
            pass
        finally:
            self._busy.now = False

    def report(self) -> dict[str, Any]:
        """Everything seen, as JSON."""
        return {
            "blocks": [
                [b.path, b.layer, b.line, b.last, b.function, b.opens, self.hits.get(i, 0)]
                for i, b in enumerate(self.rewriter.blocks)
            ],
            "sums": [
                [s.path, s.layer, s.line, s.target, s.function, self.sums[i].additions, _finite(self.sums[i].totals())]
                for i, s in enumerate(self.rewriter.sites)
                if i in self.sums
            ],
            "steps": self.steps,
            "backwards": self.backwards,
            "marks": self.marks,
            "written": self.written,
            "read": self.read,
            "processes": self.processes,
        }


def _count(value: object) -> int:
    numel = getattr(value, "numel", None)
    size = numel() if callable(numel) else getattr(value, "size", None)
    return size if isinstance(size, int) else -1


def _finite(values: list[float]) -> list[float | None]:
    return [value if abs(value) < float("inf") else None for value in values]
