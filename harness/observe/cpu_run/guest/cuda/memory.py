"""Memory that nobody has written to holds zeros, as it mostly does on a GPU that has just been given to a program.

`torch.empty` on a CPU gives what was freed before: a program that forgets to write (parameters moved from the meta
device that no initialisation reaches, above all) would compute something else in every run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from harness.observe.cpu_run.guest.cuda.patching import put
from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used

NAME = "zeros where nothing was written"
_MAKERS = ("empty", "empty_like", "empty_strided")
_METHODS = ("new_empty", "new_empty_strided")


def _zeroed(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def made(*args: Any, **keywords: Any) -> Any:
        used(NAME)
        tensor = original(*args, **keywords)
        with torch.no_grad():
            return tensor.zero_()

    made.is_zeroed = True  # type: ignore[attr-defined]  # a mark of ours
    return made


def install() -> None:
    """Replace what makes a tensor without content, after its devices were taken care of; once is enough."""
    if hasattr(torch.empty, "is_zeroed"):
        return
    stand_in(StandIn(NAME, exact=True, reason="what a program reads before it writes is the same in every run"))
    put(torch, **{name: _zeroed(getattr(torch, name)) for name in _MAKERS})
    put(torch.Tensor, **{name: _zeroed(getattr(torch.Tensor, name)) for name in _METHODS})
