"""What kernels read and write: pointers into tensors, tensor descriptors, and a journal that takes writes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, SupportsIndex

import torch
from torch import Tensor

from harness.observe.cpu_run.guest.fidelity import NotSupported
from harness.observe.cpu_run.guest.stand_ins.triton.values import (
    DType,
    Operand,
    Split,
    Value,
    broadcast,
    value,
    whole,
)


class Journal:
    """What lay where a batch of programs has written, so that it can run again in parts."""

    def __init__(self, *, kept: bool = True) -> None:
        self._kept = kept
        self._old: list[tuple[Tensor, Any, Tensor]] = []

    def before(self, target: Tensor, key: Any) -> None:
        """Note what `target[key]` holds before it is written."""
        if self._kept:
            self._old.append((target, key, target[key].clone()))

    def undo(self) -> None:
        """Write everything back, the latest first."""
        while self._old:
            target, key, old = self._old.pop()
            target[key] = old


@dataclass(frozen=True)
class PointerType:
    """The type of a pointer."""

    element_ty: DType


@dataclass(frozen=True)
class Memory:
    """The storage of an argument, flat, and where the argument begins in it (elements)."""

    flat: Tensor
    start: int
    journal: Journal

    @staticmethod
    def of(tensor: Tensor, journal: Journal) -> Memory:
        """The memory of a tensor."""
        room = tensor.untyped_storage().nbytes() // tensor.element_size()
        return Memory(torch.as_strided(tensor.detach(), (room,), (1,), 0), int(tensor.storage_offset()), journal)

    def places(self, offset: Tensor, mask: Tensor | None) -> Tensor:
        """Indices into `flat`. Raises IndexError where an offset that the mask keeps lies outside."""
        index = offset.to(torch.int64) + self.start
        if mask is not None:
            index = torch.where(mask, index, self.start)
        if index.numel():
            low, high = (int(bound) for bound in index.aminmax())
            if low < 0 or high >= len(self.flat):
                raise IndexError(f"the kernel goes outside its argument: element {low if low < 0 else high}")
        return index


@dataclass(frozen=True)
class Pointer:
    """A pointer, or a block of them: an argument's memory and offsets from its beginning, in elements."""

    memory: Memory
    offset: Operand = 0

    @property
    def dtype(self) -> PointerType:
        """Its type."""
        return PointerType(Value(self.memory.flat[:0]).dtype)

    type = dtype

    def __add__(self, other: Operand) -> Pointer:
        return Pointer(self.memory, self.offset + other)

    __radd__ = __add__

    def __sub__(self, other: Operand) -> Pointer:
        return Pointer(self.memory, self.offset - other)

    def __getitem__(self, key: Any) -> Pointer:
        return Pointer(self.memory, value(self.offset)[key])

    def to(self, *_args: object, **_options: object) -> Pointer:
        """Refuse to read memory as another type."""
        raise NotSupported("triton: a cast of a pointer", "memory is read as the type of its tensor")


def _pointer(pointer: object) -> Pointer:
    if not isinstance(pointer, Pointer):
        raise NotSupported("triton: block pointers", "only pointers into an argument are followed")
    return pointer


def load(pointer: object, mask: Operand | None = None, other: Operand | None = None, **_options: object) -> Value:
    """`tl.load`: what the pointers point to; `other` (0 where not given) where the mask is false."""
    at = _pointer(pointer)
    memory, offset = at.memory, value(at.offset)
    if mask is None:
        return Value(memory.flat[memory.places(offset.data, None)], lanes=offset.lanes)
    dtype = memory.flat.dtype
    filler = Value(torch.zeros((), dtype=dtype)) if other is None else value(other)
    (offsets, kept, fill), lanes = broadcast(offset, value(mask), filler)
    kept = kept.to(torch.bool)
    found = memory.flat[memory.places(offsets, kept)]
    return Value(torch.where(kept, found, fill.to(dtype)), lanes=lanes)


def store(pointer: object, what: Operand, mask: Operand | None = None, **_options: object) -> None:
    """`tl.store`."""
    at = _pointer(pointer)
    memory = at.memory
    index, data = _targets(at, what, mask)
    memory.journal.before(memory.flat, index)
    memory.flat[index] = data.to(memory.flat.dtype)


def atomic_add(pointer: object, what: Operand, mask: Operand | None = None, **_options: object) -> None:
    """`tl.atomic_add`: every lane's and every element's summand is added. What was there before is not given back."""
    at = _pointer(pointer)
    memory = at.memory
    index, data = _targets(at, what, mask)
    memory.journal.before(memory.flat, index)
    memory.flat.index_put_((index,), data.to(memory.flat.dtype), accumulate=True)


def _targets(at: Pointer, what: Operand, mask: Operand | None) -> tuple[Tensor, Tensor]:
    """Flat indices that are written, and what goes there."""
    offset = value(at.offset)
    if mask is None:
        (offsets, data), _ = broadcast(offset, value(what))
        return at.memory.places(offsets, None).flatten(), data.flatten()
    (offsets, data, kept), _ = broadcast(offset, value(what), value(mask))
    kept = kept.to(torch.bool)
    places = at.memory.places(offsets, kept)
    return (places.flatten(), data.flatten()) if bool(kept.all()) else (places[kept], data[kept])


@dataclass
class TensorDescriptor:
    """`triton.tools.tensor_descriptor.TensorDescriptor`: a tensor that is read and written in blocks."""

    base: Tensor
    shape: Sequence[int]
    strides: Sequence[int]
    block_shape: Sequence[int]
    padding: str = "zero"
    round_f32_to_tf32: bool = False

    @staticmethod
    def from_tensor(
        tensor: Tensor, block_shape: Sequence[int], padding: str = "zero", **options: bool
    ) -> TensorDescriptor:
        """The descriptor of a whole tensor."""
        return TensorDescriptor(tensor, tensor.shape, tensor.stride(), block_shape, padding, **options)


@dataclass(frozen=True)
class Descriptor:
    """A descriptor inside a kernel: blocks that lie partly outside are filled on loading and cut off on storing."""

    view: Tensor
    block_shape: tuple[int, ...]
    journal: Journal
    programs: int
    filler: float = 0.0
    shape: tuple[int, ...] = field(default=())

    @staticmethod
    def of(descriptor: TensorDescriptor, journal: Journal, programs: int) -> Descriptor:
        """What a kernel sees of a descriptor, with `programs` running at once."""
        base = descriptor.base.detach()
        view = base.as_strided(tuple(descriptor.shape), tuple(descriptor.strides), base.storage_offset())
        block = tuple(int(side) for side in descriptor.block_shape)
        filler = 0.0 if descriptor.padding == "zero" else float("nan")
        return Descriptor(view, block, journal, programs, filler, tuple(descriptor.shape))

    @property
    def dtype(self) -> DType:
        """The type of its elements."""
        return Value(self.view[:0]).dtype

    def load(self, offsets: Sequence[SupportsIndex]) -> Value:
        """The block that begins at `offsets`."""
        inside, within = self._slices(offsets)
        found = self.view[inside]
        if tuple(found.shape) == self.block_shape:
            return Value(found.clone())
        block = self.view.new_full(self.block_shape, self.filler)
        block[within] = found
        return Value(block)

    def store(self, offsets: Sequence[SupportsIndex], what: Value) -> None:
        """Write the block that begins at `offsets`."""
        if what.lanes:
            raise Split(torch.arange(self.programs))
        inside, within = self._slices(offsets)
        self.journal.before(self.view, inside)
        self.view[inside] = what.data.expand(self.block_shape)[within].to(self.view.dtype)

    def _slices(self, offsets: Sequence[SupportsIndex]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """The part of the tensor that a block covers, and the part of the block that it fills."""
        inside, within = [], []
        for offset, side, room in zip(offsets, self.block_shape, self.view.shape, strict=True):
            first = whole(offset)
            begin, end = min(max(first, 0), room), max(min(first + side, room), 0)
            end = max(begin, end)
            inside.append(slice(begin, end))
            within.append(slice(begin - first, end - first) if end > begin else slice(0, 0))
        return tuple(inside), tuple(within)
