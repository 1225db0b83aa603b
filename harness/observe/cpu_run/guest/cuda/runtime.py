"""`torch.cuda.*` of one H100 as a script sees it: device, streams, events, memory, random numbers.

Work on a CPU is done when a call returns, so streams and synchronisation have nothing to do; the time between two
events is that of the virtual clock. CUDA graphs record kernels without running them: there is nothing to record here,
and they are refused.
"""

# ruff: noqa: ARG001, ARG002, FBT001, FBT002, FBT003  signatures are those of torch

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch

from harness.observe.cpu_run.guest import clock
from harness.observe.cpu_run.guest.cuda import placement
from harness.observe.cpu_run.guest.cuda.patching import put
from harness.observe.cpu_run.guest.fidelity import NotSupported, StandIn, stand_in, used

NAME = "cuda runtime"
GPU_NAME = "NVIDIA H100 80GB HBM3"
CAPABILITY = (9, 0)
TOTAL_MEMORY = 85_017_755_648
"""Bytes that an H100 80GB HBM3 reports."""
USED_MEMORY = 16 << 30
"""Bytes that every question about memory in use is answered with."""
CUDA_VERSION = "12.8"
DRIVER_VERSION = "570.124.06"

_PROPERTIES = {
    "name": GPU_NAME, "major": CAPABILITY[0], "minor": CAPABILITY[1], "total_memory": TOTAL_MEMORY,
    "multi_processor_count": 132, "L2_cache_size": 50 << 20, "warp_size": 32, "regs_per_multiprocessor": 65_536,
    "max_threads_per_multi_processor": 2_048, "max_threads_per_block": 1_024, "shared_memory_per_block": 49_152,
    "shared_memory_per_block_optin": 232_448, "shared_memory_per_multiprocessor": 233_472, "is_integrated": 0,
    "is_multi_gpu_board": 0, "clock_rate": 1_980_000, "memory_clock_rate": 2_619_000, "memory_bus_width": 5_120,
    "uuid": "00000000-0000-0000-0000-000000000000", "gcnArchName": "", "pci_bus_id": 0x19, "pci_device_id": 0,
    "pci_domain_id": 0,
}  # fmt: skip


def device_count() -> int:
    """As torch.cuda.device_count: one device for every process that the launcher says it started here."""
    return int(os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("WORLD_SIZE") or 1)


class Stream:
    """torch.cuda.Stream: work is done in order anyway. Usable as a context manager."""

    def __init__(self, device: placement.Device = None, priority: int = 0, **_: Any) -> None:
        self.device = placement.current.device if device is None else torch.device(device)
        self.priority = priority
        self.stream_id = self.cuda_stream = 0
        self.device_index = self.device.index

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def synchronize(self) -> None:
        """All work is done."""

    def query(self) -> bool:
        """Whether all work is done."""
        return True

    def is_capturing(self) -> bool:
        """Whether a graph is recorded: none ever is. torch's optimizers ask before every step."""
        return False

    def wait_stream(self, stream: Stream) -> None:
        """Wait for another stream: all its work is done."""

    def wait_event(self, event: Event) -> None:
        """Wait for an event: it has happened."""

    def record_event(self, event: Event | None = None) -> Event:
        """Record an event, a new one where none is given."""
        event = event or Event()
        event.record(self)
        return event


class Event:
    """torch.cuda.Event: a reading of the virtual clock."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> None:
        self._timed = enable_timing
        self._at: int | None = None

    def record(self, stream: Stream | None = None) -> None:
        """Remember the time."""
        self._at = clock.read()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to another. RuntimeError when one was not recorded or does not take the time."""
        if not (self._timed and end_event._timed):
            raise RuntimeError("Both events must be created with argument 'enable_timing=True'.")
        if self._at is None or end_event._at is None:
            raise RuntimeError("Both events must be recorded before calculating elapsed time.")
        return (end_event._at - self._at) / 1e6

    def query(self) -> bool:
        """Whether the event has happened."""
        return True

    def synchronize(self) -> None:
        """Wait for the event: it has happened."""

    def wait(self, stream: Stream | None = None) -> None:
        """Make a stream wait for the event: it has happened."""


class _Refused:
    """A class of torch.cuda that cannot be provided: making one raises NotSupported."""

    why = "a CPU cannot record kernels without running them"

    def __init__(self, *_: Any, **__: Any) -> None:
        raise NotSupported(f"torch.cuda.{type(self).__name__}", self.why)


def _graph_pool_handle() -> None:
    raise NotSupported("torch.cuda.graph_pool_handle", _Refused.why)


def _profiling(original: Callable[..., None]) -> Callable[..., None]:
    """torch.profiler: what happens on the CPU is all there is; asked for CUDA it would complain at every operation."""

    @functools.wraps(original)
    def init(self: Any, *, activities: Any = None, **keywords: Any) -> None:
        original(self, activities=[torch.profiler.ProfilerActivity.CPU], **keywords)

    return init


class CUDAGraph(_Refused):
    """torch.cuda.CUDAGraph."""


class graph(_Refused):  # noqa: N801  the name in torch.cuda
    """torch.cuda.graph."""


class device:  # noqa: N801  the name in torch.cuda
    """torch.cuda.device: the current device inside a `with`."""

    def __init__(self, device: placement.Device) -> None:
        self._inner = device
        self._before = placement.current.device

    def __enter__(self) -> None:
        self._before = placement.current.device
        placement.set_device(self._inner)

    def __exit__(self, *_: object) -> None:
        placement.current.device = self._before


_default_stream = Stream()


class stream:  # noqa: N801  the name in torch.cuda
    """torch.cuda.stream and StreamContext: the current stream inside a `with`."""

    current = _default_stream

    def __init__(self, stream: Stream | None) -> None:
        self._inner = stream
        self._before = _default_stream

    def __enter__(self) -> Stream | None:
        self._before = type(self).current
        if self._inner is not None:
            stream.current = self._inner
        return self._inner

    def __exit__(self, *_: object) -> None:
        stream.current = self._before


def _seed(seed: int) -> None:
    torch.default_generator.manual_seed(int(seed))


def _seed_at_random() -> None:
    torch.default_generator.seed()


def _capability(device: placement.Device = None) -> tuple[int, int]:
    return CAPABILITY


def _properties(device: placement.Device = None) -> SimpleNamespace:
    return SimpleNamespace(**_PROPERTIES)


def _state(device: placement.Device = None) -> torch.Tensor:
    return torch.default_generator.get_state()


def _set_state(new_state: torch.Tensor, device: placement.Device = None) -> None:
    torch.default_generator.set_state(new_state)


def _constant(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


def _graphed(callables: Any, sample_args: Any, *_: Any, **__: Any) -> Any:
    return callables  # replaying the graph of a function is calling the function


_STATISTICS = {
    f"{what}.{pool}.{when}": USED_MEMORY if when in ("current", "peak") else 0
    for what in ("allocated_bytes", "reserved_bytes", "active_bytes")
    for pool in ("all", "large_pool", "small_pool")
    for when in ("current", "peak", "allocated", "freed")
} | {"num_alloc_retries": 0, "num_ooms": 0}

_NOTHING = (
    "init", "_lazy_init", "synchronize", "empty_cache", "ipc_collect", "reset_peak_memory_stats",
    "reset_max_memory_allocated", "reset_max_memory_cached", "reset_accumulated_memory_stats", "set_sync_debug_mode",
    "set_per_process_memory_fraction", "set_stream", "_sleep",
)  # fmt: skip
_ANSWERS: dict[str, Any] = {
    "is_available": True, "is_initialized": True, "_is_compiled": True, "_is_in_bad_fork": False,
    "is_bf16_supported": True, "is_tf32_supported": True, "is_current_stream_capturing": False,
    "get_device_name": GPU_NAME, "get_arch_list": ["sm_80", "sm_90"], "get_sync_debug_mode": 0,
    "memory_allocated": USED_MEMORY, "max_memory_allocated": USED_MEMORY, "memory_reserved": USED_MEMORY,
    "max_memory_reserved": USED_MEMORY, "memory_cached": USED_MEMORY, "max_memory_cached": USED_MEMORY,
    "mem_get_info": (TOTAL_MEMORY - USED_MEMORY, TOTAL_MEMORY), "memory_summary": "", "memory_snapshot": [],
    "utilization": 99, "memory_usage": 20, "temperature": 60, "power_draw": 650_000, "clock_rate": 1_980,
    "can_device_access_peer": True, "current_blas_handle": 0, "list_gpu_processes": "GPU:0\nno processes are running",
    "get_gencode_flags": "", "device_memory_used": USED_MEMORY,
}  # fmt: skip


def _sdp_toggles() -> None:
    """The switches between attention kernels of CUDA: remembered, without an effect on the CPU's one way."""
    switches = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True, "fp16_bf16_reduction_math": False}
    backend = torch.backends.cuda

    def enable(kind: str) -> Callable[[bool], None]:
        return lambda enabled: switches.__setitem__(kind, bool(enabled))

    def enabled(kind: str) -> Callable[[], bool]:
        return lambda: switches[kind]

    for kind in ("flash", "mem_efficient", "math", "cudnn"):
        setattr(backend, f"enable_{kind}_sdp", enable(kind))
        setattr(backend, f"{kind}_sdp_enabled", enabled(kind))
    put(
        backend,
        allow_fp16_bf16_reduction_math_sdp=enable("fp16_bf16_reduction_math"),
        fp16_bf16_reduction_math_sdp_allowed=enabled("fp16_bf16_reduction_math"),
    )
    put(backend, is_built=_constant(True))
    put(backend, can_use_flash_attention=_constant(True))
    put(backend, can_use_efficient_attention=_constant(True))
    put(backend, can_use_cudnn_attention=_constant(True))
    put(backend, is_flash_attention_available=_constant(True))


class _Matmul:
    """torch.backends.cuda.matmul: remembers what it is told; products in float32 stay exact."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    allow_fp16_accumulation = False
    fp32_precision = "ieee"


def _precision_of_products() -> None:
    """The switches of TF32: on this torch they also make CPU products less exact, so they are only remembered."""
    chosen = ["highest"]

    def choose(precision: str) -> None:
        if precision not in ("highest", "high", "medium"):
            raise RuntimeError(f"Invalid value for float32 matmul precision: {precision!r}")
        chosen[0] = precision
        matmul.allow_tf32 = precision != "highest"

    matmul = _Matmul()
    put(torch.backends.cuda, matmul=matmul)
    put(torch, set_float32_matmul_precision=choose, get_float32_matmul_precision=lambda: chosen[0])


def _no_ranges() -> None:
    """torch.cuda.nvtx and torch.cuda.profiler: marks in a profile that nobody takes."""
    for name in ("range_push", "range_pop", "mark", "range_start", "range_end"):
        setattr(torch.cuda.nvtx, name, _constant(0))
    for name in ("start", "stop", "init"):
        setattr(torch.cuda.profiler, name, _constant(None))
    runtime = SimpleNamespace(
        cudaProfilerStart=_constant(0), cudaProfilerStop=_constant(0), cudaDeviceSynchronize=_constant(0),
        cudaMemGetInfo=_constant((TOTAL_MEMORY - USED_MEMORY, TOTAL_MEMORY)),
    )  # fmt: skip
    put(torch.cuda, cudart=lambda: runtime)


def nvidia_smi() -> str:
    """What the program `nvidia-smi` prints."""
    line = "+" + "-" * 89 + "+"
    return "\n".join((
        "Thu Jan  1 00:00:00 2026", line,
        f"| NVIDIA-SMI {DRIVER_VERSION:<21}  Driver Version: {DRIVER_VERSION:<14} CUDA Version: {CUDA_VERSION:<10} |",
        line,
        "| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |",
        "| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |",
        line,
        f"|   0  {GPU_NAME:<25}      On |   00000000:19:00.0 Off |                    0 |",
        "| N/A   35C    P0            118W /  700W |  16384MiB /  81559MiB |      0%      Default |",
        line, "",
    ))  # fmt: skip


def nvidia_smi_program() -> str:
    """The text of an executable to be called `nvidia-smi`."""
    return f"#!/bin/sh\ncat <<'END'\n{nvidia_smi()}END\n"


def install() -> None:
    """Replace what torch.cuda answers; a second call changes nothing."""
    if torch.cuda.is_available():
        return
    stand_in(StandIn(NAME, exact=True, reason="work is done when a call returns; times are those of the virtual clock"))
    for name in _NOTHING:
        setattr(torch.cuda, name, _constant(None))
    for name, answer in _ANSWERS.items():
        setattr(torch.cuda, name, _constant(answer))
    given: dict[str, Any] = {
        "Stream": Stream, "ExternalStream": Stream, "Event": Event, "CUDAGraph": CUDAGraph, "graph": graph,
        "device": device, "stream": stream, "StreamContext": stream, "make_graphed_callables": _graphed,
        "graph_pool_handle": _graph_pool_handle,
        "device_count": device_count, "current_device": lambda: placement.current.device.index,
        "set_device": _set_device, "get_device_capability": _capability, "get_device_properties": _properties,
        "current_stream": lambda device=None: stream.current,  # noqa: ARG005  the signature in torch.cuda
        "default_stream": lambda device=None: _default_stream,  # noqa: ARG005  the signature in torch.cuda
        "manual_seed": _seed, "manual_seed_all": _seed, "seed": _seed_at_random, "seed_all": _seed_at_random,
        "initial_seed": torch.default_generator.initial_seed,
        "get_rng_state": _state, "get_rng_state_all": lambda: [_state()], "set_rng_state": _set_state,
        "set_rng_state_all": lambda states: _set_state(states[0]),
        "memory_stats": lambda device=None: dict(_STATISTICS),  # noqa: ARG005  the signature in torch.cuda
        "default_generators": (torch.default_generator,),
    }  # fmt: skip
    for name, value in given.items():
        setattr(torch.cuda, name, value)
    for name in ("manual_seed", "manual_seed_all", "get_rng_state", "set_rng_state", "seed", "seed_all"):
        setattr(torch.cuda.random, name, given[name])
    for name in ("synchronize", "empty_cache", "memory_allocated", "max_memory_allocated", "memory_stats"):
        if hasattr(torch.cuda.memory, name):
            setattr(torch.cuda.memory, name, getattr(torch.cuda, name))
    put(torch.cuda.memory, _record_memory_history=_constant(None), _dump_snapshot=_constant(None))
    put(torch.cuda.memory, _snapshot=lambda *_, **__: {"segments": [], "device_traces": []})
    for module in (torch.cuda.streams, torch.cuda.graphs):
        for name in ("Stream", "Event", "ExternalStream", "CUDAGraph", "graph", "make_graphed_callables"):
            if hasattr(module, name):
                setattr(module, name, given[name])
    for name in dir(torch.cuda):
        if name.endswith("Tensor") and hasattr(torch, name):
            setattr(torch.cuda, name, getattr(torch, name))
    profiler = torch.profiler.profiler._KinetoProfile
    put(profiler, __init__=_profiling(profiler.__init__))
    put(torch.version, cuda=CUDA_VERSION)
    put(torch.backends.cudnn, is_available=_constant(True), version=_constant(90_800))
    _sdp_toggles()
    _precision_of_products()
    _no_ranges()


def _set_device(device: placement.Device) -> None:
    used(NAME)
    placement.set_device(device)
