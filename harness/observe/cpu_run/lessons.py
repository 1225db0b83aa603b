"""Whether scores were taken before anything was learned from their tokens: the order of events in one run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.model.base import At
from harness.model.proof import Lesson, Lessons
from harness.observe.cpu_run.report import Step
from harness.observe.cpu_run.rows import Rows

NO_LESSONS = Lessons()


def lessons_of(ranks: Sequence[tuple[Sequence[Step], Rows]]) -> Lessons:
    """The optimizer steps of each rank on validation tokens, and the scores that it added up.

    A score is late where it was taken after a step on its token. Ranks have no common order: each is looked at alone.
    """
    steps = late = 0
    learned: set[int] = set()
    first: Lesson | None = None
    for own, rows in ranks:
        known = rows[(rows["at"] >= 0) & (rows["when"] > 0)]
        for step in own:
            steps += 1
            for begin, end in step.spans:
                learned.update(range(begin, end + 1))
            after = known["at"][known["when"] > step.when]
            inside = np.zeros(len(after), bool)
            for begin, end in step.spans:
                inside |= (after >= begin) & (after <= end)
            if not inside.any():
                continue
            late += 1
            if first is None:
                at = At(path=step.path, line=step.line, layer=step.layer) if step.path else None
                tokens = sum(end - begin + 1 for begin, end in step.spans)
                first = Lesson(
                    at=at,
                    first=step.spans[0][0],
                    last=step.spans[-1][1],
                    tokens=tokens,
                    late=len(np.unique(after[inside])),
                    position=int(after[inside].min()),
                )
    return Lessons(steps=steps, tokens=len(learned), late=late, first=first)
