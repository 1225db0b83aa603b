"""What a run is seen to do, from inside its interpreter: blocks, sums, optimizer steps, files.

A submission can lie to this recorder; what acquits is checked from outside as well (`server`, `driver`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from harness.observe.cpu_run.guest import lookups, positioned
from harness.observe.cpu_run.guest.addends import adding_up_to, elements_of, number_of, single
from harness.observe.cpu_run.guest.files import Files
from harness.observe.cpu_run.guest.lessons import Lessons
from harness.observe.cpu_run.guest.places import spans
from harness.observe.cpu_run.guest.positions import Tracker
from harness.observe.cpu_run.guest.rewriting import (
    ADDED,
    ADDEND,
    ELEMENTS,
    HIT,
    IMPORTED,
    JOINED,
    PART,
    REVISED,
    SUMS,
    TAKEN,
    Rewriter,
)
from harness.observe.cpu_run.guest.sources import SOURCES
from harness.observe.cpu_run.guest.sums import Sum
from harness.observe.cpu_run.rows import Rows, in_a_row, negated, packed, rows_of, without

MAX_SPANS = 200_000
"""Runs of positions that are reported in all."""
_EVERY, _SHARE = 4.0, 50
"""Seconds between two tellings of what was seen so far, and how many times as long as a telling they last at least."""
_PARTS = 8
"""Ends of one sum, the last ones, that may be parts of another."""
_MISSES = 64
"""So often a site may add together what is no sum, until it is left alone."""
_HITS = 1_024
"""Passes through a block between two looks at the clock."""


class Recorder:
    """Observations of one run. `install` must be called once, in the process that runs the submission."""

    def __init__(self, rewriter: Rewriter, clock: Callable[[], float], tracker: Tracker | None = None) -> None:
        """Without a `tracker` sums are followed, and not the positions that they add up."""
        self.rewriter = rewriter
        self.clock = clock
        self.tracker = tracker
        self._addends: dict[int, tuple[float | None, Rows | None, bool]] = {}
        """What is about to be added at a site: its number, of what it speaks, and whether it is a plain fraction."""
        self._elements: dict[int, Rows | None] = {}
        """What the sum that is about to be added at a site is made of."""
        self._misses: dict[int, int] = {}
        """How often what a site added together was none of the sums."""
        self._looks: dict[int, int] = {}
        """Of blocks that add something up: looks at single numbers until they were entered last."""
        self.hits: dict[int, int] = {}
        self.sums: dict[int, Sum] = {}
        """By site. Sites of one function that add to the same variable, as branches do, have the same."""
        self._variables: dict[tuple[str, int, str, str], Sum] = {}
        self.steps = self.backwards = 0
        self.lessons = Lessons()
        self.marks: dict[str, float] = {}
        """Seconds (real) at which stages were first seen."""
        self.files = Files()
        self.so_far: Callable[[], None] = lambda: None
        """Called now and then: a run that is ended from outside can tell nothing any more."""
        self._due = clock() + _EVERY

    def builtins(self) -> dict[str, Any]:
        """What rewritten source calls, and where positions are followed, what it sums up by."""
        own = {"sum": self._sum} if self.tracker is not None else {}
        return {
            **own,
            HIT: self._hit,
            SUMS: self._sums,
            ADDED: self._added,
            ADDEND: self._addend,
            ELEMENTS: self._element,
            TAKEN: _taken,
            JOINED: self._joined,
            REVISED: self._revised,
            PART: self._part,
            IMPORTED: lambda: self.mark("imported"),
        }

    def mark(self, stage: str) -> None:
        """A stage is reached."""
        self.marks.setdefault(stage, self.clock())

    def install(self) -> None:
        """Hook into torch and the interpreter; there is no way back."""
        register_optimizer_step_post_hook(self._stepped)
        backward: Any = torch.Tensor.backward

        def counted(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            self.backwards += 1
            self.lessons.backward(tensor)
            with torch._C.DisableTorchFunctionSubclass():  # else it comes here again
                return backward(tensor, *args, **kwargs)

        torch.Tensor.backward = counted  # type: ignore[method-assign,assignment]  # counted, not changed
        self.files.install()
        if self.tracker is not None:
            self.tracker.install()

    def _hit(self, block: int) -> None:
        count = self.hits[block] = self.hits.get(block, 0) + 1
        if not count % _HITS:
            self._look()

    def _look(self) -> None:
        """Have told what was seen so far, if it is time."""
        began = self.clock()
        if began >= self._due:
            self._due = float("inf")  # no other thread meanwhile
            self.so_far()
            now = self.clock()
            self._due = now + max(_EVERY, _SHARE * (now - began))

    def _sums(self, block: int) -> None:
        """A block is entered in which something is added up."""
        self._hit(block)
        if self.tracker is not None:
            self._looks[block] = self.tracker.numbers.looks

    def _addend(self, site: int, value: Any) -> Any:
        """What is about to be added, handed on as it is."""
        number = number_of(value)
        rows = None if number is None else self._rows(value)  # arrays that are added are no sums
        self._addends[site] = number, rows, SOURCES.active and type(value) is float
        return value

    def _element(self, site: int, value: Any) -> Any:
        """What a sum that is about to be added is made of, handed on as it is."""
        if SOURCES.active:
            self._elements[site] = elements_of(value)
        return value

    def _added(self, site: int, value: object) -> None:
        given = self._addends.pop(site, None)
        whole, number = given is None, number_of(value)
        read = None if number is None or not whole else self._rows(value)
        added, rows, plain = (None, read, False) if given is None else given
        minus = self.rewriter.sites[site].minus
        if minus and added is not None:
            added = -added
        if number is None:
            return
        if minus and added is not None and number * added < 0:
            self._lessened(site, number, rows)
            return
        found = self.sums.get(site)
        if found is None:
            found = self.sums[site] = Sum() if whole else self._variable(site)
        begins = found.add(number, added)
        if self.tracker is not None:
            looked = rows is None and not whole
            if looked:
                rows = self._looked_at(self.rewriter.sites[site].block, added)
            elif rows is not None and minus:
                rows = negated(rows)
            elements = adding_up_to(added, self._elements.pop(site, None))
            if elements is None and plain and added is not None:
                elements = single(added)
            if found.sign < 0:
                rows, elements = (None if one is None else negated(one) for one in (rows, elements))
            if rows is not None:
                SOURCES.tell(rows)
            found.cover(
                rows,
                self.tracker.size,
                begins=begins,
                whole=whole,
                looked=looked,
                elements=elements,
                by_bytes=rows is not None and self.tracker.by_bytes(rows),
            )
        self._look()

    def _lessened(self, site: int, number: float, rows: Rows | None) -> None:
        """What gets smaller is no sum, unless something is taken out again of what was added up."""
        found = self._variable(site)
        if found.last is not None and self.tracker is not None:
            found.lessen(number, rows, self.tracker.size)

    def _variable(self, site: int) -> Sum:
        """What is added up in the variable that a site adds to."""
        place = self.rewriter.sites[site]
        return self._variables.setdefault((place.path, place.layer, place.function, place.target), Sum())

    def _told(self) -> list[tuple[int, Sum]]:
        """Every sum once, with the first of its sites."""
        first: dict[int, int] = {}
        for site in sorted(self.sums):
            first.setdefault(id(self.sums[site]), site)
        return [(site, self.sums[site]) for site in first.values()]

    def _joined(self, site: int, value: object, *parts: object) -> None:
        """Sums of several parts are added together: of short and of long documents, for one."""
        if self._misses.get(site, 0) >= _MISSES:
            return
        numbers = [number_of(part) for part in parts]
        ends: set[float | None] = set()
        if None not in numbers and any(numbers):  # a part that is empty has added up nothing
            ends = {0.0, *(end for one in self.sums.values() for end in (*one.finished[-_PARTS:], one.last))}
        if not all(number in ends for number in numbers):
            self._misses[site] = self._misses.get(site, 0) + 1
            return
        rows = [self._rows(part) for part in parts]
        known = [one for one in rows if one is not None]
        self._stands(site, value, in_a_row(known) if len(known) == len(rows) else None)

    def _revised(self, site: int, signs: str, *parts: object) -> None:
        """Parts of a sum are about to be replaced by others: those of a second pass over the same tokens, for one."""
        numbers = [number_of(part) for part in parts]
        if None in numbers:
            return
        value = 0.0
        known: Rows | None = rows_of(np.empty(0, np.int64), np.empty(0))
        for sign, part, number in zip(signs, parts, numbers, strict=True):
            own = self._rows(part)
            value = value + (number or 0.0) if sign == "+" else value - (number or 0.0)
            if known is not None and own is not None:
                known = in_a_row([known, own]) if sign == "+" else without(known, own)
            else:
                known = None
        self._stands(site, value, known)

    def _part(self, site: int, value: Any) -> Any:
        """A dividend or a divisor, handed on as it is: a sum that was made in one go."""
        self._stands(site, value, self._rows(value) if number_of(value) is not None else None)
        return value

    def _stands(self, site: int, value: object, rows: Rows | None) -> None:
        """A sum of its own, with what is known of its elements."""
        number = number_of(value)
        if number is None:
            return
        found = self.sums.setdefault(site, Sum())
        begins = found.add(number, number)
        if self.tracker is not None:
            by_bytes = rows is not None and self.tracker.by_bytes(rows)
            found.cover(rows, self.tracker.size, begins=begins, whole=True, by_bytes=by_bytes)

    def _sum(self, values: Iterable[Any], /, start: Any = 0) -> Any:
        """`sum` as the submission sees it: its result speaks of all that was summed up."""
        if self.tracker is None or self.tracker.stream is None:
            return sum(values, start)
        rows: list[Rows | None] = []

        def passing() -> Iterator[Any]:
            for value in values:
                rows.append(self._rows(value))
                yield value

        out = sum(passing(), start)
        known = [one for one in rows if one is not None]
        if known and len(known) == len(rows) and type(out) in {int, float} and not start:
            self.tracker.numbers.note([out], [in_a_row(known)], made=True)
        return out

    def _looked_at(self, block: int, added: float | None) -> Rows | None:
        """The token for which a loop does its arithmetic: the latest that it looked at since it came round."""
        if self.tracker is None or self.tracker.stream is None:
            return None
        numbers = self.tracker.numbers
        latest = numbers.latest(numbers.looks - self._looks.get(block, numbers.looks))
        return latest if latest is None or added is None else rows_of(latest["at"], np.array([added]))

    def _rows(self, value: object) -> Rows | None:
        """The positions that a value speaks of, be it another sum as it stands."""
        if self.tracker is None or self.tracker.stream is None:
            return None
        rows = self.tracker.rows(value)
        if rows is None and isinstance(value, float) and not value.is_integer():
            rows = next((found for one in self.sums.values() if (found := one.of(value)) is not None), None)
        return rows

    def _stepped(self, *_: object) -> None:
        self.steps += 1
        self.lessons.stepped()
        self.mark("first_step")
        self._look()

    def report(self) -> dict[str, Any]:
        """Everything seen, as JSON."""
        return {
            "blocks": [
                [b.path, b.layer, b.line, b.last, b.function, b.opens, self.hits.get(i, 0)]
                for i, b in enumerate(self.rewriter.blocks)
            ],
            "sums": [
                [s.path, s.layer, s.line, s.target, s.function, one.additions, _finite(one.totals())]
                for s, one in ((self.rewriter.sites[i], one) for i, one in self._told())
            ],
            "covered": self._covered(),
            "rows": self._added_rows() if SOURCES.active else [],
            "stream": self._stream(),
            "steps": self.steps,
            "backwards": self.backwards,
            "lessons": self.lessons.told,
            "marks": self.marks,
            **self.files.told,
        }

    def _covered(self) -> list[list[Any]]:
        """For the last sums of each site: its number among the sums, which from the end, and what was added up."""
        found: list[list[Any]] = []
        left = MAX_SPANS
        for number, (_, one) in enumerate(self._told()):
            for back, covered in enumerate(one.told):
                runs = spans(covered.times)
                left -= len(runs)
                if runs and left >= 0:
                    found.append([number, back, covered.elsewhere, covered.untold, covered.looked, runs])
        return found

    def _added_rows(self) -> list[list[Any]]:
        """For the last sums of each site: its number among the sums, which from the end, and all that was added."""
        return [
            [number, back, packed(covered.rows)]
            for number, (_, one) in enumerate(self._told())
            for back, covered in enumerate(one.told)
            if covered.rows is not None and len(covered.rows) and not covered.blind
        ]

    def _stream(self) -> dict[str, Any] | None:
        """The stream whose positions were followed, by its number in the job, and where following it failed."""
        if self.tracker is None:
            return None
        return {"number": self.tracker.stream, "size": self.tracker.size, "faults": self.tracker.faults()}


def _taken(values: Any, index: Any) -> Any:
    """`values[index]`; where it is a lookup of tokens in an array, it speaks of them."""
    out = values[index]
    if type(values) is not np.ndarray:
        return out
    try:
        return lookups.taken(values, index, out)
    except Exception as error:  # noqa: BLE001  what we fail to follow must not change the run
        positioned.failed("getitem", error)
        return out


def _finite(values: list[float]) -> list[float | None]:
    return [value if abs(value) < float("inf") else None for value in values]
