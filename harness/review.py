"""One target from request to review: intake, facts (from the store where they are there already), judgement."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from harness.judge.judge import judge
from harness.model.facts import Facts, StageStatus
from harness.model.review import Review
from harness.model.target import Intake
from harness.observe.intake.content import Source
from harness.observe.observe import facts_key, observe
from harness.observe.reading.worker import Reader
from harness.observe.target import Request, open_target
from harness.store.store import Store


@dataclass(frozen=True)
class Reviewed:
    """A review, the facts it rests on, and whether they came from the store."""

    review: Review
    facts: Facts
    cached: bool


def review_target(request: Request, store: Store, as_of: dt.date | None = None) -> Reviewed:
    """Review what `request` names. Raises TargetError when it does not exist."""
    intake, source = open_target(request, store.root)
    with Reader() as reader:
        return review_intake(intake, source, reader, store, as_of)


def review_intake(
    intake: Intake, source: Source, reader: Reader, store: Store, as_of: dt.date | None = None
) -> Reviewed:
    """Review an intake; facts of exactly this intake and observing code are taken from the store."""
    key = facts_key(intake)
    facts = store.get("facts", key, Facts)
    cached = facts is not None
    if facts is None:
        facts = observe(intake, source, reader)
        if all(stage.status is not StageStatus.ERROR for s in facts.submissions for stage in s.stages):
            store.put("facts", key, facts)
    return Reviewed(judge(facts, as_of), facts, cached)
