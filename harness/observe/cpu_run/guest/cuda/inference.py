"""`torch.inference_mode` as `no_grad`.

What is cached in inference mode (rotary tables, above all) breaks training later, on a GPU as well; but there scripts
rely on compiled code that makes it anew.
"""
# ruff: noqa: FBT001, FBT002  signatures are those of torch

from __future__ import annotations

from typing import Any

import torch

from harness.observe.cpu_run.guest.cuda.patching import put
from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used

NAME = "inference_mode"


class InferenceMode(torch.no_grad):
    """torch.inference_mode as no_grad, as a context manager or a decorator, with and without its argument."""

    def __new__(cls, mode: Any = True) -> Any:  # noqa: D102  as torch.inference_mode
        used(NAME)
        return cls()(mode) if callable(mode) else super().__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.mode = mode

    def __enter__(self) -> None:
        self.prev = torch.is_grad_enabled()
        if self.mode:
            torch.set_grad_enabled(False)

    def clone(self) -> InferenceMode:
        """Another one of the same mode: decorated functions enter a new one at each call."""
        return type(self)(self.mode)


def install() -> None:
    """Replace inference_mode; a second call changes nothing."""
    if isinstance(torch.inference_mode, type) and issubclass(torch.inference_mode, torch.no_grad):
        return
    stand_in(StandIn(NAME, exact=True, reason="no_grad, so that what it caches may enter training later"))
    put(torch, inference_mode=InferenceMode, is_inference_mode_enabled=lambda: False)
