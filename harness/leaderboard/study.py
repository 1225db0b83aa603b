"""What reviews found over all pull requests that were read, week by week: counted, never weighed."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable

from harness.judge.rulebook import FAMILIES, rules
from harness.leaderboard.gather import Gathered
from harness.model.leaderboard import RuleCount, Study
from harness.model.review import Verdict

_PREFIX = 3
"""Letters of an id that name its family: `PG4` of `PG401`."""


def study(found: Iterable[Gathered], known: int, until: dt.date) -> Study:
    """Counts of the pull requests whose head was committed up to `until`, by the week of that commit."""
    dated = [(week, gathered) for gathered in found if (week := _week(gathered, until)) is not None]
    weeks = sorted({week for week, _ in dated})
    verdicts = Counter((gathered.verdict, week) for week, gathered in dated)
    broken = Counter((rule, week) for week, gathered in dated for rule in gathered.broken)
    totals = Counter(week for week, _ in dated)
    return Study(
        read=len(dated),
        known=known,
        weeks=tuple(week.isoformat() for week in weeks),
        totals=tuple(totals[week] for week in weeks),
        verdicts={verdict.value: tuple(verdicts[verdict, week] for week in weeks) for verdict in Verdict},
        rules=tuple(
            RuleCount(
                rule=rule.id,
                title=rule.title(),
                family=_family(rule.id),
                counts=tuple(broken[rule.id, week] for week in weeks),
            )
            for rule in rules()
            if any(broken[rule.id, week] for week in weeks)
        ),
    )


def _week(gathered: Gathered, until: dt.date) -> dt.date | None:
    """Monday of the week of the head's commit; None for a later one."""
    if gathered.committed_at is None:
        return None
    day = dt.datetime.fromisoformat(gathered.committed_at).date()
    return day - dt.timedelta(days=day.weekday()) if day <= until else None


def _family(rule: str) -> str:
    """What the rule's family says of itself; a rule of a plug-in has none."""
    module = FAMILIES.get(rule[:_PREFIX])
    line = (module.__doc__ or "").strip().split("\n", 1)[0] if module is not None else "rules of plug-ins"
    return line.partition(": ")[2].rstrip(".") or line
