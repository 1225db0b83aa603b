"""Which positions of the validation stream a value speaks of: where they enter, and where they are asked for.

They enter with tensors of integers whose content is a stretch of the stream, whoever read it from disk. Other tensors
cost the comparison of their first tokens, and where a row is longer than the stream, a search for it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.observe.cpu_run.guest import arrays, follow, positioned
from harness.observe.cpu_run.guest.lanes import ALPHABET
from harness.observe.cpu_run.guest.lookups import follow_lookups
from harness.observe.cpu_run.guest.places import Places
from harness.observe.cpu_run.guest.positioned import CONVERSIONS, Call, is_positioned, off
from harness.observe.cpu_run.guest.singled import follow_listed
from harness.observe.cpu_run.inputs.shards import unpack_shard
from harness.observe.cpu_run.rows import Rows, negated

_ENTRIES = ("from_numpy", "frombuffer", "from_file", "tensor", "as_tensor", "asarray")
_FLOATS, _WHOLE = 1_024, 8
"""Numbers that are remembered: fractions hardly collide, whole numbers do."""
_LOOKS = 64
"""Looks at single numbers that are remembered."""


class Numbers:
    """Python numbers that came out of positioned values, and of what they speak: told by their very value.

    A float is known for long, also times the count of what it speaks of (a mean, made a sum again). Whole numbers are
    everywhere, so only the very last that came out are known.
    """

    def __init__(self) -> None:
        self._floats: OrderedDict[float, deque[Rows]] = OrderedDict()
        self._whole: deque[tuple[float, Rows]] = deque(maxlen=_WHOLE)
        self._list: deque[tuple[float, Rows]] = deque()
        self.looks = 0
        """How often the program took out a single number."""
        self._looked: deque[Rows] = deque(maxlen=_LOOKS)
        self._lock = threading.RLock()
        """Programs work in threads, too."""

    def note(self, values: list[Any], rows: list[Rows], *, made: bool = False) -> None:
        """Numbers came out together; a list is taken up in its order. `made`: of others that had come out before."""
        pairs = [(one, own) for one, own in zip(values, rows, strict=True) if type(one) in {int, float}]
        with self._lock:
            self._noted(pairs, made=made)

    def _noted(self, pairs: list[tuple[float, Rows]], *, made: bool) -> None:
        if len(pairs) > 1:
            self._list = deque(pair for pair in pairs if _is_whole(pair[0]))
        elif pairs and not made:
            self.looks += 1
            self._looked.append(pairs[0][1])
        new: set[float] = set()
        for value, own in pairs:
            if _is_whole(value):
                self._whole.append((value, own))
                continue
            for known in {value, value * len(own)}:
                held = self._floats.setdefault(known, deque())
                if known not in new:
                    held.clear()
                new.add(known)
                held.append(own)
                self._floats.move_to_end(known)
        while len(self._floats) > _FLOATS:
            self._floats.popitem(last=False)

    def latest(self, looks: int) -> Rows | None:
        """The latest position among those of the last so many looks; None where one was at several, or none known."""
        with self._lock:
            seen = list(self._looked)
        seen = seen[-looks:] if 0 < looks <= len(seen) else []
        latest = max(seen, key=lambda one: int(one["at"].max()), default=None)
        single = all(len(one) == 1 for one in seen)
        return latest if latest is not None and single and latest["at"][0] >= 0 else None

    def of(self, value: float) -> Rows | None:
        """What a number speaks of; None where neither it nor minus it is one that came out."""
        with self._lock:
            return self._of(value)

    def _of(self, value: float) -> Rows | None:
        if not _is_whole(value):
            held, other = self._floats.get(value), self._floats.get(-value)
            found = held if held is not None else other
            if found is None:
                return None
            rows = found.popleft() if len(found) > 1 else found[0]
            return rows if held is not None else negated(rows)
        if self._list and self._list[0][0] == value:
            return self._list.popleft()[1]
        return next((rows for known, rows in reversed(self._whole) if known == value), None)


def _is_whole(value: float) -> bool:
    return isinstance(value, int) or value.is_integer()


class Tracker:
    """Positions in one stream."""

    def __init__(self, streams: Sequence[Places]) -> None:
        """`streams`: those that the run may read; the first that it reads is the one that is followed."""
        self._streams = list(streams)
        self.stream: int | None = None
        """Number of the stream that is followed."""
        self.numbers = Numbers()

    @property
    def size(self) -> int:
        """Positions of the stream that is followed."""
        return self._streams[self.stream].size if self.stream is not None else 0

    def install(self) -> None:
        """Replace what makes tensors; there is no way back."""
        for name in _ENTRIES:
            setattr(torch, name, self._entry(getattr(torch, name)))
        arrays.tell(self.numbers.note)
        arrays.follow_made()
        follow_listed()
        follow_lookups()
        CONVERSIONS.update(
            item=self._item, float=self._item, int=self._item, index=self._item, tolist=self._listed, numpy=self._array,
            array=self._array,
        )  # fmt: skip
        apply: Any = torch.autograd.Function.apply.__func__  # type: ignore[attr-defined]  # of a class method

        def applied(kind: Any, *args: Any, **keywords: Any) -> Any:
            out = apply(kind, *args, **keywords)
            if any(map(is_positioned, args)):
                try:
                    with off():
                        found = follow.fused(Call(apply, "", args, keywords, out))
                        if found is not None:
                            positioned.put(out, *found)
                except Exception as error:  # noqa: BLE001  what we fail to follow must not change the run
                    positioned.failed(kind.__name__, error)
            return out

        torch.autograd.Function.apply = classmethod(applied)  # type: ignore[assignment,method-assign]  # as it was

    def rows(self, value: object) -> Rows | None:
        """The positions that a value speaks of, each as often as it was added up; None where that is not known."""
        if is_positioned(value):
            return positioned.rows(value)  # type: ignore[arg-type]  # a tensor
        if type(value) in {int, float}:
            return self.numbers.of(value)  # type: ignore[arg-type]  # a number
        if isinstance(value, np.generic):
            return self.numbers.of(value.item())
        found = arrays.positions_of(value)
        return (
            None if found is None else positioned.listed(found[0].reshape(-1), np.asarray(value).reshape(-1), found[1])
        )

    def by_bytes(self, rows: Rows) -> bool:
        """Whether these are scores of single bytes."""
        return self.stream is not None and self._streams[self.stream].by_bytes(rows["at"])

    def faults(self) -> list[str]:
        """Operations that were not followed for a fault of ours."""
        return positioned.faults

    def _entry(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def made(*args: Any, **keywords: Any) -> Any:
            out = original(*args, **keywords)
            if type(out) is torch.Tensor and out.ndim and out.numel() > 1:
                try:
                    with off():
                        self._enter(out, args[0] if args else None)
                except Exception as error:  # noqa: BLE001  what we fail to follow must not change the run
                    positioned.failed(original.__name__, error)
            return out

        made.__name__ = original.__name__
        made.__doc__ = original.__doc__
        return made

    def _enter(self, tensor: torch.Tensor, source: Any) -> None:
        known = arrays.positions_of(source)
        if known is not None and known[0].shape == tensor.shape:
            positioned.place(tensor, known[0])
            return
        if tensor.is_floating_point() or tensor.is_complex():
            return
        values = tensor.numpy()
        numbers = range(len(self._streams)) if self.stream is None else (self.stream,)
        for number in numbers:
            found = self._streams[number].of(values)
            if found is not None:
                self.stream = number
                positioned.place(tensor, ALPHABET.enter(values, found, self._streams[number].tokens))
                return

    def _item(self, call: Call) -> Any:
        if isinstance(call.out, (int, float)):
            self.numbers.note([call.out], [positioned.rows(call.args[0])])
        return call.out

    def _listed(self, call: Call) -> Any:
        if isinstance(call.out, list) and call.args[0].ndim == 1:
            at = positioned.names(call.args[0]).numpy()
            bags = positioned.bags_of(call.args[:1])
            arrays.tell_numbers(call.out, at, bags)
        return self._item(call)

    def _array(self, call: Call) -> Any:
        at = positioned.names(call.args[0]).numpy().copy()
        return arrays.with_positions(call.out, at, positioned.bags_of(call.args[:1]))


def tracker(folders: Sequence[str]) -> Tracker | None:
    """A tracker of the validation streams in these folders of made inputs; None where there is none."""
    streams = []
    for folder in folders:
        shards = [Path(folder) / name for name in ("val.bin", "val_bytes.bin")]
        streams.append(Places(*(unpack_shard(shard.read_bytes()) for shard in shards)))
    return Tracker(streams) if streams else None
