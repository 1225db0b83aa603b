"""Arrays of numpy that know of which tokens of the validation stream their elements speak: see `positioned`.

They come out of positioned tensors. Each carries positions of its own shape; views are not followed into one another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.observe.cpu_run.guest.places import NOTHING, UNKNOWN, Positions
from harness.observe.cpu_run.guest.positioned import Bags, bagged, failed, listed
from harness.observe.cpu_run.guest.sources import SOURCES
from harness.observe.cpu_run.rows import Rows

Note = Callable[[list[Any], list[Rows]], None]
"""Told of the numbers that came out together, and of what each of them speaks."""
_MOVING = frozenset({"reshape", "ravel", "concatenate", "stack", "hstack", "vstack", "squeeze", "expand_dims",
                     "transpose", "take", "repeat", "tile", "roll", "copy", "flip"})  # fmt: skip
_CHANGING = frozenset({"copyto", "put", "place", "putmask", "put_along_axis", "fill_diagonal"})
"""Functions that write into their first argument."""
_note: list[Note] = []


def tell(note: Note) -> None:
    """Who is told of the numbers that come out."""
    _note[:] = [note]


class PositionedArray(np.ndarray):
    """See the module."""

    _at: Positions | None
    _bags: Bags

    def __array_finalize__(self, other: object) -> None:
        """A new array has the positions of none: whoever makes it gives them."""
        self._at, self._bags = None, {}

    def __getitem__(self, index: Any) -> Any:
        """Elements with their positions; a number is told of."""
        out = super().__getitem__(_bare(index))
        return out if self._at is None else _with(out, self._at[_bare(index)], self._bags)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Elements bring their positions along."""
        super().__setitem__(_bare(index), _bare(value))
        if self._at is not None:
            self._at = self._at.copy()
            known = _at(value)
            self._at[_bare(index)] = UNKNOWN if known is None else known
            self._bags = {**self._bags, **_bags((value,))}

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        """Later positions count elementwise; sums speak of all their elements."""
        into = keywords.get("out", ())
        given = {**keywords, "out": tuple(map(_bare, into))} if into else keywords
        out = getattr(ufunc, method)(*map(_bare, inputs), **_bare_values(given))
        for one in inputs[:1] if method == "at" else into:
            if isinstance(one, PositionedArray):
                one._at = None
        if into:
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
        if name in {"sum", "mean"}:
            return super().__array_function__(func, types, args, kwargs)
        out = func(*map(_bare, args), **_bare_values(kwargs))
        if name in _CHANGING and isinstance(args[0], PositionedArray):
            args[0]._at = None
        try:
            if name == "take_along_axis":
                return _along_axis(out, *args, **kwargs)
            if name not in _MOVING:
                return out
            return _with(out, func(_positions(args[0]), *map(_bare, args[1:]), **_bare_values(kwargs)), _bags(args))
        except Exception as error:  # noqa: BLE001  as above
            failed(name, error)
            return out

    def astype(self, *args: Any, **keywords: Any) -> Any:
        """As ndarray.astype: elements stay where they are."""
        return _with(_bare(self).astype(*args, **keywords), self._at, self._bags)

    def copy(self, *args: Any, **keywords: Any) -> Any:
        """As ndarray.copy."""
        return _with(_bare(self).copy(*args, **keywords), self._at, self._bags)

    def reshape(self, *args: Any, **keywords: Any) -> Any:
        """As ndarray.reshape."""
        at = None if self._at is None else self._at.reshape(*args, **keywords)
        return _with(_bare(self).reshape(*args, **keywords), at, self._bags)

    def mean(self, axis: Any = None, *args: Any, **keywords: Any) -> Any:
        """As ndarray.mean: it speaks of all that it is the mean of."""
        out = _bare(self).mean(axis, *args, **_bare_values(keywords))
        return _summed(self, axis, out) if _of_all(keywords) else out

    def _changed(self, name: str, args: Any, keywords: Any) -> None:
        """Do what moves or overwrites elements in place; nothing is known of them after it."""
        getattr(_bare(self), name)(*args, **_bare_values(keywords))
        self._at = None

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
        self._changed("put", tuple(map(_bare, args)), keywords)

    def tolist(self) -> Any:
        """As ndarray.tolist; the numbers are told of."""
        out = _bare(self).tolist()
        if self._at is not None and self.ndim == 1:
            tell_numbers(out, self._at, self._bags)
        elif self._at is not None and self.ndim == 0:
            tell_numbers([out], self._at.reshape(-1), self._bags)
        return out

    def item(self, *args: Any) -> Any:
        """As ndarray.item; the number is told of."""
        if self._at is not None:
            tell_numbers([_bare(self).item(*args)], np.asarray(self._at.item(*args)).reshape(-1), self._bags)
        return _bare(self).item(*args)

    def __float__(self) -> float:
        """As float of an array of one element; the number is told of."""
        return float(self.item())

    def __int__(self) -> int:
        """As int of an array of one element; the number is told of."""
        return int(self.item())

    def __reduce__(self) -> Any:
        """Pickled as what it is, an array."""
        return _bare(self).__reduce__()


PositionedArray.__name__ = PositionedArray.__qualname__ = "ndarray"
PositionedArray.__module__ = "numpy"


def with_positions(array: np.ndarray[Any, Any], at: Positions, bags: Bags) -> Any:
    """An array that shares its elements and has these positions."""
    return _with(array, at, bags)


def taken(scores: Any, index: Any, out: Any) -> Any:
    """What a plain array has at `index`, which speaks of what its last part does: a score out of a row a token.

    A plain array asks no index of its own, so it is the program that tells of it.
    """
    at = _at(index[-1])
    if at is None or type(scores) is not np.ndarray or scores.ndim != 2 or np.shape(out) != at.shape:
        return out
    if SOURCES.active and scores.dtype.kind == "f":
        SOURCES.looked_up(at, out, scores[_bare(index[0])])
    return _with(out, at, _bags(index))


def _along_axis(out: Any, scores: Any, index: Any, axis: Any = -1) -> Any:
    """What `take_along_axis` gave: one value a row for a column of tokens."""
    at = _at(index)
    if at is None or index.shape[-1] != 1 or axis not in {-1, index.ndim - 1}:
        return out
    if SOURCES.active and scores.dtype.kind == "f":
        SOURCES.looked_up(at, out, _bare(scores))
    return _with(out, at, _bags((index,)))


def positions_of(value: object) -> tuple[Positions, Bags] | None:
    """Positions and bags of an array that has them."""
    return (value._at, value._bags) if isinstance(value, PositionedArray) and value._at is not None else None


def tell_numbers(values: list[Any], at: Positions, bags: Bags) -> None:
    """Tell of numbers and the positions that each speaks of."""
    for note in _note:
        ones = np.asarray(values, np.float64).reshape(len(at), 1)
        note(values, [listed(at[i : i + 1], ones[i], bags) for i in range(len(at))])


def _with(out: Any, at: Any, bags: Bags) -> Any:
    if isinstance(out, np.ndarray):
        if at is None or np.shape(at) != out.shape:
            return _bare(out)
        found = out.view(PositionedArray)
        found._at, found._bags = np.asarray(at, np.int64), bags
        return found
    if at is not None and isinstance(out, np.generic):
        tell_numbers([out.item()], np.asarray(at, np.int64).reshape(-1), bags)
    return out


def _bare(value: Any) -> Any:
    if isinstance(value, PositionedArray):
        return value.view(np.ndarray)
    if type(value) in {tuple, list}:
        return type(value)(map(_bare, value))
    return value


def _bare_values(keywords: Any) -> dict[str, Any]:
    return {name: _bare(value) for name, value in keywords.items()}


def _at(value: Any) -> Positions | None:
    return value._at if isinstance(value, PositionedArray) else None


def _bags(values: Any) -> Bags:
    merged: Bags = {}
    for value in values:
        if isinstance(value, PositionedArray):
            merged |= value._bags
        elif isinstance(value, (tuple, list)):
            merged |= _bags(value)
    return merged


def _positions(value: Any) -> Any:
    """Positions of an array, or of each in a list; those of plain arrays are unknown."""
    if isinstance(value, (tuple, list)):
        return [_positions(one) for one in value]
    at = _at(value)
    return np.full(np.shape(value), UNKNOWN, np.int64) if at is None else at


def _together(ufunc: np.ufunc, inputs: tuple[Any, ...], out: Any) -> Any:
    given = [at for one in inputs if (at := _at(one)) is not None]
    if not given or np.shape(out) != np.broadcast_shapes(*(at.shape for at in given)):
        return out
    at = given[0] if len(given) == 1 else np.maximum(given[0], given[1])
    if ufunc is np.multiply:
        for one in map(_bare, inputs):
            factor = np.asarray(one)
            if factor.size == 1 or np.isin(factor, (0, 1)).all():
                at = np.where(factor == 0, NOTHING, at)
    return _with(out, at, _bags(inputs))


def _of_all(keywords: Any) -> bool:
    """Whether a sum with these arguments is that of all elements, and of nothing else."""
    return keywords.get("where", True) is True and "initial" not in keywords


def _summed(value: Any, axis: Any, out: Any) -> Any:
    at = _at(value)
    if at is None:
        return out
    if axis is None or (value.ndim == 1 and axis in {0, -1}):
        number, table = bagged(listed(at.reshape(-1), np.asarray(_bare(value)).reshape(-1), value._bags))
        return _with(out, np.full(np.shape(out), number), table)
    if not isinstance(axis, int):
        return out
    rows, values = (np.moveaxis(one, axis, -1).reshape(-1, at.shape[axis]) for one in (at, _bare(value)))
    numbers: list[int] = []
    bags: Bags = {}
    for row, added in zip(rows, values, strict=True):
        number, table = bagged(listed(row, added, value._bags))
        numbers.append(number)
        bags |= table
    return _with(out, np.array(numbers, np.int64).reshape(np.shape(out)), bags)
