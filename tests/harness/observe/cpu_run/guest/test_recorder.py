"""Sums that are not added up step by step: of parts, and over arrays."""

from __future__ import annotations

import builtins
import textwrap
from typing import Any

import pytest

from harness.observe.cpu_run.guest.recorder import Recorder
from harness.observe.cpu_run.guest.rewriting import Rewriter


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
