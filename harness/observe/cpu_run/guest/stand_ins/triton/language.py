"""`triton.language`: the part of it that kernels of submissions use, on values of many programs at once."""

from __future__ import annotations

import math as python_math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness.observe.cpu_run.guest.fidelity import NotSupported
from harness.observe.cpu_run.guest.stand_ins.triton import memory
from harness.observe.cpu_run.guest.stand_ins.triton.values import (
    DTYPES,
    DType,
    Integer,
    Operand,
    Value,
    broadcast,
    common,
    elementwise,
    value,
    whole,
)


@dataclass(frozen=True)
class Programs:
    """The programs that run at once: their ids (programs, 3), and the grid."""

    ids: Tensor
    grid: tuple[int, int, int]


_running: list[Programs] = []
"""Innermost last; empty outside of a launch."""


@contextmanager
def running(programs: Programs) -> Iterator[None]:
    """Let kernels see these programs."""
    _running.append(programs)
    try:
        yield
    finally:
        _running.pop()


def is_running() -> bool:
    """Whether a kernel is being run."""
    return bool(_running)


class constexpr:  # noqa: N801  its name in triton.language
    """Marks parameters; called, it gives its argument back: numbers of Python are constants here anyway."""

    def __new__(cls, constant: Any) -> Any:
        """The constant itself."""
        return constant


class pointer_type:  # noqa: N801  its name in triton.language
    """The type of pointers, which kernels may only name."""

    def __init__(self, element_ty: DType, *_args: object) -> None:
        self.element_ty = element_ty


# programs ----------------------------------------------------------------------------------------------------------


def program_id(axis: int) -> Value | Integer:
    """The place of the program in the grid."""
    ids = _running[-1].ids[:, axis]
    return Integer(ids[0]) if len(ids) == 1 else Value(ids, lanes=True)


def num_programs(axis: int) -> Integer:
    """The extent of the grid."""
    return Integer(_running[-1].grid[axis])


def range_(*bounds: Any, **_options: object) -> Iterator[Integer]:
    """Python's range, over integers of kernels."""
    return map(Integer, range(*(whole(bound) for bound in bounds)))


# making ------------------------------------------------------------------------------------------------------------


def arange(start: int, end: int) -> Value:
    """Integers from start up to end, int32."""
    return Value(torch.arange(int(start), int(end), dtype=torch.int32))


def full(shape: Sequence[int], filler: Operand, dtype: DType) -> Value:
    """A block of one number."""
    return value(filler).to(dtype).map(lambda data: data.expand(tuple(int(side) for side in shape)).clone())


def zeros(shape: Sequence[int], dtype: DType) -> Value:
    """A block of zeros."""
    return Value(torch.zeros(tuple(int(side) for side in shape), dtype=dtype.torch), unsigned=dtype.unsigned)


def zeros_like(block: Value) -> Value:
    """A block of zeros of the same shape and type."""
    return block.map(torch.zeros_like)


# shapes ------------------------------------------------------------------------------------------------------------


def _sides(shape: tuple[Any, ...]) -> tuple[int, ...]:
    inner = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
    return tuple(int(side) for side in inner)


def reshape(block: Value, *shape: Any, **_options: object) -> Value:
    """The elements in row-major order, in another shape."""
    return block.reshaped(*_sides(shape))


def permute(block: Value, *dims: Any) -> Value:
    """Dimensions in another order."""
    return block.permuted(*_sides(dims))


def trans(block: Value, *dims: Any) -> Value:
    """Transposed: the last two dimensions, or the order that is given."""
    return block.permuted(*_sides(dims)) if dims else block.T


def split(block: Value) -> tuple[Value, Value]:
    """The two halves along the last dimension, which has two elements."""
    if block.shape[-1] != 2:
        raise ValueError("tl.split needs a last dimension of 2")
    return block.map(lambda data: data[..., 0]), block.map(lambda data: data[..., 1])


def join(a: Value, b: Value) -> Value:
    """Two blocks along a new last dimension."""
    x, y = common(a, b)
    (one, two), lanes = broadcast(x, y)
    return Value(torch.stack((one, two), dim=-1), lanes=lanes, unsigned=x.unsigned)


def expand_dims(block: Value, axis: int) -> Value:
    """With a new dimension of one element."""
    shape = list(block.shape)
    shape.insert(axis if axis >= 0 else block.rank + 1 + axis, 1)
    return block.reshaped(*shape)


def broadcast_to(block: Value, *shape: Any) -> Value:
    """Repeated along dimensions of one element."""
    sides = _sides(shape)
    return value(block).map(lambda data: data.expand(len(data), *sides) if block.lanes else data.expand(sides))


def ravel(block: Value) -> Value:
    """With one dimension."""
    return block.reshaped(-1)


# elementwise -------------------------------------------------------------------------------------------------------


def _unary(function: Callable[[Tensor], Tensor]) -> Callable[[Operand], Value]:
    def operation(operand: Operand) -> Value:
        return value(operand).map(function)

    return operation


def _softmax_free(name: str) -> Callable[[Operand], Value]:
    return _unary(getattr(torch, name))


exp, exp2, log, log2, sqrt, rsqrt, sin, cos, tanh, erf, floor, ceil, sigmoid = map(
    _softmax_free,
    ("exp", "exp2", "log", "log2", "sqrt", "rsqrt", "sin", "cos", "tanh", "erf", "floor", "ceil", "sigmoid"),
)
sqrt_rn = sqrt
abs_ = _unary(torch.abs)


def where(condition: Operand, yes: Operand, no: Operand) -> Value:
    """`yes` where the condition holds, else `no`."""
    x, y = common(yes, no)
    (chosen, one, two), lanes = broadcast(value(condition), x, y)
    return Value(torch.where(chosen.to(torch.bool), one, two), lanes=lanes, unsigned=x.unsigned)


def _extreme(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Value]:
    def operation(a: Operand, b: Operand, **_options: object) -> Value:
        x, y = common(a, b)
        if x.unsigned:
            raise NotSupported("triton: maximum or minimum of unsigned blocks", "not provided")
        return elementwise(function, x, y)

    return operation


maximum = _extreme(torch.fmax)
"""As Triton's default: a NaN loses against a number."""
minimum = _extreme(torch.fmin)


def clamp(block: Operand, low: Operand, high: Operand, **_options: object) -> Value:
    """Held between two bounds."""
    return minimum(maximum(block, low), high)


def fma(a: Operand, b: Operand, c: Operand) -> Value:
    """The sum a b + c."""
    total: Value = value(a) * b + c
    return total


def div_rn(a: Operand, b: Operand) -> Value:
    """The quotient a / b, correctly rounded."""
    quotient: Value = value(a) / b
    return quotient


def cast(block: Operand, dtype: DType, **_options: object) -> Value:
    """Converted to a type."""
    return value(block).to(dtype)


def cdiv(a: Any, b: Any) -> Any:
    """The quotient a / b, rounded up."""
    return (a + b - 1) // b if isinstance(a, Value) or isinstance(b, Value) else Integer(-(-int(a) // int(b)))


# matrices and reductions -------------------------------------------------------------------------------------------


def dot(a: Value, b: Value, acc: Value | None = None, *_args: object, **options: Any) -> Value:
    """The matrix product, summed in float32 (int32 for integers), added to `acc`."""
    precision = torch.float32 if a.data.dtype.is_floating_point else torch.int32
    if a.data.dtype == torch.float64:
        precision = torch.float64
    product = Value(torch.matmul(a.data.to(precision), b.data.to(precision)), lanes=a.lanes or b.lanes)
    if acc is not None:
        total: Value = product + acc
        return total
    wanted = options.get("out_dtype")
    return product if wanted is None else product.to(wanted)


def _dimension(block: Value, axis: int) -> int:
    """The dimension of the data that is the block's `axis`."""
    return axis - block.rank + block.data.dim() if axis >= 0 else axis


def _reduced(block: Value, axis: int | None, *, keep_dims: bool, reduce: Callable[[Tensor, int], Tensor]) -> Value:
    if axis is None:
        flat = block.reshaped(-1)
        result = flat.map(lambda data: reduce(data, -1))
        return result.reshaped(*[1] * block.rank) if keep_dims else result
    dim = _dimension(block, axis)
    result = block.map(lambda data: reduce(data, dim))
    return result.map(lambda data: data.unsqueeze(dim)) if keep_dims else result


def _at_least_32_bits(block: Value) -> Value:
    kind = block.data.dtype
    if kind.is_floating_point:
        return block if kind.itemsize >= 4 else block.to(DTYPES["float32"])
    return block if kind.itemsize >= 4 else block.to(DTYPES["int32"])


def sum_(block: Value, axis: int | None = None, keep_dims: bool = False, dtype: DType | None = None) -> Value:  # noqa: FBT001, FBT002  Triton's order
    """The sum along an axis, or of everything; short integers are summed in int32."""
    if dtype is not None:
        block = block.to(dtype)
    elif not block.data.dtype.is_floating_point:
        block = _at_least_32_bits(block)
    kind = block.data.dtype
    return _reduced(block, axis, keep_dims=keep_dims, reduce=lambda data, dim: data.sum(dim, dtype=kind))


def _extremum(most: Callable[[Tensor, int], Any]) -> Callable[..., Any]:
    def operation(
        block: Value,
        axis: int | None = None,
        return_indices: bool = False,  # noqa: FBT001, FBT002  Triton's order
        return_indices_tie_break_left: bool = True,  # noqa: ARG001, FBT001, FBT002  ties go left here always
        keep_dims: bool = False,  # noqa: FBT001, FBT002
    ) -> Any:
        if block.unsigned:
            raise NotSupported("triton: max or min of unsigned blocks", "not provided")
        if return_indices:
            if axis is None:
                raise ValueError("indices need an axis")
            places = _reduced(block, axis, keep_dims=keep_dims, reduce=lambda data, dim: _first(data, dim, most))
            return operation(block, axis, keep_dims=keep_dims), places
        return _reduced(_at_least_32_bits(block), axis, keep_dims=keep_dims, reduce=most)

    return operation


def _first(data: Tensor, dim: int, most: Callable[[Tensor, int], Any]) -> Tensor:
    """The first place along `dim` where the extremum lies, int32."""
    is_there: Tensor = data == most(data, dim).unsqueeze(dim)
    return is_there.to(torch.int8).argmax(dim).to(torch.int32)


max_ = _extremum(torch.amax)
min_ = _extremum(torch.amin)


def argmax(block: Value, axis: int, tie_break_left: bool = True, keep_dims: bool = False) -> Value:  # noqa: ARG001, FBT001, FBT002  Triton's order
    """Where the first maximum lies."""
    places: Value = max_(block, axis, return_indices=True, keep_dims=keep_dims)[1]
    return places


def argmin(block: Value, axis: int, tie_break_left: bool = True, keep_dims: bool = False) -> Value:  # noqa: ARG001, FBT001, FBT002  Triton's order
    """Where the first minimum lies."""
    places: Value = min_(block, axis, return_indices=True, keep_dims=keep_dims)[1]
    return places


def cumsum(block: Value, axis: int = 0, reverse: bool = False, **_options: object) -> Value:  # noqa: FBT001, FBT002  Triton's order
    """Running sums along an axis."""
    wide = _at_least_32_bits(block) if not block.data.dtype.is_floating_point else block
    dim = _dimension(wide, axis)
    kind = wide.data.dtype
    if reverse:
        return wide.map(lambda data: data.flip(dim).cumsum(dim, dtype=kind).flip(dim))
    return wide.map(lambda data: data.cumsum(dim, dtype=kind))


def softmax(block: Value, dim: int | None = None, keep_dims: bool = False, **_options: object) -> Value:  # noqa: ARG001, FBT001, FBT002  Triton's order
    """Softmax along a dimension, the first by default."""
    return block.map(lambda data: torch.softmax(data, _dimension(block, dim or 0)))


# hints and checks --------------------------------------------------------------------------------------------------


def as_it_is(block: Any, *_args: object, **_options: object) -> Any:
    """Hints to the compiler: the block itself."""
    return block


def nothing(*_args: object, **_options: object) -> None:
    """Barriers and prints."""


def static_assert(condition: object, message: str = "", **_options: object) -> None:
    """Fail at once where a condition on constants does not hold. Raises AssertionError."""
    if not condition:
        raise AssertionError(message)


_MATH = {
    "exp": exp,
    "exp2": exp2,
    "log": log,
    "log2": log2,
    "sqrt": sqrt,
    "sqrt_rn": sqrt_rn,
    "rsqrt": rsqrt,
    "sin": sin,
    "cos": cos,
    "tanh": tanh,
    "erf": erf,
    "floor": floor,
    "ceil": ceil,
    "abs": abs_,
    "fma": fma,
    "div_rn": div_rn,
}


def math_names() -> dict[str, object]:
    """What is in triton.language.math and in libdevice."""
    return {**_MATH, "pi": python_math.pi, "fast_expf": exp, "pow": _power}


def _power(a: Operand, b: Operand) -> Value:
    return elementwise(torch.pow, value(a), value(b))


def names() -> dict[str, object]:
    """What is in triton.language."""
    shapes = (reshape, permute, trans, split, join, expand_dims, broadcast_to, ravel)
    plain = (arange, full, zeros, zeros_like, where, clamp, cast, cdiv, dot, argmax, argmin, cumsum, softmax)
    access = (memory.load, memory.store, memory.atomic_add)
    listed = {function.__name__: function for function in (*shapes, *plain, *access, program_id, num_programs)}
    return {
        **DTYPES,
        **_MATH,
        **listed,
        "sigmoid": sigmoid,
        "maximum": maximum,
        "minimum": minimum,
        "sum": sum_,
        "max": max_,
        "min": min_,
        "view": reshape,
        "range": range_,
        "static_range": range_,
        "constexpr": constexpr,
        "pointer_type": pointer_type,
        "dtype": DType,
        "tensor": Value,
        "multiple_of": as_it_is,
        "max_contiguous": as_it_is,
        "max_constancy": as_it_is,
        "assume": nothing,
        "debug_barrier": nothing,
        "device_print": nothing,
        "static_print": nothing,
        "static_assert": static_assert,
    }


_METHODS = (
    "exp",
    "log",
    "sqrt",
    "sigmoid",
    "abs",
    "sum",
    "max",
    "min",
    "argmax",
    "argmin",
    "cumsum",
    "reshape",
    "view",
    "trans",
    "permute",
    "expand_dims",
    "broadcast_to",
    "ravel",
    "split",
    "cast",
)
for _name in _METHODS:
    setattr(Value, _name, names()[_name])
