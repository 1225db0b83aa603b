"""The machine: ranks, device, precision, clock, chance."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

Clock = Callable[[], float]
"""Seconds from any start; a test gives its own."""


@dataclass(frozen=True)
class World:
    """One process among those that torchrun started: the one that runs."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009  a device is a constant

    @property
    def leads(self) -> bool:
        """Whether this process writes logs and files."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The tensor summed over all ranks, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def wait(self) -> None:
        """Until every rank has come here."""
        if self.size > 1:
            dist.barrier()

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Gradients become their mean over ranks; one that a rank lacks counts as zero there."""
        if self.size == 1:
            return
        held = list(parameters)
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in held])
        dist.all_reduce(flat)
        for p, part in zip(held, torch.split(flat / self.size, [p.numel() for p in held]), strict=True):
            p.grad = part.view_as(p)


@contextlib.contextmanager
def joined() -> Iterator[World]:
    """The world that torchrun's variables describe; a single process without them."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = True
    if size > 1:
        dist.init_process_group("nccl" if gpu else "gloo")
    try:
        yield World(rank, size, device)
    finally:
        if size > 1:
            dist.destroy_process_group()


def clock(device: torch.device) -> Clock:
    """Real seconds, after everything that the device was given is done."""

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    return now


def fused(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same function in fused kernels, made anew for every shape of what it is given."""
    made: Callable[..., Tensor] = torch.compile(function, dynamic=False)
    return made


def seeded(seed: int) -> None:
    """Every generator that a library might use on its own; the stack itself draws from generators that it makes."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def autocast(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Bfloat16 on a GPU, float32 elsewhere."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else contextlib.nullcontext()
