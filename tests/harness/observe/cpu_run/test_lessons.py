"""A score is late where it was taken after a step on its own token, on the same rank."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.model.proof import Lessons
from harness.observe.cpu_run.lessons import lessons_of
from harness.observe.cpu_run.report import Step
from harness.observe.cpu_run.rows import Rows, rows_of


def rows(*scores: tuple[int, int]) -> Rows:
    """Scores of these tokens, taken at these times."""
    found = rows_of(np.array([at for at, _ in scores], np.int64), np.ones(len(scores)))
    found["when"] = [when for _, when in scores]
    return found


def step(when: int, *spans: tuple[int, int]) -> Step:
    """A step on these tokens."""
    return Step(when, "train_gpt.py", 0, 7, spans)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 3))
def test_score_first(chunks: list[int], passes: int) -> None:
    """Chunk after chunk, each scored and then learned from however often: nothing is late. One more score is."""
    scores: list[tuple[int, int]] = []
    steps: list[Step] = []
    when = at = 0
    for size in chunks:
        when += 1
        scores += [(token, when) for token in range(at, at + size)]
        for _ in range(passes):
            when += 1
            steps.append(step(when, (at, at + size - 1)))
        at += size
    found = lessons_of([(steps, rows(*scores))])
    assert (found.steps, found.tokens, found.late, found.first) == (len(steps), at, 0, None)
    again = lessons_of([(steps, rows(*scores, (at - 1, when + 1)))])
    assert again.first is not None
    assert (again.late, again.first.late, again.first.position) == (passes, 1, at - 1)


def test_first_that_is_late() -> None:
    """The first step before the score of one of its tokens is told, with its line and what was scored later."""
    found = lessons_of([([step(1, (0, 3)), step(2, (4, 7), (20, 21))], rows((0, 1), (3, 1), (6, 3), (20, 3), (30, 3)))])
    assert found.late == 1
    assert found.first is not None
    assert found.first.at is not None
    assert (found.first.at.line, found.first.first, found.first.last, found.first.tokens) == (7, 4, 21, 6)
    assert (found.first.late, found.first.position) == (2, 6)


def test_what_is_not_known() -> None:
    """Scores of which it is not known when they were taken are not late; ranks have no common order."""
    assert lessons_of([([step(1, (0, 3))], rows((2, 0)))]).late == 0
    assert lessons_of([([step(1, (0, 3))], rows((9, 5))), ([], rows((2, 5)))]).late == 0
    assert lessons_of([]) == Lessons()
