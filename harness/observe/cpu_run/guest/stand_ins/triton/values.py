"""Values of a Triton kernel, held for many programs of its grid at once.

A kernel is run as the Python function that it is, once for a batch of programs ("lanes"): what differs between them
has a first dimension over lanes, in front of its own shape. Where Python itself must know a number (a branch, the
bounds of a loop) and lanes disagree, `Split` is raised, and the launch runs each group of lanes that agree on its own.

Types follow Triton's rules (triton/language/semantic.py, `computation_type_impl`): numbers of Python are weak, types
of tensors do not depend on their rank, and `/` and `%` of 16-bit floats are float32.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, SupportsIndex, cast

import torch
from torch import Tensor

from harness.observe.cpu_run.guest.fidelity import NotSupported

Number = bool | int | float
Operand = Any
"""A Value, a number of Python, or an Integer."""


class Split(Exception):  # noqa: N818  no error: it asks for another way of running
    """Lanes disagree where one answer is needed. `group` (lanes,) tells which of them agree."""

    def __init__(self, group: Tensor) -> None:
        super().__init__("programs of one kernel take different ways")
        self.group = group


@dataclass(frozen=True)
class DType:
    """A type of triton.language. `held` is the name of the torch type whose bits hold it (unsigned: the signed one)."""

    name: str
    held: str
    unsigned: bool = False

    @property
    def torch(self) -> torch.dtype:
        """The torch type, looked up late: a run may have replaced bfloat16."""
        return cast(torch.dtype, getattr(torch, self.held))

    def is_floating(self) -> bool:
        """Whether it is a floating type."""
        return self.torch.is_floating_point

    @property
    def primitive_bitwidth(self) -> int:
        """Bits of one element."""
        return 1 if self.name == "int1" else 8 * self.torch.itemsize

    @property
    def scalar(self) -> DType:
        """Itself: values know their shape apart from their type."""
        return self

    def __str__(self) -> str:
        return self.name


DTYPES = {
    dtype.name: dtype
    for dtype in (
        DType("int1", "bool"),
        DType("int8", "int8"),
        DType("int16", "int16"),
        DType("int32", "int32"),
        DType("int64", "int64"),
        DType("uint8", "uint8"),
        DType("uint32", "int32", unsigned=True),
        DType("uint64", "int64", unsigned=True),
        DType("float32", "float32"),
        DType("float64", "float64"),
        DType("float16", "float16"),
        DType("bfloat16", "bfloat16"),
        DType("float8e4nv", "float8_e4m3fn"),
        DType("float8e5", "float8_e5m2"),
    )
}


class Value:
    """A scalar or block of a kernel: `data` is (lanes, *shape) if `lanes`, otherwise (*shape), alike in all lanes."""

    __slots__ = ("data", "lanes", "unsigned")

    def __init__(self, data: Tensor, *, lanes: bool = False, unsigned: bool = False) -> None:
        self.data = data
        self.lanes = lanes
        self.unsigned = unsigned

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one program's block."""
        return tuple(self.data.shape[1:] if self.lanes else self.data.shape)

    @property
    def rank(self) -> int:
        """Dimensions of one program's block."""
        return self.data.dim() - self.lanes

    @property
    def dtype(self) -> DType:
        """The type of its elements."""
        kind = self.data.dtype
        for dtype in DTYPES.values():
            if dtype.unsigned == self.unsigned and dtype.torch == kind:
                return dtype
        raise NotSupported(f"triton: values of {kind}", "triton.language has no such type")

    def map(self, function: Callable[[Tensor], Tensor]) -> Value:
        """The same over every element."""
        return Value(function(self.data), lanes=self.lanes, unsigned=self.unsigned)

    def to(self, dtype: DType, *_args: object, **_options: object) -> Value:
        """Converted to a type."""
        data = self.data
        if self.unsigned and dtype.torch.itemsize > data.element_size():
            data = data.to(torch.int64) & 0xFFFFFFFF
        elif self.unsigned and dtype.is_floating():
            raise NotSupported("triton: uint64 to a floating type", "no torch type holds it")
        return Value(data.to(dtype.torch), lanes=self.lanes, unsigned=dtype.unsigned)

    def __bool__(self) -> bool:
        return bool(self._agreed())

    def __index__(self) -> int:
        return int(self._agreed())

    __int__ = __index__

    def __float__(self) -> float:
        return float(self._agreed())

    def _agreed(self) -> Number:
        """The one number that it is in every lane. Raises Split, and NotSupported for a block."""
        if self.rank:
            raise NotSupported("triton: a block where a number is needed", "Triton itself refuses such a kernel")
        if not self.lanes:
            return self.data.item()
        first = self.data[0]
        if bool((self.data == first).all()):
            return first.item()
        raise Split(torch.unique(self.data, return_inverse=True)[1])

    def __getitem__(self, key: Any) -> Value:
        """New dimensions by None; everything else is `:`."""
        keys = key if isinstance(key, tuple) else (key,)
        if any(one is not None and one != slice(None) for one in keys):
            raise NotSupported("triton: indexing", "blocks are indexed by None and `:` only")
        return self.map(lambda data: data[(slice(None), *keys)] if self.lanes else data[keys])

    def permuted(self, *dims: int) -> Value:
        """With dimensions in another order."""
        order = (0, *(dim + 1 for dim in dims)) if self.lanes else dims
        return self.map(lambda data: data.permute(order))

    def reshaped(self, *shape: int) -> Value:
        """With another shape."""
        return self.map(lambda data: data.reshape(len(data), *shape) if self.lanes else data.reshape(shape))

    @property
    def T(self) -> Value:  # noqa: N802  its name in triton.language
        """Transposed (two dimensions)."""
        return self.map(lambda data: data.mT)

    def __neg__(self) -> Value:
        return self.map(torch.neg)

    def __invert__(self) -> Value:
        return self.map(torch.bitwise_not)

    def __pos__(self) -> Value:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = cast(Any, None)  # set below
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = cast(Any, None)
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = cast(Any, None)
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = cast(Any, None)
    __lt__ = __le__ = __gt__ = __ge__ = cast(Any, None)
    __hash__ = None  # type: ignore[assignment]  # equality is elementwise


class Integer(int):
    """An integer that is the same in all lanes: an argument, a counter. It divides as C does, and can be converted."""

    def to(self, dtype: DType, *_args: object, **_options: object) -> Value:
        """Converted to a type."""
        return Value(torch.tensor(int(self)).to(dtype.torch), unsigned=dtype.unsigned)

    @property
    def dtype(self) -> DType:
        """int32, or int64 where it does not fit."""
        return DTYPES["int32" if -(2**31) <= self < 2**31 else "int64"]


def value(operand: Operand) -> Value:
    """An operand as a value: integers as int32 or int64, floats as float32."""
    if isinstance(operand, Value):
        return operand
    if isinstance(operand, bool):
        return Value(torch.tensor(operand))
    if isinstance(operand, int):
        return Integer(operand).to(Integer(operand).dtype)
    if isinstance(operand, float):
        return Value(torch.tensor(operand, dtype=torch.float32))
    raise NotSupported(f"triton: a {type(operand).__name__} as a value", "kernels compute with blocks and numbers")


def _kind(dtype: torch.dtype) -> int:
    return 0 if dtype == torch.bool else 2 if dtype.is_floating_point else 1


def common(a: Operand, b: Operand, *, division: bool = False) -> tuple[Value, Value]:
    """Both operands with the type and the rank in which an operation on them is computed."""
    weak_a, weak_b = not isinstance(a, Value), not isinstance(b, Value)
    if weak_a and weak_b:
        a, b = value(a), value(b)
    elif weak_a:
        a = _beside(a, b)
    elif weak_b:
        b = _beside(b, a)
    dtype, unsigned = _promoted(a, b, division=division)
    return _aligned(_held(a, dtype, unsigned=unsigned), _held(b, dtype, unsigned=unsigned))


def _beside(number: Number, other: Value) -> Value:
    """A number with the type of the value beside it, unless it is of a higher kind."""
    kind = 0 if isinstance(number, bool) else 1 if isinstance(number, int) else 2
    if kind > _kind(other.data.dtype):
        return value(number)
    if isinstance(number, int) and other.data.dtype in (torch.int32, torch.int64):
        bits = 8 * other.data.element_size()
        number = (int(number) + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
    return Value(torch.tensor(number, dtype=other.data.dtype), unsigned=other.unsigned)


def _promoted(a: Value, b: Value, *, division: bool) -> tuple[torch.dtype, bool]:
    x, y = a.data.dtype, b.data.dtype
    if x.is_floating_point or y.is_floating_point:
        dtype = torch.promote_types(x, y)
        if division and dtype.itemsize < 4:
            dtype = torch.float32
        return dtype, False
    dtype = torch.promote_types(x, y)
    size = dtype.itemsize
    unsigned = (a.unsigned and a.data.element_size() == size) or (b.unsigned and b.data.element_size() == size)
    return dtype, unsigned


def _held(a: Value, dtype: torch.dtype, *, unsigned: bool) -> Value:
    if a.data.dtype == dtype:
        return a if a.unsigned == unsigned else Value(a.data, lanes=a.lanes, unsigned=unsigned)
    data = a.data.to(torch.int64) & 0xFFFFFFFF if a.unsigned and a.data.dtype == torch.int32 else a.data
    return Value(data.to(dtype), lanes=a.lanes, unsigned=unsigned)


def _aligned(a: Value, b: Value) -> tuple[Value, Value]:
    """Both with so many dimensions that their lanes meet when torch broadcasts them."""
    rank = max(a.rank, b.rank)
    return _padded(a, rank), _padded(b, rank)


def _padded(a: Value, rank: int) -> Value:
    if not a.lanes or a.rank == rank:
        return a
    return a.map(lambda data: data.reshape(len(data), *[1] * (rank - a.rank), *data.shape[1:]))


def broadcast(*operands: Value) -> tuple[tuple[Tensor, ...], bool]:
    """Their data in one shape (lanes first if any differs between lanes), and whether it has lanes."""
    rank = max(a.rank for a in operands)
    lanes = any(a.lanes for a in operands)
    datas = [_padded(a, rank).data for a in operands]
    shape = torch.broadcast_shapes(*(data.shape for data in datas))  # type: ignore[no-untyped-call]  # torch's
    return tuple(data.expand(shape) for data in datas), lanes


def elementwise(function: Callable[[Tensor, Tensor], Tensor], a: Operand, b: Operand) -> Value:
    """A function of two operands in their common type, signed or floating."""
    x, y = common(a, b)
    return Value(function(x.data, y.data), lanes=x.lanes or y.lanes, unsigned=x.unsigned)


def _flipped(a: Value) -> Tensor:
    """Data whose signed order is the order of the values."""
    return a.data ^ torch.iinfo(a.data.dtype).min if a.unsigned else a.data


def _refuse_mixed_signs(a: Operand, b: Operand) -> None:
    """Triton divides no unsigned values by signed ones, but for constants. Raises its TypeError."""
    for one, other in ((a, b), (b, a)):
        signed = isinstance(other, Integer) or (
            isinstance(other, Value) and not other.unsigned and _kind(other.data.dtype) == 1
        )
        if isinstance(one, Value) and one.unsigned and signed:
            raise TypeError(
                f"Cannot use /, #, or % with {one.dtype} and {other.dtype} because they have different signedness"
            )


def _divided(a: Value, b: Value) -> tuple[Tensor, Tensor]:
    """Quotient and rest, cut off towards zero as in C; unsigned where the operands are."""
    if not a.unsigned:
        quotient = torch.div(a.data, b.data, rounding_mode="trunc")
        return quotient, torch.fmod(a.data, b.data)
    if a.data.dtype == torch.int32:
        wide = (a.data.to(torch.int64) & 0xFFFFFFFF, b.data.to(torch.int64) & 0xFFFFFFFF)
        quotient = torch.div(*wide, rounding_mode="trunc")
        return quotient.to(torch.int32), (wide[0] - quotient * wide[1]).to(torch.int32)
    if bool((b.data <= 0).any()):
        raise NotSupported("triton: division by a uint64 above 2**63", "no torch type holds it")
    half = (a.data >> 1) & torch.iinfo(torch.int64).max  # twice it, and the last bit, is the unsigned value
    quotient, rest = half // b.data, half % b.data
    rest = 2 * rest + (a.data & 1)
    more = torch.div(rest, b.data, rounding_mode="trunc")
    return 2 * quotient + more, rest - more * b.data


def _arithmetic(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Operand, Operand], Value]:
    def operation(a: Operand, b: Operand) -> Value:
        x, y = common(a, b)
        if x.data.dtype == torch.bool:
            x, y = x.to(DTYPES["int32"]), y.to(DTYPES["int32"])
        return Value(function(x.data, y.data), lanes=x.lanes or y.lanes, unsigned=x.unsigned)

    return operation


def _compared(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Operand, Operand], Value]:
    def operation(a: Operand, b: Operand) -> Value:
        x, y = common(a, b)
        return Value(function(_flipped(x), _flipped(y)), lanes=x.lanes or y.lanes)

    return operation


def _bits(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Operand, Operand], Value]:
    return lambda a, b: elementwise(function, a, b)


def _quotient(a: Operand, b: Operand) -> Value:
    x, y = common(a, b, division=True)
    if not x.data.dtype.is_floating_point:
        x, y = x.to(DTYPES["float32"]), y.to(DTYPES["float32"])
    return Value(x.data / y.data, lanes=x.lanes or y.lanes)


def _floor_quotient(a: Operand, b: Operand) -> Value:
    _refuse_mixed_signs(a, b)
    x, y = common(a, b, division=True)
    if x.data.dtype.is_floating_point:
        raise NotSupported("triton: // of floats", "Triton itself refuses it")
    return Value(_divided(x, y)[0], lanes=x.lanes or y.lanes, unsigned=x.unsigned)


def _rest(a: Operand, b: Operand) -> Value:
    _refuse_mixed_signs(a, b)
    x, y = common(a, b, division=True)
    return Value(_divided(x, y)[1], lanes=x.lanes or y.lanes, unsigned=x.unsigned)


def _shifted_right(a: Operand, b: Operand) -> Value:
    x, y = common(a, b)
    data = x.data >> y.data
    if x.unsigned:  # the shift of the bits that hold it copies the highest one: clear the copies
        bits = 8 * x.data.element_size()
        kept = (torch.ones_like(x.data) << (bits - y.data)) - 1
        data = torch.where(y.data == 0, x.data, data & kept)
    return Value(data, lanes=x.lanes or y.lanes, unsigned=x.unsigned)


_OPERATORS: dict[str, Callable[[Operand, Operand], Value]] = {
    "add": _arithmetic(torch.add),
    "sub": _arithmetic(torch.sub),
    "mul": _arithmetic(torch.mul),
    "truediv": _quotient,
    "floordiv": _floor_quotient,
    "mod": _rest,
    "and": _bits(torch.bitwise_and),
    "or": _bits(torch.bitwise_or),
    "xor": _bits(torch.bitwise_xor),
    "lshift": _bits(torch.bitwise_left_shift),
    "rshift": _shifted_right,
    "lt": _compared(torch.lt),
    "le": _compared(torch.le),
    "gt": _compared(torch.gt),
    "ge": _compared(torch.ge),
    "eq": _compared(torch.eq),
    "ne": _compared(torch.ne),
}
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")


def _method(operation: Callable[[Operand, Operand], Value], *, swapped: bool) -> Callable[[Value, Operand], Any]:
    def method(self: Value, other: Operand) -> Any:
        if not isinstance(other, (Value, int, float)):
            return NotImplemented  # a pointer knows how to add
        return operation(other, self) if swapped else operation(self, other)

    return method


for _name, _operation in _OPERATORS.items():
    setattr(Value, f"__{_name}__", _method(_operation, swapped=False))
    if _name not in _COMPARISONS:
        setattr(Value, f"__r{_name}__", _method(_operation, swapped=True))


def _as_in_c(name: str) -> Callable[[int, int], int]:
    def quotient(a: int, b: int) -> int:
        return (abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1)

    if name == "floordiv":
        return quotient
    if name == "mod":
        return lambda a, b: a - quotient(a, b) * b
    return cast(Callable[[int, int], int], getattr(operator, f"{name}_" if name in ("and", "or") else name))


def _integer_method(function: Callable[[int, int], int], *, swapped: bool) -> Callable[[Integer, Operand], Any]:
    def method(self: Integer, other: Operand) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        return Integer(function(int(other), int(self)) if swapped else function(int(self), int(other)))

    return method


for _name in ("add", "sub", "mul", "floordiv", "mod", "and", "or", "xor", "lshift", "rshift"):
    setattr(Integer, f"__{_name}__", _integer_method(_as_in_c(_name), swapped=False))
    setattr(Integer, f"__r{_name}__", _integer_method(_as_in_c(_name), swapped=True))


def whole(number: SupportsIndex) -> Integer:
    """An integer out of whatever can be one. Raises Split where lanes disagree."""
    return Integer(operator.index(number))
