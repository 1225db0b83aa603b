"""Of which tokens of the validation stream a program learns: what the losses speak of that it takes gradients of."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import torch

from harness.observe.cpu_run.guest import positioned
from harness.observe.cpu_run.guest.places import spans
from harness.observe.cpu_run.guest.sources import SOURCES

MAX_LESSONS = 2_000
"""Steps that are told of."""
_MAX_SPANS = 64
"""Stretches of tokens of one step."""
PlaceOf = Callable[[str], tuple[str, int] | None]
"""Path and layer of the submission's text that a code object was made of, by its file name."""


class Lessons:
    """Optimizer steps after gradients of losses on validation tokens. `place_of`: see `runtime.Runtime`."""

    def __init__(self) -> None:
        self.place_of: PlaceOf = lambda _: None
        self.told: list[list[object]] = []
        """Of each step: when it was (see `Sources.count`), path, layer and line, and runs of tokens."""
        self._pending: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []

    def backward(self, loss: torch.Tensor) -> None:
        """Gradients of a loss are taken."""
        if not SOURCES.active or not positioned.is_positioned(loss) or len(self.told) >= MAX_LESSONS:
            return
        try:
            at = positioned.rows(loss)["at"]
        except Exception as error:  # noqa: BLE001  what we fail to follow must not change the run
            positioned.failed("backward", error)
            return
        self._pending.append(np.unique(at[at >= 0]))

    def stepped(self) -> None:
        """An optimizer made its step: weights know the tokens of all losses since the last one."""
        known = [one for one in self._pending if len(one)]
        self._pending = []
        if known:
            times = np.bincount(np.unique(np.concatenate(known)))
            runs = [(first, last) for first, last, _ in spans(times)][:_MAX_SPANS]
            self.told.append([SOURCES.count, *self._place(), runs])

    def _place(self) -> tuple[str, int, int]:
        """The submission's line that is being executed; an empty path where it is not known."""
        frame = sys._getframe(1)
        while frame is not None:
            place = self.place_of(frame.f_code.co_filename)
            if place is not None:
                return (*place, frame.f_lineno)
            if frame.f_back is None:
                break
            frame = frame.f_back
        return "", 0, 0
