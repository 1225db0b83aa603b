"""`triton.jit` and what launches kernels: the programs of a grid run as the Python functions that they are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used
from harness.observe.cpu_run.guest.stand_ins.triton import language
from harness.observe.cpu_run.guest.stand_ins.triton.language import Programs
from harness.observe.cpu_run.guest.stand_ins.triton.memory import Descriptor, Journal, Memory, Pointer, TensorDescriptor
from harness.observe.cpu_run.guest.stand_ins.triton.values import Integer, Split, value

NAME = "triton"
BATCH = 512
"""Programs that run at once: enough to hide Python, few enough that a block of 8,192 floats a program stays small."""

OPTIONS = frozenset(
    {"num_warps", "num_stages", "num_ctas", "maxnreg", "enable_fp_fusion", "waves_per_eu", "matrix_instr_nonkdim"}
)
"""Launch options that change how a kernel is compiled, never what it computes."""

stand_in(
    StandIn(
        NAME,
        exact=True,
        reason="kernels are run from their source on the CPU, sums in another order; autotuning takes the first choice",
    )
)

Grid = Any
"""A tuple of up to three extents, or a function of the kernel's named arguments that gives one."""


class JITFunction:
    """A kernel, or a function that kernels call."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.__name__ = fn.__name__
        self.__qualname__ = fn.__qualname__
        self.__module__ = fn.__module__
        self.__doc__ = fn.__doc__
        self.__wrapped__ = fn
        self.signature = inspect.signature(fn)
        self.arg_names = list(self.signature.parameters)
        self.constants = {name for name, one in self.signature.parameters.items() if "constexpr" in str(one.annotation)}

    def __getitem__(self, grid: Grid) -> Callable[..., None]:
        """The launch over a grid."""
        return lambda *args, **options: self.run(*args, grid=grid, **options)

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call it from a kernel. Raises RuntimeError elsewhere, as Triton does."""
        if not language.is_running():
            raise RuntimeError("Cannot call @triton.jit'd outside of the scope of a kernel")
        return self.fn(*args, **options)

    def run(self, *args: Any, grid: Grid, warmup: bool = False, **options: Any) -> None:
        """Run every program of the grid."""
        named = {key: one for key, one in options.items() if key in self.signature.parameters or key not in OPTIONS}
        bound = self.signature.bind(*args, **named)
        bound.apply_defaults()
        extents = _extents(grid, bound.arguments)
        if warmup:
            return
        used(NAME)
        launch = _Launch(self, bound.arguments, extents)
        autocast = torch.is_autocast_enabled("cpu")
        torch.set_autocast_enabled("cpu", False)  # noqa: FBT003  torch's order
        try:
            # functions of the scripts' tensors are not wanted here: neither gradients nor modes that watch calls
            with torch.no_grad(), torch._C.DisableTorchFunction():
                ids = _programs(extents)
                for first in range(0, len(ids), BATCH):
                    launch.run(ids[first : first + BATCH])
        finally:
            torch.set_autocast_enabled("cpu", autocast)


def _extents(grid: Grid, arguments: Mapping[str, Any]) -> tuple[int, int, int]:
    given = grid(dict(arguments)) if callable(grid) else grid
    sides = [int(side) for side in (given if isinstance(given, Sequence) else (given,))]
    x, y, z = (*sides, 1, 1, 1)[:3]
    return x, y, z


def _programs(extents: tuple[int, int, int]) -> Tensor:
    """The ids of all programs (programs, 3), int32, the first axis fastest."""
    z, y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.int32) for side in reversed(extents)), indexing="ij")
    return torch.stack((x.flatten(), y.flatten(), z.flatten()), dim=1)


@dataclass
class _Launch:
    """One launch of a kernel with its arguments."""

    kernel: JITFunction
    arguments: Mapping[str, Any]
    grid: tuple[int, int, int]

    def run(self, ids: Tensor) -> None:
        """Run programs (programs, 3) at once; where they part, each group that agrees by itself, from the start."""
        journal = Journal(kept=len(ids) > 1)  # a program alone parts from nobody
        arguments = {name: self._seen(name, one, journal, len(ids)) for name, one in self.arguments.items()}
        try:
            with language.running(Programs(ids, self.grid)):
                self.kernel.fn(**arguments)
        except Split as parting:
            journal.undo()
            for group in sorted(set(parting.group.tolist())):
                self.run(ids[parting.group == group])

    def _seen(self, name: str, one: Any, journal: Journal, programs: int) -> Any:
        """An argument as the kernel sees it."""
        if name in self.kernel.constants or one is None or isinstance(one, (bool, JITFunction)):
            return one
        if isinstance(one, Tensor):
            return Pointer(Memory.of(one, journal))
        if isinstance(one, TensorDescriptor):
            return Descriptor.of(one, journal, programs)
        if isinstance(one, int):
            return Integer(one)
        return value(one) if isinstance(one, float) else one


def jit(fn: Callable[..., Any] | None = None, **_options: object) -> Any:
    """`@triton.jit`, with or without options."""
    return jit if fn is None else JITFunction(fn)


@dataclass
class Config:
    """`triton.Config`: one choice of constants."""

    kwargs: dict[str, Any]
    num_warps: int = 4
    num_stages: int = 3
    num_ctas: int = 1
    maxnreg: int | None = None
    pre_hook: Callable[..., Any] | None = None
    ir_override: str | None = None

    def all_kwargs(self) -> dict[str, Any]:
        """The constants and the launch options."""
        options = {"num_warps": self.num_warps, "num_stages": self.num_stages, "num_ctas": self.num_ctas}
        return {**self.kwargs, **options}


@dataclass
class Autotuner:
    """`@triton.autotune`: the first choice, as nothing is to be gained from timing kernels here."""

    fn: Any
    configs: list[Config]
    arg_names: list[str] = field(default_factory=list)

    def __getitem__(self, grid: Grid) -> Callable[..., None]:
        """The launch over a grid."""
        return lambda *args, **options: self.run(*args, grid=grid, **options)

    def run(self, *args: Any, grid: Grid, **options: Any) -> None:
        """Run every program of the grid."""
        choice = self.configs[0] if self.configs else Config({})
        if choice.pre_hook is not None:
            choice.pre_hook({**dict(zip(self.arg_names, args, strict=False)), **options, **choice.all_kwargs()})
        self.fn.run(*args, grid=grid, **{**options, **choice.kwargs})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.fn, name)


def autotune(configs: Sequence[Config], key: Sequence[str] = (), **_options: object) -> Callable[[Any], Autotuner]:  # noqa: ARG001  a choice for each key is not needed
    """`@triton.autotune`."""
    return lambda fn: Autotuner(fn, list(configs), list(fn.arg_names))


@dataclass
class Heuristics:
    """`@triton.heuristics`: constants that are computed from the arguments."""

    fn: Any
    values: Mapping[str, Callable[[Mapping[str, Any]], Any]]
    arg_names: list[str] = field(default_factory=list)

    def __getitem__(self, grid: Grid) -> Callable[..., None]:
        """The launch over a grid."""
        return lambda *args, **options: self.run(*args, grid=grid, **options)

    def run(self, *args: Any, grid: Grid, **options: Any) -> None:
        """Run every program of the grid."""
        known = {**dict(zip(self.arg_names, args, strict=False)), **options}
        computed = {name: rule(known) for name, rule in self.values.items()}
        self.fn.run(*args, grid=grid, **{**options, **computed})


def heuristics(values: Mapping[str, Callable[[Mapping[str, Any]], Any]]) -> Callable[[Any], Heuristics]:
    """`@triton.heuristics`."""
    return lambda fn: Heuristics(fn, values, list(fn.arg_names))
