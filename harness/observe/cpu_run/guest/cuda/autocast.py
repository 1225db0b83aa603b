"""Autocast for cuda on a CPU: the CPU's autocast, with CUDA's lists of functions.

Both compute matrix products in the lower type. CUDA's autocast also widens what is sensitive (softmax, exp, sums, norms
...) to float32; the CPU's leaves most of that in bfloat16, where probabilities would no longer sum to one. Those
functions are widened here. The lists are those of PyTorch's documentation of autocast ("CUDA Ops that can autocast to
float32").
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

NAME = "autocast"

WIDENED = (
    "acos", "asin", "cosh", "erfinv", "exp", "expm1", "log", "log10", "log2", "log1p", "reciprocal", "rsqrt", "sinh",
    "tan", "pow", "cumprod", "cumsum", "prod", "sum", "norm", "renorm", "dist", "cdist", "logsumexp", "softmax",
    "log_softmax", "softmin", "softplus", "layer_norm", "group_norm", "cosine_similarity", "normalize",
    "vector_norm", "matrix_norm",
)  # fmt: skip
"""Functions that are computed in float32, wherever torch has them."""
_OPERATORS = ("__pow__", "__rpow__", "__rtruediv__", "__rdiv__")
LOWERED = ("mv", "addmv", "addr")
"""Functions that CUDA's autocast lowers and the CPU's does not."""

ALONE = (
    "cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack", "column_stack", "row_stack", "index_copy",
)  # fmt: skip
"""Functions that the CPU's autocast brings to one type, refusing half precision that is not its own, and that CUDA's
leaves alone: torch itself joins what has several types in the widest."""

_active: Callable[[str], bool] = torch.is_autocast_enabled
_lower_type: Callable[[str], torch.dtype] = torch.get_autocast_dtype


def lowered_type() -> torch.dtype | None:
    """The type that products are computed in now; None outside autocast."""
    return _lower_type("cpu") if _active("cpu") else None


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, torch.Tensor) and value.dtype in (torch.bfloat16, torch.float16, torch.float32):
        return value.to(dtype)
    return value


def _widening(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that autocast computes in float32, unless it is told a type."""

    @functools.wraps(original)
    def widened(*args: Any, **keywords: Any) -> Any:
        if not _active("cpu") or keywords.get("dtype") is not None or keywords.get("out") is not None:
            return original(*args, **keywords)
        return original(*(_cast(one, torch.float32) for one in args), **keywords)

    return widened


def _lowering(original: Callable[..., Any]) -> Callable[..., Any]:
    """A product that autocast computes in the lower type."""

    @functools.wraps(original)
    def lowered(*args: Any, **keywords: Any) -> Any:
        dtype = lowered_type()
        return original(*args, **keywords) if dtype is None else original(*(_cast(a, dtype) for a in args), **keywords)

    return lowered


def _left_alone(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that autocast does not concern."""

    @functools.wraps(original)
    def left_alone(*args: Any, **keywords: Any) -> Any:
        if not _active("cpu"):
            return original(*args, **keywords)
        with torch.autocast("cpu", enabled=False):
            return original(*args, **keywords)

    return left_alone


def _init(original: Callable[..., None]) -> Callable[..., None]:
    """torch.autocast: for cuda it is that of the CPU, with the default type of cuda."""

    @functools.wraps(original)
    def init(
        self: Any,
        device_type: str,
        dtype: torch.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if device_type == "cuda":
            used(NAME)
            original(self, "cpu", torch.float16 if dtype is None else dtype, enabled, cache_enabled)
        else:
            original(self, device_type, dtype, enabled, cache_enabled)

    return init


def _by_kind(original: Callable[..., Any]) -> Callable[..., Any]:
    """A question about autocast: of cuda where no device is named, and of the CPU in its place."""

    @functools.wraps(original)
    def asked(device_type: Any = "cuda", *args: Any) -> Any:
        if not isinstance(device_type, str):  # set_autocast_enabled(True) means cuda
            return original("cpu", device_type, *args)
        return original("cpu" if device_type == "cuda" else device_type, *args)

    return asked


def install() -> None:
    """Make autocast for cuda work on the CPU; a second call changes nothing."""
    kind = autocast_mode.autocast
    if hasattr(kind.__init__, "__wrapped__"):
        return
    stand_in(StandIn(NAME, exact=True, reason="the CPU's autocast with CUDA's lists of functions"))
    put(kind, __init__=_init(kind.__init__))
    for name in ("is_autocast_enabled", "get_autocast_dtype", "set_autocast_enabled", "set_autocast_dtype"):
        setattr(torch, name, _by_kind(getattr(torch, name)))
    put(
        torch,
        get_autocast_gpu_dtype=lambda: _lower_type("cpu"),
        set_autocast_gpu_dtype=lambda dtype: torch.set_autocast_dtype("cpu", dtype),
    )
    for owner in (torch, torch.Tensor, torch.nn.functional, torch.special, torch.linalg):
        for name in (*WIDENED, *_OPERATORS) if owner is torch.Tensor else WIDENED:
            if hasattr(owner, name):
                setattr(owner, name, _widening(getattr(owner, name)))
        for names, change in ((LOWERED, _lowering), (ALONE, _left_alone)):
            for name in names:
                if hasattr(owner, name):
                    setattr(owner, name, change(getattr(owner, name)))
