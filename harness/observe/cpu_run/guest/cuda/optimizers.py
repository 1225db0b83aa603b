"""Optimizers written for CUDA: `fused`, `foreach` and `capturable` compute the same, one parameter after the other.

torch has CPU kernels for the fused optimizers, which it uses as they are. `capturable` keeps the step count on the
device, which only CUDA graphs need: it is dropped.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from harness.observe.cpu_run.guest.cuda.patching import put
from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used

NAME = "capturable optimizers"


def _eager(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def init(self: Any, *args: Any, **keywords: Any) -> None:
        if keywords.get("capturable"):
            used(NAME)
            keywords["capturable"] = False
        original(self, *args, **keywords)
        self._warned_capturable_if_run_uncaptured = True

    return init


def install() -> None:
    """Make every optimizer of torch take CUDA's options; a second call changes nothing."""
    if hasattr(torch.optim.Adam.__init__, "__wrapped__"):
        return
    stand_in(StandIn(NAME, exact=True, reason="the step count is kept where it always is without CUDA graphs"))
    for name in dir(torch.optim):
        kind = getattr(torch.optim, name)
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and "__init__" in vars(kind):
            put(kind, __init__=_eager(vars(kind)["__init__"]))
