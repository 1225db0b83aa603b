"""torch.compile without compiling: what is called is the program as it was written.

A compiled module is torch's own `OptimizedModule` around the original one, so that `_orig_mod` and the prefix in the
keys of its state are where scripts look for them. A compiled function is the function.
"""

# ruff: noqa: ARG001, FBT001, FBT002  signatures are those of torch

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
import torch._dynamo
import torch._inductor.config
from torch._dynamo.eval_frame import OptimizedModule

from harness.observe.cpu_run.guest.cuda.patching import put
from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used

NAME = "torch.compile"


def _same(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def compile(model: Any = None, *_: Any, **__: Any) -> Any:  # noqa: A001  the name in torch
    """As torch.compile, as a call or as a decorator with options; the program runs as it was written."""
    used(NAME)
    if model is None:
        return compile
    if isinstance(model, torch.nn.Module) and not isinstance(model, OptimizedModule):
        return OptimizedModule(model, cast("Any", _same))
    return model


def _for_cpu(kinds: Any) -> Any:
    """Device types of an operator: one for cuda is one for the CPU."""
    if isinstance(kinds, str):
        return "cpu" if kinds == "cuda" else kinds
    return kinds if kinds is None else tuple(dict.fromkeys("cpu" if kind == "cuda" else kind for kind in kinds))


def _operators() -> None:
    """torch.library: what is registered for cuda is registered for the CPU."""
    custom_op: Any = torch.library.custom_op
    register_kernel: Any = torch.library.register_kernel
    implement: Any = torch.library.Library.impl

    def own_custom_op(
        name: str, fn: Any = None, /, *, mutates_args: Any, device_types: Any = None, **keywords: Any
    ) -> Any:
        return custom_op(name, fn, mutates_args=mutates_args, device_types=_for_cpu(device_types), **keywords)

    def own_register_kernel(op: Any, device_types: Any, func: Any = None, /, **keywords: Any) -> Any:
        return register_kernel(op, _for_cpu(device_types), func, **keywords)

    def own_impl(self: Any, op_name: Any, fn: Any, dispatch_key: str = "", **keywords: Any) -> Any:
        return implement(self, op_name, fn, dispatch_key.replace("CUDA", "CPU"), **keywords)

    put(torch.library, custom_op=own_custom_op, register_kernel=own_register_kernel)
    put(torch.library.Library, impl=own_impl)


def install() -> None:
    """Replace torch.compile and what registers operators for cuda; a second call changes nothing."""
    if torch.compile is compile:
        return
    stand_in(StandIn(NAME, exact=True, reason="the program runs as written; compiled kernels may round differently"))
    put(torch, compile=compile)
    put(torch.compiler, compile=compile, disable=_disable, cudagraph_mark_step_begin=lambda: None, reset=lambda: None)
    put(torch._dynamo, optimize=lambda *_, **__: _same, disable=_disable, reset=lambda: None)  # nothing was compiled
    _operators()


def _disable(fn: Any = None, recursive: bool = True, **_: Any) -> Any:
    return _same if fn is None else fn
