"""Tensors that know of which tokens of the validation stream their elements speak.

A `Positioned` tensor has, beside each element, a position: the index of a token, `UNKNOWN`, `NOTHING` (the element
adds nothing to a sum), or the number of a bag of positions, where it was summed up out of several. In runs that are to
be compared it is a name that the position is part of (`lanes`). The positions lie in a second storage of the same
layout, so that views share them, and what is written into views, as they share elements.

Only what torch gives to a `Positioned` argument comes here. The operation is done as ever, on the same objects; its
result becomes positioned afterwards, by its class alone, where one of `RULES` says of what it speaks. Everything else
that is made of positioned tensors is plain: embeddings that are looked up, and all that a model makes of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.observe.cpu_run.guest.lanes import ALPHABET, place_of, places_of
from harness.observe.cpu_run.guest.places import NOTHING, UNKNOWN, Positions
from harness.observe.cpu_run.rows import Rows, in_a_row, rows_of

MOST = 1 << 22
"""Elements of a storage beyond which nothing is placed in it."""
FEW = 4_096
"""Most sums of one result that are kept apart, and most elements of accumulators."""
FIRST_BAG = 1 << 40
"""Numbers from here on are those of bags."""
Bags = dict[int, Rows]
Said = tuple[torch.Tensor, Bags] | None
"""Positions of a result, of its shape, and their bags; None where nothing is known."""
off = torch._C.DisableTorchFunctionSubclass
_NUMPY_NAMES = {"dim": "axis"}
"""Names of arguments for which torch takes those of numpy too."""
_full, _from_numpy = torch.full, torch.from_numpy  # as they are before devices are stood in for


@dataclass(slots=True)
class Call:
    """One operation on tensors of which at least one is positioned."""

    func: Callable[..., Any]
    word: str
    args: Sequence[Any]
    keywords: Mapping[str, Any]
    out: Any = None
    empty: torch.Tensor | None = None
    """Of a plain tensor that is changed in place: where it was 0 before."""
    before: torch.Tensor | None = None
    """Of what is changed in place: a copy as it was, where rows over the vocabulary are followed."""

    def argument(self, number: int, name: str, default: Any = None) -> Any:
        """An argument by its place or its name, which may be numpy's."""
        if len(self.args) > number:
            return self.args[number]
        return self.keywords.get(name, self.keywords.get(_NUMPY_NAMES.get(name, name), default))


RULES: dict[str, Callable[[Call], Said]] = {}
"""What results speak of, by the word for the operation."""
WRITES: dict[str, Callable[[Call], Said]] = {}
"""What the first argument speaks of once it was changed in place."""
OTHERS: list[Callable[[Call], Said]] = []
"""Rules for operations that have no word."""
CONVERSIONS: dict[str, Callable[[Call], Any]] = {}
"""Operations whose results are no tensors: what is given in their stead."""
MAX_FAULTS = 20
faults: list[str] = []
"""The first failures of rules: ours. Their results are plain."""


def failed(name: str, error: Exception) -> None:
    """A rule for this operation failed. What we fail to follow must not change the run, nor fill its memory."""
    if len(faults) < MAX_FAULTS:
        faults.append(f"{name}: {type(error).__name__}: {error}"[:300])


class Held:
    """Positions of the elements of one storage, and the bags that they name."""

    __slots__ = ("at", "bags", "filled")

    def __init__(self, at: torch.Tensor, bags: Bags) -> None:
        self.at, self.bags = at, bags
        self.filled = False
        """Whether it was plain until something was written into it."""


class Positioned(torch.Tensor):
    """See the module."""

    _held: Held

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Do it, and say of what the result speaks."""
        name = getattr(func, "__name__", "")
        if name == "__iter__":
            return iter(args[0].unbind(0))
        keywords = dict(kwargs or {})
        with off():
            if name in _AS_PLAIN:
                with _plain(args[0]):
                    return func(*args, **keywords)
            word, in_place = said(name)
            call = Call(func, word, args, keywords)
            if in_place and not is_positioned(args[0]) and args[0].numel() <= FEW:
                call.empty = args[0] == 0
            if in_place and ALPHABET.active and args[0].numel() <= MOST:
                call.before = args[0].detach().clone()
            call.out = func(*args, **keywords)
            if isinstance(call.out, (torch.Tensor, tuple, list)) or in_place or word in CONVERSIONS:
                try:
                    return _placed(call, in_place=in_place)
                except Exception as error:  # noqa: BLE001  what we fail to follow must not change the run
                    failed(name, error)
            return call.out


Positioned.__name__ = Positioned.__qualname__ = "Tensor"
Positioned.__module__ = "torch"
_AS_PLAIN = frozenset({"__repr__", "__format__", "__reduce_ex__", "__deepcopy__", "__setstate__"})
"""Methods of a tensor that ask for its very class, or take all that hangs on it."""


_ONLY_SEEN_ELSE = frozenset({
    "requires_grad", "detach", "squeeze", "unsqueeze", "transpose", "t", "swapdims", "swapaxes", "resize",
    "as_strided", "set", "share_memory",
})  # fmt: skip
"""Changes in place that leave the elements what they are."""


@contextlib.contextmanager
def _plain(tensor: torch.Tensor) -> Iterator[None]:
    """A plain tensor for as long as the context lasts."""
    if not is_positioned(tensor):
        yield
        return
    held = tensor.__dict__.pop("_held")
    tensor.__class__ = torch.Tensor
    try:
        yield
    finally:
        tensor.__class__ = Positioned
        tensor._held = held  # type: ignore[attr-defined]  # it is positioned again


@cache
def said(name: str) -> tuple[str, bool]:
    """The word for an operation by the name of its function, and whether it changes its first argument."""
    if name.startswith("__") and name.endswith("__"):
        word = name[2:-2]
        if word == "setitem":
            return word, True
        if word[:1] in {"i", "r"} and word[1:] in RULES:
            return word[1:], word[0] == "i"
        return word, False
    if name.endswith("_") and not name.startswith("_"):
        return name[:-1], name[:-1] not in _ONLY_SEEN_ELSE
    return name, False


def _placed(call: Call, *, in_place: bool) -> Any:
    """The result, or what is given instead."""
    if call.word in CONVERSIONS and not isinstance(call.out, torch.Tensor):
        return CONVERSIONS[call.word](call)
    if in_place:
        _written(call)
        return call.out
    given = list(positioned_in((*call.args, *call.keywords.values())))
    if not isinstance(call.out, torch.Tensor):
        for one in call.out:
            if isinstance(one, torch.Tensor):
                _shared(one, given)
        return call.out
    if any(call.out is one for one in given) or _shared(call.out, given):
        return call.out
    rule = RULES.get(call.word)
    rules = (rule,) if rule is not None else OTHERS
    for one in rules:
        found = one(call)
        if found is not None:
            put(call.out, *found)
            break
    return call.out


def _written(call: Call) -> None:
    target = call.args[0]
    rule = WRITES.get(call.word) or RULES.get(call.word)
    found = rule(call) if rule is not None else None
    if is_positioned(target):
        if found is None:
            names(target).fill_(UNKNOWN)
        else:
            names(target).copy_(found[0])
            target.__dict__["_held"].bags.update(found[1])
    elif found is not None:
        put(target, *found)
        if is_positioned(target):
            target.__dict__["_held"].filled = True


def is_positioned(value: object) -> bool:
    """Whether a value is a tensor with positions."""
    return type(value) is Positioned


def positioned_in(values: Sequence[Any]) -> Iterator[torch.Tensor]:
    """The positioned tensors among arguments, in tuples and lists too."""
    for value in values:
        if is_positioned(value):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from positioned_in(value)


def names(tensor: torch.Tensor) -> torch.Tensor:
    """What is held for a positioned tensor's elements, of its shape: a view."""
    held: Held = tensor.__dict__["_held"]
    return held.at.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())


def at(tensor: torch.Tensor) -> torch.Tensor:
    """Positions of a positioned tensor's elements, of its shape."""
    return place_of(names(tensor)) if ALPHABET.active else names(tensor)


def filled(tensor: torch.Tensor) -> bool:
    """Whether a positioned tensor was plain until something was written into it."""
    held: Held = tensor.__dict__["_held"]
    return held.filled


def bags_of(values: Sequence[Any]) -> Bags:
    """The bags that any of these tensors names."""
    merged: Bags = {}
    for value in positioned_in(values):
        merged |= value.__dict__["_held"].bags
    return merged


def put(tensor: torch.Tensor, positions: torch.Tensor, bags: Bags) -> None:
    """Give a tensor positions; they are copied. Tensors of other classes, and parts of giants, stay as they are."""
    if type(tensor) not in {torch.Tensor, Positioned} or tensor.layout is not torch.strided:
        return
    size = tensor.untyped_storage().nbytes() // tensor.itemsize
    if size > MOST:
        return
    if size == tensor.numel() and tensor.is_contiguous():
        whole = positions.expand(tensor.shape).reshape(-1).clone()
    else:
        whole = _full((size,), UNKNOWN, dtype=torch.int64)
        whole.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset()).copy_(positions)
    held = Held(whole, bags)
    base = tensor._base
    _hold(tensor, held)
    if base is not None and type(base) in {torch.Tensor, Positioned} and base.itemsize == tensor.itemsize:
        _hold(base, held)


def _hold(tensor: torch.Tensor, held: Held) -> None:
    tensor.__class__ = Positioned
    tensor._held = held  # type: ignore[attr-defined]  # it is positioned now


def _shared(tensor: torch.Tensor, args: Sequence[torch.Tensor]) -> bool:
    """Whether a tensor is a view of one of these. Then it shares its positions."""
    if tensor.layout is not torch.strided or type(tensor) is not torch.Tensor:
        return False
    place = tensor.untyped_storage()._cdata
    for arg in args:
        if arg.untyped_storage()._cdata == place:
            if tensor.itemsize == arg.itemsize:
                _hold(tensor, arg.__dict__["_held"])
            return True
    return False


_numbers = iter(range(FIRST_BAG, 1 << 62))


def bagged(rows: Rows) -> tuple[int, Bags]:
    """A new bag: its number, and the table with it."""
    number = next(_numbers)
    return number, {number: rows}


def rows(tensor: torch.Tensor) -> Rows:
    """All elements of which a positioned tensor speaks, in order; what adds nothing is left out."""
    with off():
        return listed(names(tensor).reshape(-1).numpy(), numbers(tensor).reshape(-1), tensor.__dict__["_held"].bags)


def numbers(tensor: torch.Tensor) -> NDArray[np.float64]:
    """A tensor's values, of its shape."""
    found: NDArray[np.float64] = tensor.detach().to(torch.float64).cpu().numpy()
    return found


def listed(positions: Positions, values: NDArray[Any], bags: Bags) -> Rows:
    """Elements by position or name and value, with bags unpacked; what adds nothing is left out."""
    kept = positions != NOTHING
    named = positions[kept]
    found = rows_of(places_of(named), values[kept])
    ALPHABET.settle(named, found)
    inside = np.flatnonzero(found["at"] >= FIRST_BAG) if bags else ()
    parts, done = [], 0
    for index in map(int, inside):
        bag = bags.get(int(found["at"][index]))
        if bag is not None:
            parts += [found[done:index], bag]
            done = index + 1
    return in_a_row([*parts, found[done:]])


def joined(elements: Sequence[tuple[int, float]], bags: Bags) -> Rows:
    """As `listed`, of single pairs of a position and a value."""
    return listed(np.array([at for at, _ in elements], np.int64), np.array([value for _, value in elements]), bags)


def place(tensor: torch.Tensor, positions: Positions) -> None:
    """Give a plain tensor the positions of its elements: it enters here."""
    with off():
        put(tensor, _from_numpy(np.ascontiguousarray(positions, np.int64)).reshape(tensor.shape), {})
