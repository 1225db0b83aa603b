"""bfloat16 on a CPU: stored as it is, multiplied in float32, rounded once.

Tensors in bfloat16 are real ones: dtypes, bytes and bit tricks are what they are on a GPU. A tensor core multiplies
bfloat16 exactly, sums in float32 and rounds the result once; a CPU with bfloat16 units does the same. Without such
units torch emulates it and is 4 to 50 times slower than in float32 (1024 x 256 x 1024: 248 ms against 5 ms with AVX2,
16 ms against 3 ms with AVX-512), so there products are computed in float32 and rounded once: the same result. For
products of float8 torch has a kernel on the CPU.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from harness.observe.cpu_run.guest.cuda.autocast import lowered_type
from harness.observe.cpu_run.guest.cuda.patching import put
from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used

NAME = "bfloat16 products"

_FUNCTIONS = ("matmul", "mm", "bmm", "mv", "addmm", "addmv", "addbmm", "baddbmm", "einsum", "chain_matmul")
_METHODS = ("matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "addmm", "addmv", "addbmm", "baddbmm")
_CONVOLUTIONS = ("conv1d", "conv2d")
_IN_PLACE = ("out", "dtype", "out_dtype")


def has_units() -> bool:
    """Whether this CPU multiplies bfloat16 itself."""
    return bool(torch.cpu._is_avx512_bf16_supported())


def _tensors(values: tuple[Any, ...]) -> list[torch.Tensor]:
    found = []
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += [one for one in value if isinstance(one, torch.Tensor)]
    return found


def _product(original: Callable[..., Any]) -> Callable[..., Any]:
    """A matrix product: of bfloat16 in float32, rounded once to bfloat16."""

    @functools.wraps(original)
    def product(*args: Any, **keywords: Any) -> Any:
        lowered, given = lowered_type(), _tensors((*args, *keywords.values()))
        if lowered is None:
            if any(one.dtype is not torch.bfloat16 for one in given):
                return original(*args, **keywords)  # mixed types are torch's to refuse
        elif lowered is not torch.bfloat16 or any(one.dtype is torch.float64 for one in given):
            return original(*args, **keywords)
        if any(keywords.get(name) is not None for name in _IN_PLACE):
            return original(*args, **keywords)
        used(NAME)
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
    if isinstance(value, list | tuple):
        return type(value)(_widened(one) for one in value)
    return value


def install(*, units: bool | None = None) -> None:
    """Compute products of bfloat16 in float32 where the CPU has no units for them; a second call changes nothing.

    `units` says so instead of the CPU.
    """
    functional = torch.nn.functional
    if (has_units() if units is None else units) or hasattr(functional.linear, "__wrapped__"):
        return
    stand_in(StandIn(NAME, exact=True, reason="no bfloat16 units: multiplied in float32 and rounded once"))
    linear = _product(functional.linear)
    put(functional, linear=linear)
    put(torch._C._nn, linear=linear)
    for owner, names in ((torch, _FUNCTIONS), (torch.Tensor, _METHODS), (functional, _CONVOLUTIONS)):
        for name in names:
            setattr(owner, name, _product(getattr(owner, name)))
