"""A script written for CUDA on a CPU: devices, `torch.cuda`, autocast, compile, attention, optimizers, NCCL."""

from __future__ import annotations

from harness.observe.cpu_run.guest import clock
from harness.observe.cpu_run.guest.cuda import (  # processes is loaded with the rest: it keeps torch's own classes
    accelerator,
    attention,
    autocast,
    cholesky,
    compiling,
    devices,
    distributed,
    inference,
    memory,
    optimizers,
    precision,
    processes,
    runtime,
    scanning,
)


def install_all() -> None:
    """Install everything, once, before any run is forked. torch._dynamo is loaded first: it must see torch as it is."""
    clock.install()
    compiling.install()
    scanning.install()
    runtime.install()
    accelerator.install()
    autocast.install()
    precision.install()
    inference.install()
    attention.install()
    cholesky.install()
    optimizers.install()
    distributed.install()
    devices.install()
    memory.install()


def use_processes() -> None:
    """Called in a process of a run of several, before the script: collectives among real processes."""
    processes.install()
