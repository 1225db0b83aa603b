"""`torch.accelerator`, `torch.Event` and `torch.Stream`: the names that do not say cuda, for a machine that has it.

What torch itself asks of `torch.accelerator` (whether there is one, its streams) stays as it is: its own code would
look for CUDA behind it. Also what only CUDA's libraries take: the choice of a solver in `torch.linalg.svd`, which does
not change what is computed but for the signs and the order within equal singular values.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.accelerator

from harness.observe.cpu_run.guest.cuda import placement, runtime
from harness.observe.cpu_run.guest.cuda.patching import put

_SAME_AS_CUDA = {
    "synchronize": "synchronize", "empty_cache": "empty_cache", "memory_allocated": "memory_allocated",
    "max_memory_allocated": "max_memory_allocated", "memory_reserved": "memory_reserved",
    "max_memory_reserved": "max_memory_reserved", "memory_stats": "memory_stats", "get_memory_info": "mem_get_info",
    "reset_peak_memory_stats": "reset_peak_memory_stats",
    "reset_accumulated_memory_stats": "reset_accumulated_memory_stats",
}  # fmt: skip
"""Names of torch.accelerator to those of torch.cuda, as far as this torch has them."""


class Event(runtime.Event):
    """torch.Event: the device comes first."""

    def __init__(self, device: placement.Device = None, *, enable_timing: bool = False, **_: Any) -> None:
        super().__init__(enable_timing=enable_timing)
        self.device = placement.current.device if device is None else torch.device(device)


def _without_driver(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def decomposed(*args: Any, **keywords: Any) -> Any:
        keywords.pop("driver", None)
        return original(*args, **keywords)

    return decomposed


def install() -> None:
    """Replace what speaks of the machine's accelerator; to be called after `runtime.install`. Once is enough."""
    if vars(torch)["Stream"] is runtime.Stream:
        return
    for name, cuda_name in _SAME_AS_CUDA.items():
        if hasattr(torch.accelerator, name):
            put(torch.accelerator, **{name: getattr(torch.cuda, cuda_name)})
    put(torch, Event=Event, Stream=runtime.Stream)
    put(torch.linalg, svd=_without_driver(torch.linalg.svd), svdvals=_without_driver(torch.linalg.svdvals))
