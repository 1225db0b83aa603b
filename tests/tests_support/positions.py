"""A validation stream, and a tracker that follows positions in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from harness.observe.cpu_run.guest import arrays, positioned, singled
from harness.observe.cpu_run.guest.places import Places
from harness.observe.cpu_run.guest.positioned import CONVERSIONS
from harness.observe.cpu_run.guest.positions import Tracker

STREAM = np.random.default_rng(3).integers(0, 500, 200).astype(np.uint16)
SIZES = np.random.default_rng(4).integers(0, 9, 200).astype(np.uint16)


@contextmanager
def tracking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracker]:
    """A tracker at work; what it replaced is put back."""
    for name in ("from_numpy", "frombuffer", "from_file", "tensor", "as_tensor", "asarray"):
        monkeypatch.setattr(torch, name, getattr(torch, name))
    for name in (*arrays._MAKERS, *singled.LISTERS):
        monkeypatch.setattr(np, name, getattr(np, name))
    apply = vars(torch.autograd.Function)["apply"]
    found = Tracker([Places(STREAM, SIZES)])
    found.install()
    positioned.faults.clear()
    yield found
    torch.autograd.Function.apply = apply  # type: ignore[method-assign]
    CONVERSIONS.clear()
    assert positioned.faults == []
