"""Attention written for CUDA kernels: the choice of a kernel is dropped, what is computed stays.

`scaled_dot_product_attention` is torch's own on the CPU. `sdpa_kernel` contexts name kernels of CUDA; on the CPU they
would forbid the only one there is, so they do nothing.
"""

# ruff: noqa: ARG001, FBT001, FBT002  signatures are those of torch

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.attention

from harness.observe.cpu_run.guest.cuda.patching import put
from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used

NAME = "attention kernels"


@contextlib.contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[None]:
    """As torch.nn.attention.sdpa_kernel: the kernel named is not there, the result is the same."""
    used(NAME)
    yield


@contextlib.contextmanager
def sdp_kernel(*_: Any, **__: Any) -> Iterator[None]:
    """As torch.backends.cuda.sdp_kernel."""
    used(NAME)
    yield


def install() -> None:
    """Replace the contexts that choose a kernel; a second call changes nothing."""
    if torch.nn.attention.sdpa_kernel is sdpa_kernel:
        return
    stand_in(StandIn(NAME, exact=True, reason="attention is computed by the CPU's kernel, whichever was asked for"))
    put(torch.nn.attention, sdpa_kernel=sdpa_kernel)
    put(torch.backends.cuda, sdp_kernel=sdp_kernel)
