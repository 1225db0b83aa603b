"""Arrays of numpy that know of which tokens of the validation stream their elements speak: see `positioned`.

They come out of positioned tensors, or are made empty and written into. Each carries positions of its own shape; a view
has a view of them, so that what is written into one is known in the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from harness.observe.cpu_run.guest.blocks import elementwise
from harness.observe.cpu_run.guest.lanes import ALPHABET, TOKENS, places_of
from harness.observe.cpu_run.guest.places import NOTHING, UNKNOWN, Positions
from harness.observe.cpu_run.guest.positioned import FIRST_BAG, Bags, bagged, failed, listed
from harness.observe.cpu_run.rows import Rows

Note = Callable[[list[Any], list[Rows]], None]
"""Told of the numbers that came out together, and of what each of them speaks."""
_MOVING = frozenset({"reshape", "ravel", "concatenate", "stack", "hstack", "vstack", "squeeze", "expand_dims",
                     "transpose", "take", "repeat", "tile", "roll", "copy", "flip"})  # fmt: skip
_AS_IT_IS = frozenset({"nan_to_num", "round", "around"})
"""Functions that leave elements where they are."""
_BY_UFUNCS = frozenset({"sum", "mean", "clip"})
"""Functions that numpy makes of operations that are followed."""
_MAKERS = ("zeros", "empty", "ones", "full", "zeros_like", "empty_like", "ones_like", "full_like")
_PARTS = 64
"""Parts of a mixture at most."""
MOST_MADE = 1 << 20
"""Elements of an array up to which it is followed from when it is made: tables of counts are larger."""
_CHANGING = frozenset({"copyto", "put", "place", "putmask", "put_along_axis", "fill_diagonal"})
"""Functions that write into their first argument."""
FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""What functions give that look something up or choose, by name: made of the plain result and their arguments."""
_note: list[Note] = []
SINGLED: deque[PositionedArray] = deque(maxlen=4)
"""Arrays of fractions out of which single numbers were taken last."""
_filled, _from_numpy = np.full, torch.from_numpy  # as they are before what they make is followed


def tell(note: Note) -> None:
    """Who is told of the numbers that come out."""
    _note[:] = [note]


def follow_made() -> None:
    """Arrays of fractions that are made from now on can be written into; there is no way back."""
    for name in _MAKERS:
        setattr(np, name, _following(getattr(np, name)))


def _following(original: Callable[..., Any]) -> Callable[..., Any]:
    def made(*args: Any, **keywords: Any) -> Any:
        out = original(*map(bare, args), **bare_values(keywords))
        if type(out) is not np.ndarray or out.dtype.kind != "f" or not out.ndim or out.size > MOST_MADE:
            return out
        found = with_positions(out, _nowhere(out.shape), {})
        found._made = True
        return found

    made.__name__ = original.__name__
    made.__doc__ = original.__doc__
    return made


class PositionedArray(np.ndarray):
    """See the module."""

    _at: Positions | None
    _bags: Bags
    _made: bool
    """Whether it, or what it is a view of, was made empty."""

    def __array_finalize__(self, other: object) -> None:
        """A new array has the positions of none: whoever makes it gives them."""
        self._at, self._bags = None, {}
        self._made = getattr(other, "_made", False)

    def __getitem__(self, index: Any) -> Any:
        """Elements with their positions; a number is told of."""
        out = super().__getitem__(bare(index))
        if self._at is None:
            return out
        if isinstance(out, np.floating) and self.ndim == 1 and not any(one is self for one in tuple(SINGLED)):
            SINGLED.append(self)
        at = self._at[bare(index)]  # what is chosen by the token itself might be another for another token
        return with_positions(out, _asked_by(index, places_of(at) if names_any(index) else at), self._bags)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Elements bring their positions along."""
        super().__setitem__(bare(index), bare(value))
        if self._at is not None:
            known = self._rescored(index) if self._is_score(value) else _positions(value)
            self._at[bare(index)] = places_of(known) if names_any(index) else known
            self._bags = {**self._bags, **bags_in((value,))}

    def _is_score(self, value: Any) -> bool:
        """Whether a number is put among losses that were made together; a buffer that is filled may be filled again."""
        single = np.ndim(bare(value)) == 0 and at_of(value) is None
        return single and self.dtype.kind == "f" and not self._made and bool(value != 0)

    def _rescored(self, index: Any) -> Any:
        """What losses speak of that are replaced by another number: of the same tokens, which it is a score of."""
        own = places_of(np.asarray(_positions(self)[bare(index)]))
        return np.where((own >= 0) & (own < FIRST_BAG), own, UNKNOWN)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        """Later positions count elementwise; sums speak of all their elements."""
        into = keywords.get("out", ())
        given = {**keywords, "out": tuple(map(bare, into))} if into else keywords
        out = getattr(ufunc, method)(*map(bare, inputs), **bare_values(given))
        if method == "at" and isinstance(inputs[0], PositionedArray):
            inputs[0]._forget()
        if into:
            _put_into(ufunc, method, inputs, into)
            return into[0] if len(into) == 1 else into
        try:
            if method == "__call__" and not isinstance(out, tuple):
                return _together(ufunc, inputs, out)
            if method == "reduce" and ufunc is np.add and _of_all(keywords):
                return _summed(inputs[0], keywords.get("axis", 0), out)
        except Exception as error:  # noqa: BLE001  what we fail to follow must not change the run
            failed(ufunc.__name__, error)
        return out

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Functions that move elements move positions; the others give plain arrays."""
        name = func.__name__
        if name in _BY_UFUNCS:
            return super().__array_function__(func, types, args, kwargs)
        out = func(*map(bare, args), **bare_values(kwargs))
        changed = args[0] if name in _CHANGING else kwargs.get("out")
        if isinstance(changed, PositionedArray):
            changed._forget()
        try:
            if name in FUNCTIONS:
                return FUNCTIONS[name](out, *args, **kwargs)
            if name in _AS_IT_IS:
                return with_positions(out, places_of(_positions(args[0])), bags_in(args))
            if name not in _MOVING:
                return out
            return with_positions(
                out, func(_positions(args[0]), *map(bare, args[1:]), **bare_values(kwargs)), bags_in(args)
            )
        except Exception as error:  # noqa: BLE001  as above
            failed(name, error)
            return out

    def astype(self, *args: Any, **keywords: Any) -> Any:
        """As ndarray.astype: elements stay where they are."""
        out = bare(self).astype(*args, **keywords)
        cut = self.dtype.kind == "f" and out.dtype.kind != "f"
        return with_positions(out, places_of(_positions(self)) if cut else _copied(self._at), self._bags)

    def copy(self, *args: Any, **keywords: Any) -> Any:
        """As ndarray.copy."""
        return with_positions(bare(self).copy(*args, **keywords), _copied(self._at), self._bags)

    def reshape(self, *args: Any, **keywords: Any) -> Any:
        """As ndarray.reshape."""
        return self._elsewhere("reshape", args, keywords)

    def _elsewhere(self, name: str, args: Any, keywords: Any) -> Any:
        """What a method that moves elements gives."""
        at = None if self._at is None else getattr(self._at, name)(*args, **keywords)
        return with_positions(getattr(bare(self), name)(*args, **keywords), at, self._bags)

    def ravel(self, *args: Any, **keywords: Any) -> Any:
        """As ndarray.ravel."""
        return self._elsewhere("ravel", args, keywords)

    def flatten(self, *args: Any, **keywords: Any) -> Any:
        """As ndarray.flatten."""
        return self._elsewhere("flatten", args, keywords)

    def squeeze(self, *args: Any, **keywords: Any) -> Any:
        """As ndarray.squeeze."""
        return self._elsewhere("squeeze", args, keywords)

    def transpose(self, *args: Any, **keywords: Any) -> Any:
        """As ndarray.transpose."""
        return self._elsewhere("transpose", args, keywords)

    def mean(self, axis: Any = None, *args: Any, **keywords: Any) -> Any:
        """As ndarray.mean: it speaks of all that it is the mean of."""
        out = bare(self).mean(axis, *args, **bare_values(keywords))
        return _summed(self, axis, out) if _of_all(keywords) else out

    def _changed(self, name: str, args: Any, keywords: Any) -> None:
        """Do what moves or overwrites elements in place; nothing is known of them after it."""
        getattr(bare(self), name)(*args, **bare_values(keywords))
        self._forget()

    def _forget(self) -> None:
        """Nothing is known of the elements any more, nor of those that are views of them."""
        if self._at is not None:
            self._at[...] = UNKNOWN

    def sort(self, *args: Any, **keywords: Any) -> None:
        """As ndarray.sort."""
        self._changed("sort", args, keywords)

    def partition(self, *args: Any, **keywords: Any) -> None:
        """As ndarray.partition."""
        self._changed("partition", args, keywords)

    def fill(self, *args: Any, **keywords: Any) -> None:
        """As ndarray.fill."""
        self._changed("fill", args, keywords)

    def put(self, *args: Any, **keywords: Any) -> None:
        """As ndarray.put."""
        self._changed("put", tuple(map(bare, args)), keywords)

    def tolist(self) -> Any:
        """As ndarray.tolist; the numbers are told of."""
        out = bare(self).tolist()
        known = positions_of(self)
        if known is not None and self.ndim < 2:
            tell_numbers(out if self.ndim else [out], known[0].reshape(-1), known[1])
        return out

    def item(self, *args: Any) -> Any:
        """As ndarray.item; the number is told of."""
        out = bare(self).item(*args)
        if self._at is not None:
            with_positions(bare(self).dtype.type(out), self._at.item(*args), self._bags)
        return out

    def __float__(self) -> float:
        """As float of an array of one element; the number is told of."""
        return float(self.item())

    def __int__(self) -> int:
        """As int of an array of one element; the number is told of."""
        return int(self.item())

    def __reduce__(self) -> Any:
        """Pickled as what it is, an array."""
        return bare(self).__reduce__()


PositionedArray.__name__ = PositionedArray.__qualname__ = "ndarray"
PositionedArray.__module__ = "numpy"


def positions_of(value: object) -> tuple[Positions, Bags] | None:
    """Positions and bags of an array of which at least one element has one."""
    if not isinstance(value, PositionedArray) or value._at is None or (value._at == UNKNOWN).all():
        return None
    return value._at, value._bags


def tell_numbers(values: list[Any], at: Positions, bags: Bags) -> None:
    """Tell of numbers and the positions that each speaks of."""
    for note in _note:
        ones = np.asarray(values, np.float64).reshape(len(at), 1)
        note(values, [listed(at[i : i + 1], ones[i], bags) for i in range(len(at))])


def with_positions(out: Any, at: Any, bags: Bags) -> Any:
    """What came out, with these positions where it is an array of their shape; a number is told of."""
    if isinstance(out, np.ndarray):
        if at is None or np.shape(at) != out.shape:
            return bare(out)
        found = out.view(PositionedArray)
        found._at, found._bags = np.asarray(at, np.int64), bags
        return found
    if at is not None and isinstance(out, np.generic) and at != UNKNOWN:
        tell_numbers([out.item()], np.asarray(at, np.int64).reshape(-1), bags)
    return out


def bare(value: Any) -> Any:
    """A plain array of the same elements; in tuples and lists, too."""
    if isinstance(value, PositionedArray):
        return value.view(np.ndarray)
    if type(value) in {tuple, list}:
        return type(value)(map(bare, value))
    return value


def bare_values(keywords: Any) -> dict[str, Any]:
    """The same of named arguments."""
    return {name: bare(value) for name, value in keywords.items()}


def at_of(value: Any) -> Positions | None:
    """Positions or names of an array's elements; None for a plain one."""
    return value._at if isinstance(value, PositionedArray) else None


def bags_in(values: Any) -> Bags:
    """The bags that any of these arrays names."""
    merged: Bags = {}
    for value in values:
        if isinstance(value, PositionedArray):
            merged |= value._bags
        elif isinstance(value, (tuple, list)):
            merged |= bags_in(value)
    return merged


def _copied(at: Positions | None) -> Positions | None:
    return None if at is None else at.copy()


def _nowhere(shape: Any) -> Positions:
    """No position for any element."""
    return _filled(shape, UNKNOWN, np.int64)


def _positions(value: Any) -> Any:
    """Positions of an array, or of each in a list; those of plain arrays are unknown."""
    if isinstance(value, (tuple, list)):
        return [_positions(one) for one in value]
    at = at_of(value)
    return _nowhere(np.shape(value)) if at is None else at


def names_any(index: Any) -> bool:
    """Whether the token decides what an index, or a condition, chooses."""
    parts = index if isinstance(index, tuple) else (index,)
    return any((at := at_of(one)) is not None and bool((at >= TOKENS).any()) for one in parts)


def named(operation: Callable[..., Any], inputs: tuple[Any, ...], at: Positions) -> Positions:
    """Names of what an operation on single elements gives, where its rows over the vocabulary can be computed."""
    if not ALPHABET.active:
        return at
    kinds = [one.dtype if isinstance(one, np.ndarray) else None for one in inputs]

    def again(*lanes: Any) -> torch.Tensor:
        given = (lane if kind is None else _back(lane, kind) for lane, kind in zip(lanes, kinds, strict=True))
        return as_tensor(operation(*given))

    args = [one if kind is None else as_tensor(bare(one)) for one, kind in zip(inputs, kinds, strict=True)]
    names = [None if (own := at_of(one)) is None else as_tensor(own) for one in inputs]
    return elementwise(again, args, {}, names, as_tensor(at)).numpy()


def as_tensor(array: Any) -> torch.Tensor:
    """An array as a tensor, which has but few operations for numbers without sign."""
    array = np.ascontiguousarray(array)
    return _from_numpy(array.astype(np.uint64).view(np.int64) if array.dtype.kind == "u" else array)


def _back(lanes: torch.Tensor, kind: np.dtype[Any]) -> Any:
    """What was an array of this kind as such."""
    array = lanes.numpy()
    return array.view(np.uint64).astype(kind) if kind.kind == "u" else array.astype(kind, copy=False)


def _put_into(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], into: tuple[Any, ...]) -> None:
    """What was written into arrays brings its positions along, where they are known."""
    for one in into:
        if not isinstance(one, PositionedArray) or one._at is None:
            continue
        found = None
        if method == "__call__" and len(into) == 1:
            try:
                found = _together(ufunc, inputs, np.array(bare(one)))
            except Exception as error:  # noqa: BLE001  as above
                failed(ufunc.__name__, error)
        at = at_of(found)
        if at is None:
            one._forget()
        else:
            one._at[...] = at
            one._bags = {**one._bags, **bags_in((found,))}


def _together(ufunc: np.ufunc, inputs: tuple[Any, ...], out: Any) -> Any:
    given = [places_of(at) for one in inputs if (at := at_of(one)) is not None]
    if not given or np.shape(out) != np.broadcast_shapes(*(at.shape for at in given)):
        return out
    at = given[0].copy() if len(given) == 1 else np.maximum(given[0], given[1])
    if len(given) == 2 and ufunc in {np.add, np.subtract} and np.asarray(out).dtype.kind == "f":
        at = np.where((np.minimum(given[0], given[1]) >= 0) & (given[0] != given[1]), UNKNOWN, at)
    if ufunc is np.multiply:
        for one in inputs:
            # A mask of tokens that is scaled is no loss that is masked: of another token it might be 1.
            if len(given) == 1 and names_any(one):
                continue
            factor = np.asarray(bare(one))
            if factor.size == 1 or np.isin(factor, (0, 1)).all():
                at = np.where(factor == 0, NOTHING, at)
    names = named(ufunc, inputs, at) if np.shape(out) == at.shape else at
    return with_positions(out, np.where(at == NOTHING, NOTHING, names), bags_in(inputs))


def _asked_by(index: Any, at: Positions) -> Positions:
    """What elements of a table speak of that tokens look up: of these, not of those that it was learned from."""
    own = at_of(index)
    if own is None or index.dtype.kind not in "iu" or own.shape != at.shape:
        return at
    return np.where(own >= 0, places_of(own), at)


def _of_all(keywords: Any) -> bool:
    """Whether a sum with these arguments is that of all elements, and of nothing else."""
    return keywords.get("where", True) is True and "initial" not in keywords


def _summed(value: Any, axis: Any, out: Any) -> Any:
    at = at_of(value)
    if at is None:
        return out
    if axis is None or (value.ndim == 1 and axis in {0, -1}):
        number, table = bagged(listed(at.reshape(-1), np.asarray(bare(value)).reshape(-1), value._bags))
        return with_positions(out, np.full(np.shape(out), number), table)
    if not isinstance(axis, int):
        return out
    rows, values = (np.moveaxis(one, axis, -1).reshape(-1, at.shape[axis]) for one in (at, bare(value)))
    numbers: list[int] = []
    bags: Bags = {}
    for row, added in zip(rows, values, strict=True):
        mixed = _mixed(row)
        if mixed is not None:
            numbers.append(mixed)
            continue
        number, table = bagged(listed(row, added, value._bags))
        numbers.append(number)
        bags |= table
    return with_positions(out, np.array(numbers, np.int64).reshape(np.shape(out)), bags)


def _mixed(at: Positions) -> int | None:
    """The one token of which a few numbers speak that are added up, as shares of a mixture are; None for sums."""
    known = places_of(at[at >= 0])
    return int(known[0]) if 1 < len(at) <= _PARTS and len(known) and (known == known[0]).all() else None
