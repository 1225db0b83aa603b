"""The modules of Triton, as its users import them."""

from __future__ import annotations

from types import SimpleNamespace

from harness.observe.cpu_run.guest.stand_ins.triton import language, launch, memory

VERSION = "3.5.0"
"""Of Triton, as torch 2.9 has it."""


def cdiv(a: int, b: int) -> int:
    """The quotient a / b, rounded up."""
    return -(-a // b)


def next_power_of_2(n: int) -> int:
    """The smallest power of two that is not below n."""
    return 1 << (n - 1).bit_length() if n > 0 else 0


def modules() -> dict[str, dict[str, object]]:
    """Names of the modules, with what is in each."""
    libdevice = language.math_names()
    tuning = {
        "autotune": launch.autotune,
        "Autotuner": launch.Autotuner,
        "Config": launch.Config,
        "heuristics": launch.heuristics,
        "Heuristics": launch.Heuristics,
    }
    jit = {"jit": launch.jit, "JITFunction": launch.JITFunction}
    helpers = {"cdiv": cdiv, "next_power_of_2": next_power_of_2, "set_allocator": language.nothing}
    return {
        "triton": {"__version__": VERSION, "constexpr": language.constexpr, **jit, **tuning, **helpers},
        "triton.language": {**language.names(), "math": SimpleNamespace(**libdevice)},
        "triton.language.math": libdevice,
        "triton.language.extra": {"libdevice": SimpleNamespace(**libdevice)},
        "triton.language.extra.libdevice": libdevice,
        "triton.language.extra.cuda": {"libdevice": SimpleNamespace(**libdevice)},
        "triton.language.extra.cuda.libdevice": libdevice,
        "triton.runtime": {**jit, **tuning},
        "triton.runtime.jit": jit,
        "triton.runtime.autotuner": tuning,
        "triton.tools": {},
        "triton.tools.tensor_descriptor": {"TensorDescriptor": memory.TensorDescriptor},
    }
