"""What a score would be if another token stood in the place of its own, for every token of the vocabulary at once.

A score that is taken out of a row over the vocabulary is normalised by what takes it (see `sources`). Programs that go
on to change it, as by a tilt of one entry or a mixture, compute that for the realised token alone. Here what they
compute is done again for all tokens together. Elements that come of the token at a position have a *name* in place of
the position: that of the token itself, or of an element of a `Block`, which knows by which operation on which others
it was made. The row is computed when the element enters a sum, and believed only where its entry for the realised token
is what the program had.

Only operations on single elements, lookups and rows of scores are followed; all others give plain positions. What comes
of the token on another way, as a hint that was found with knowledge of it, is taken for a constant: whether it is one,
only a run with another token in its place can tell (`probes.swap`).
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.observe.cpu_run.guest.places import UNKNOWN, Positions
from harness.observe.cpu_run.guest.sources import checksums
from harness.observe.cpu_run.rows import Rows

TOKENS, LANES = 1 << 50, 1 << 51
"""Names from the first on are those of tokens, from the second on those of elements of blocks."""
_BITS = 20
AT = (1 << _BITS) - 1
"""A name ends with the position that it is of."""
MOST = 1 << 20
"""Elements of a block at most."""
_BLOCKS = 4_096
_HELD = 256 << 20
"""Bytes of rows of scores, and of operands, that are kept; of earlier rows only what they sum to."""
_AT_ONCE = 1 << 22
"""Entries of rows that are computed at once."""
_EXACT = 1e-4
"""Up to which a sum over the vocabulary is 1, and an entry the program's own value, in single precision."""
Lanes = torch.Tensor
"""A row over the vocabulary for each of some elements; a single column where it does not depend on the token."""
_from_numpy, _arange = torch.from_numpy, torch.arange  # as they are before devices are stood in for


class Evaluation:
    """Rows that were computed for one purpose, so that none is computed twice. `width`: tokens of the vocabulary."""

    __slots__ = ("known", "width")

    def __init__(self, width: int) -> None:
        self.width = width
        self.known: dict[tuple[int, bytes], Lanes] = {}


Make = Callable[[torch.Tensor, Evaluation], Lanes]
"""Gives the lanes of some of a block's elements, by their numbers."""


class Block:
    """Elements that one operation made."""

    __slots__ = ("checksums", "first", "held", "make", "partial", "size", "totals", "when", "width")

    def __init__(self, size: int, width: int, make: Make | None, *, partial: bool = False) -> None:
        """`width`: tokens of the vocabulary; 0 where no scores went into the elements. `partial`: some rows have more,
        as where a table was made for the tokens that there are.
        """
        self.first, self.size, self.width = 0, size, width
        self.partial = partial
        self.make = make
        """None once it is forgotten."""
        self.held = False
        """Whether nothing but rows that the program itself held went into it."""
        self.when = 0
        """The last call that took a loss that went into it out of a row (see `Sources.count`)."""
        self.checksums: NDArray[np.uint64] | None = None
        self.totals: NDArray[np.float64] | None = None
        """Of rows that scores are taken out of as they are: see `sources`."""

    def lanes(self, pick: torch.Tensor, into: Evaluation) -> Lanes:
        """Rows of the elements with these numbers. Raises LookupError where they are forgotten."""
        key = (self.first, pick.numpy().tobytes())
        if key not in into.known:
            if self.make is None:
                raise LookupError("a row is computed too late")
            into.known[key] = self.make(pick, into)
        return into.known[key]


class Operand:
    """An argument of an operation as it was: its values, and of which of them other lanes are known."""

    __slots__ = ("held", "names", "values", "when", "widths")

    def __init__(self, value: torch.Tensor, names: torch.Tensor | None, positions: torch.Tensor) -> None:
        """`names` of the value's elements, None for a plain one; `positions` of the result, which has its shape."""
        shape = positions.shape
        self.values = value.detach().expand(shape).reshape(-1).clone()
        self.names: torch.Tensor | None = None
        self.held, self.when = False, 0
        self.widths: set[int] = set()
        """How many tokens of the vocabulary there are in the rows."""
        if names is not None:
            names = names.expand(shape)
            own = (names >= TOKENS) & (place_of(names) == positions)
            self.names = torch.where(own, names, UNKNOWN).reshape(-1)
            blocks = [ALPHABET.block(one) for one in ALPHABET.firsts(self.names)]
            self.widths = {one.width for one in blocks if one.width}
            if any(one.partial for one in blocks):
                self.widths.add(max(self.widths) + 1)
            self.when = max((one.when for one in blocks), default=0)
            self.held = bool((self.names >= LANES).all()) and all(one.held for one in blocks)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(one.numel() * one.itemsize for one in (self.values, self.names) if one is not None)

    def lanes(self, pick: torch.Tensor, into: Evaluation) -> Lanes:
        """What it would be, for every token in the place of the realised one."""
        values = self.values[pick]
        if self.names is None:
            return values[:, None]
        names = self.names[pick]
        named = names >= TOKENS
        if not bool(named.any()):
            return values[:, None]
        out = values[:, None].expand(len(pick), into.width).clone()
        out[named & (names < LANES)] = _arange(into.width).to(out.dtype)
        for first in ALPHABET.firsts(names):
            block = ALPHABET.block(first)
            numbers = (names - LANES >> _BITS) - block.first
            own = (names >= LANES) & (numbers >= 0) & (numbers < block.size)
            rows = block.lanes(numbers[own], into).to(out.dtype)
            out[own] = rows[:, : into.width].expand(int(own.sum()), into.width)
        return out


class Alphabet:
    """All blocks of this process."""

    def __init__(self) -> None:
        self.active = False
        """Off unless a run is to be compared with others."""
        self.tokens: NDArray[np.int64] | None = None
        """The validation stream."""
        self.asked: dict[int, int] = {}
        """For positions: the token of which it is to be told what the row has for it."""
        self._blocks: dict[int, Block] = {}
        self._firsts: list[int] = []
        self._next = 0
        self._held: deque[tuple[Block, int]] = deque()
        self._bytes = 0
        self._lock = threading.RLock()
        """Programs work in threads, too."""

    def enter(self, values: NDArray[Any], positions: Positions, tokens: NDArray[Any]) -> Positions:
        """Names of what was found at these positions of a stream: those elements that are its tokens."""
        if not self.active or len(tokens) > AT:
            return positions
        self.tokens = tokens.astype(np.int64)
        inside = positions >= 0
        own = inside & (self.tokens[np.where(inside, positions, 0)] == values)
        return np.where(own, positions + TOKENS, positions)

    def add(self, block: Block, positions: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Names of a new block's elements; where `known` is false, their positions."""
        if block.size > MOST:
            return positions
        with self._lock:
            block.first, self._next = self._next, self._next + block.size
            self._blocks[block.first] = block
            self._firsts.append(block.first)
            if len(self._firsts) > _BLOCKS:
                for first in self._firsts[: _BLOCKS // 2]:
                    del self._blocks[first]
                del self._firsts[: _BLOCKS // 2]
        numbers = _arange(block.first, block.first + block.size).reshape(positions.shape)
        return torch.where(known, LANES + (numbers << _BITS) + positions, positions)

    def hold(self, block: Block, size: int) -> None:
        """Keep what a block is made of, so many bytes, as long as there is room."""
        with self._lock:
            self._held.append((block, size))
            self._bytes += size
            while self._bytes > _HELD and len(self._held) > 1:
                old, freed = self._held.popleft()
                old.make = None
                self._bytes -= freed

    def firsts(self, names: torch.Tensor) -> list[int]:
        """The blocks, by their first elements, that these names are of. Raises LookupError for what is forgotten."""
        numbers = torch.unique(names[names >= LANES] - LANES >> _BITS).tolist()
        found: list[int] = []
        with self._lock:
            for number in numbers:
                if found and number < found[-1] + self._blocks[found[-1]].size:
                    continue
                place = bisect_right(self._firsts, number) - 1
                if place < 0:
                    raise LookupError("a block is forgotten")
                found.append(self._firsts[place])
        return found

    def block(self, first: int) -> Block:
        """The block with this first element."""
        return self._blocks[first]

    def settle(self, names: Positions, rows: Rows) -> None:
        """Of each element that is about to be summed up, tell of the row over the vocabulary that it is out of."""
        if self.tokens is None or not (names >= LANES).any():
            return
        given = _from_numpy(np.ascontiguousarray(names))
        try:
            firsts = self.firsts(given)
        except LookupError:
            return
        for first in firsts:
            block = self._blocks[first]
            numbers = (names - LANES >> _BITS) - first
            own = np.flatnonzero((names >= LANES) & (numbers >= 0) & (numbers < block.size))
            if block.held:
                rows["when"][own] = block.when
            asked = own[np.isin(rows["at"][own], list(self.asked))]
            if block.checksums is not None and block.totals is not None:
                rows["source"][own], rows["total"][own] = block.checksums[numbers[own]], block.totals[numbers[own]]
                self._tell(rows, asked, self._rows(block, numbers[asked]))
            elif block.width:
                wanted = asked if self.asked else own  # of the others of such a run nothing is asked
                step = max(1, _AT_ONCE // block.width)
                for begin in range(0, len(wanted), step):
                    part = wanted[begin : begin + step]
                    self._computed(block, numbers[part], part, rows)

    def _computed(self, block: Block, numbers: Positions, part: NDArray[np.int64], rows: Rows) -> None:
        found = self._rows(block, numbers)
        if found is None:
            return
        tokens = self.tokens[rows["at"][part]]  # type: ignore[index]  # asked for by `settle`
        value = rows["value"][part]
        entry = found.numpy()[np.arange(len(part)), np.minimum(tokens, block.width - 1)]
        sure = (tokens < block.width) & np.isclose(entry, value, rtol=_EXACT, atol=_EXACT)
        totals = np.where(sure, sums_to(found), 0.0)
        whole = (np.abs(totals - 1) <= _EXACT) & (not block.partial)
        rows["mixed"][part] = sure & (not block.held)
        rows["total"][part] = totals
        rows["source"][part] = np.where(whole, checksums(found), 0)
        self._tell(rows, part, found)

    def _rows(self, block: Block, numbers: Positions) -> Lanes | None:
        """Rows of a block's elements; None where they are forgotten."""
        if not len(numbers):
            return None
        with torch.no_grad():
            try:
                found = block.lanes(_from_numpy(np.ascontiguousarray(numbers)), Evaluation(block.width))
            except LookupError:
                return None
            return found.to(torch.float64).expand(len(numbers), block.width)

    def _tell(self, rows: Rows, part: NDArray[np.int64], found: Lanes | None) -> None:
        """What the rows of these elements have for the tokens that are asked for."""
        if found is None:
            return
        for number, index in enumerate(part.tolist()):
            token = self.asked.get(int(rows["at"][index]))
            if token is not None and token < found.shape[1]:
                rows["asked"][index] = float(found[number, token])


ALPHABET = Alphabet()
"""Of this process."""
Sums = tuple[NDArray[np.uint64], NDArray[np.float64]]
"""Checksums of rows of scores, and what they sum to: see `Sources.took`."""


def place_of(names: torch.Tensor) -> torch.Tensor:
    """Positions, where there may be names."""
    return torch.where(names >= TOKENS, names & AT, names)


def places_of(names: Positions) -> Positions:
    """The same of an array."""
    return np.where(names >= TOKENS, names & AT, names)


def position(name: int) -> int:
    """The same of one."""
    return name & AT if name >= TOKENS else name


def sums_to(losses: torch.Tensor) -> NDArray[np.float64]:
    """What the probabilities of each row of losses, or of logarithms, sum to. What is exactly 0 was masked out."""
    signs = torch.where((losses <= 0).all(1), 1.0, -1.0)[:, None]
    found: NDArray[np.float64] = torch.where(losses == 0, 0.0, (signs * losses).exp()).sum(1).numpy()
    return found
