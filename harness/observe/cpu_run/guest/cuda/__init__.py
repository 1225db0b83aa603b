"""A script written for CUDA on a CPU: devices, `torch.cuda`, autocast, compile, attention, optimizers, NCCL."""

from __future__ import annotations

from harness.observe.cpu_run.guest import clock
from harness.observe.cpu_run.guest.cuda import (
    attention,
    compiling,
    devices,
    distributed,
    optimizers,
    precision,
    runtime,
)


def install_all() -> None:
    """Install everything, once, before any run is forked. torch._dynamo is loaded first: it must see torch as it is."""
    clock.install()
    compiling.install()
    runtime.install()
    precision.install()
    attention.install()
    optimizers.install()
    distributed.install()
    devices.install()
