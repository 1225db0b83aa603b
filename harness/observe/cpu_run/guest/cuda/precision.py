"""bfloat16 and autocast on a CPU: stored as it is, multiplied in float32, rounded once.

Tensors in bfloat16 are real ones: dtypes, bytes and bit tricks are what they are on a GPU. Autocast for cuda is
autocast of the CPU. A tensor core multiplies bfloat16 exactly, sums in float32 and rounds the result once; a CPU with
bfloat16 units does the same. Without such units torch emulates it and is 5 to 50 times slower than in float32 (1024 x
256 x 1024: 248 ms against 5 ms with AVX2), so there products are computed in float32 and rounded once: the same result.

Tensors cached in inference mode break training later, on a GPU as well, but scripts rely on compiled code that makes
them anew; `inference_mode` therefore is `no_grad`.
"""

# ruff: noqa: FBT001, FBT002  signatures are those of torch

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.amp import autocast_mode

from harness.observe.cpu_run.guest.cuda.patching import put
from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used

AUTOCAST = "autocast"
PRODUCTS = "bfloat16 products"
INFERENCE = "inference_mode"


def _kind(device_type: str) -> str:
    return "cpu" if device_type == "cuda" else device_type


def _autocast_init(original: Callable[..., None]) -> Callable[..., None]:
    """torch.autocast: for cuda it is that of the CPU, whose default type is the one of cuda."""

    @functools.wraps(original)
    def init(
        self: Any,
        device_type: str,
        dtype: torch.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if device_type == "cuda":
            used(AUTOCAST)
            original(self, "cpu", torch.float16 if dtype is None else dtype, enabled, cache_enabled)
        else:
            original(self, device_type, dtype, enabled, cache_enabled)

    return init


def _by_kind(original: Callable[..., Any]) -> Callable[..., Any]:
    """A question about autocast: of cuda where no device is named, and of the CPU in its place."""

    @functools.wraps(original)
    def asked(device_type: str = "cuda", *args: Any) -> Any:
        if not isinstance(device_type, str):  # set_autocast_enabled(True) means cuda
            return original("cpu", device_type, *args)
        return original(_kind(device_type), *args)

    return asked


def has_units() -> bool:
    """Whether this CPU multiplies bfloat16 itself."""
    return bool(torch.cpu._is_avx512_bf16_supported())


def _lowered() -> torch.dtype | None:
    """The type that autocast has products computed in now."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None


def _product(original: Callable[..., Any]) -> Callable[..., Any]:
    """A matrix product: of bfloat16 in float32, rounded once to bfloat16."""

    @functools.wraps(original)
    def product(*args: Any, **keywords: Any) -> Any:
        lowered = _lowered() if torch.is_autocast_enabled("cpu") else None
        if lowered is None:
            if not any(isinstance(one, torch.Tensor) and one.dtype is torch.bfloat16 for one in args):
                return original(*args, **keywords)
        elif lowered is not torch.bfloat16:
            return original(*args, **keywords)
        if keywords.get("out") is not None or keywords.get("dtype") is not None:
            return original(*args, **keywords)
        if lowered is None and not all(
            one.dtype is torch.bfloat16 for one in args if isinstance(one, torch.Tensor)
        ):  # mixed types: torch has the error
            return original(*args, **keywords)
        used(PRODUCTS)
        wide = [_widened(one) for one in args]
        wider = {name: _widened(one) for name, one in keywords.items()}
        if lowered is None:
            return original(*wide, **wider).to(torch.bfloat16)
        with torch.autocast("cpu", enabled=False):
            return original(*wide, **wider).to(torch.bfloat16)

    return product


def _widened(value: Any) -> Any:
    """A tensor rounded to bfloat16, in float32; lists of them too; anything else as it is."""
    if isinstance(value, torch.Tensor):
        return value.to(torch.bfloat16).to(torch.float32) if value.is_floating_point() else value
    return (
        [_widened(one) for one in value]
        if isinstance(value, list | tuple) and value and isinstance(value[0], torch.Tensor)
        else value
    )


_FUNCTIONS = ("matmul", "mm", "bmm", "mv", "addmm", "addmv", "addbmm", "baddbmm", "einsum", "chain_matmul")
_METHODS = ("matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "addmm", "addmv", "addbmm", "baddbmm")


def install_products() -> None:
    """Compute products of bfloat16 in float32; a second call changes nothing."""
    if hasattr(torch.nn.functional.linear, "__wrapped__"):
        return
    stand_in(StandIn(PRODUCTS, exact=True, reason="no bfloat16 units: multiplied in float32 and rounded once"))
    linear = _product(torch.nn.functional.linear)
    put(torch.nn.functional, linear=linear)
    put(torch._C._nn, linear=linear)
    for name in _FUNCTIONS:
        setattr(torch, name, _product(getattr(torch, name)))
    for name in _METHODS:
        setattr(torch.Tensor, name, _product(getattr(torch.Tensor, name)))
    for name in ("conv1d", "conv2d"):
        setattr(torch.nn.functional, name, _product(getattr(torch.nn.functional, name)))


class InferenceMode(torch.no_grad):
    """torch.inference_mode as no_grad, as a context manager or a decorator, with and without its argument."""

    def __new__(cls, mode: Any = True) -> Any:  # noqa: D102  as torch.inference_mode
        used(INFERENCE)
        return super().__new__(cls)(mode) if callable(mode) else super().__new__(cls)

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
    """Replace autocast, products where this CPU needs it, and inference_mode; a second call changes nothing."""
    if isinstance(torch.inference_mode, type) and issubclass(torch.inference_mode, torch.no_grad):
        return
    stand_in(
        StandIn(
            AUTOCAST, exact=True, reason="the CPU's autocast: it keeps a few functions in bfloat16 that CUDA widens"
        )
    )
    stand_in(StandIn(INFERENCE, exact=True, reason="no_grad, so that what it caches may enter training later"))
    kind = autocast_mode.autocast
    put(kind, __init__=_autocast_init(kind.__init__))
    for name in ("is_autocast_enabled", "get_autocast_dtype", "set_autocast_enabled", "set_autocast_dtype"):
        setattr(torch, name, _by_kind(getattr(torch, name)))
    put(
        torch,
        get_autocast_gpu_dtype=lambda: torch.get_autocast_dtype("cpu"),
        set_autocast_gpu_dtype=lambda dtype: torch.set_autocast_dtype("cpu", dtype),
        inference_mode=InferenceMode,
        is_inference_mode_enabled=lambda: False,
    )
    if not has_units():
        install_products()
