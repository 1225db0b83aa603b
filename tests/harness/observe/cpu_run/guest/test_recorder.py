"""Sums that are not added up step by step: of parts, and over arrays."""

from __future__ import annotations

import builtins
import textwrap
from typing import Any

import numpy as np
import pytest

from harness.observe.cpu_run.guest.places import Places
from harness.observe.cpu_run.guest.recorder import Recorder
from harness.observe.cpu_run.guest.rewriting import Rewriter
from harness.observe.cpu_run.guest.sums import Covered, Sum
from harness.observe.cpu_run.rows import rows_of


def told(text: str) -> dict[str, list[float | None]]:
    """Ends of the sums of a text, by what they are summed into."""
    recorder = Recorder(Rewriter(), lambda: 0.0)
    space: dict[str, Any] = {"__builtins__": {**vars(builtins), **recorder.builtins()}, "__name__": "__main__"}
    exec(recorder.rewriter.compiled(textwrap.dedent(text), "a.py", 0, "a.py"), space)
    return {one[3]: one[6] for one in recorder.report()["sums"]}


PARTS = """
import {library} as lib
def added_up(values):
    total = lib.zeros(())
    for value in values:
        total += value
    return total
for number in range(2):
    short, long = added_up([1.5, 2.0, number]), added_up([4.0, 0.25])
    whole = short + long
"""


@pytest.mark.parametrize("library", ["torch", "numpy"])
def test_parts_of_a_sum_are_added_together(library: str) -> None:
    """What is added up by itself for each of two parts is one sum, each time anew."""
    assert told(PARTS.format(library=library))["whole"] == [7.75, 8.75]


def test_parts_are_replaced_by_others() -> None:
    """A score whose parts are taken out and put in again from another pass is a sum each time."""
    found = told(
        """
        def added_up(values):
            part = 0.0
            for value in values:
                part += value
            return part
        parts = [(added_up([1.5, 2.0]), 2), (added_up([4.0, 0.25]), 2)]
        total, count = sum(one[0] for one in parts), sum(one[1] for one in parts)
        for old, size in parts:
            new = added_up([0.5, 0.125])
            total = total - old + new
            count = count - size + size
        """
    )
    assert found["total"] == [4.875, 1.25]
    assert found["count"] == [4.0, 4.0]


def test_what_is_taken_out_again() -> None:
    """A sum that something is taken out of goes on from there, and does not begin anew."""
    rest = Sum()
    rest.add(3.0, 3.0)
    rest.cover(rows_of(np.arange(3), np.ones(3)), 9, begins=True, whole=False)
    rest.lessen(2.0, rows_of(np.array([1]), np.ones(1)), 9)
    rest.cover(rows_of(np.array([7]), np.ones(1)), 9, begins=rest.add(3.0, 1.0), whole=False)
    assert rest.finished == []
    found = rest.of(3.0)
    assert found is not None
    assert found["at"].tolist() == [0, 2, 7]
    rest.lessen(2.0, None, 9)
    assert rest.of(2.0) is None


def test_sums_that_ended_are_known() -> None:
    """What was added up before is told by its number, with either sign."""
    made = Sum()
    for number in range(3):
        made.cover(rows_of(np.array([number]), np.ones(1)), 9, begins=made.add(1.5 - number / 4), whole=False)
    for number in range(3):
        found = made.of(number / 4 - 1.5)
        assert found is not None
        assert (found["at"].tolist(), found["value"].tolist()) == ([number], [-1.0])
    assert made.of(7.0) is None


def test_what_is_no_sum_is_none_when_added_together() -> None:
    """Two numbers that nothing added up make no sum."""
    assert "end" not in told("start, length = 2.5, 4.25\nend = start + length")


def test_a_score_that_is_made_in_one_go() -> None:
    """What is divided, where the dividend is a sum over an array, is a sum and a count."""
    found = told(
        """
        import numpy as np
        def score(rows, count):
            return float(-np.log2(rows).sum() / count)
        score(np.array([0.5, 0.25]), 3)
        score(np.array([0.5, 0.5]), 2)
        """
    )
    assert found == {"-np.log2(rows).sum()": [3.0, 2.0], "count": [3.0, 2.0]}


def test_bytes_of_a_token_are_one_score() -> None:
    """A token that is scored byte by byte is scored once; without that, each time counts, next to one another too."""
    rows = rows_of(np.array([1, 1, 1, 2, 4, 4]), np.ones(6))
    places = Places(np.arange(9, dtype=np.uint16), np.array([0, 3, 1, 5, 2, 1, 1, 1, 1], np.uint16))
    assert places.by_bytes(rows["at"])
    assert not places.by_bytes(np.array([1, 1, 2, 4, 4])), "repeated, but not as often as it has bytes"
    assert not places.by_bytes(np.array([2, 5, 6])), "single scores of single bytes are those of tokens"
    made, plain = Covered(9), Covered(9)
    made.add(rows, by_bytes=True)
    plain.add(rows)
    assert made.times.tolist() == [0, 1, 1, 0, 1, 0, 0, 0, 0]
    assert plain.times.tolist() == [0, 3, 1, 0, 2, 0, 0, 0, 0]
    assert made.rows is not None
    made.add(rows_of(np.array([4, 5]), np.ones(2)))
    assert made.times.tolist() == [0, 1, 1, 0, 2, 1, 0, 0, 0]
    assert len(made.rows) == 8


def test_a_loss_below_nothing() -> None:
    """A probability above 1 makes a sum fall; it goes on all the same. One that begins at nothing again is another."""
    made = Sum()
    assert [made.add(value, added) for value, added in ((3.0, 3.0), (2.5, -0.5), (4.5, 2.0))] == [True, False, False]
    assert made.add(1.0, 1.0)
    assert made.finished == [4.5]
    assert made.add(0.75, None)
