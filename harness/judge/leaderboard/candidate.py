"""A submission with its place in the history of the main branch: what may become a row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.leaderboard.entry import Entry
from harness.model.leaderboard import Exclusion, View
from harness.model.review import Verdict
from harness.model.target import Origin

_SETTLED = frozenset({Verdict.CLEAN, Verdict.ACTION_NEEDED})
"""Verdicts that leave no question of compliance open; what is to mend is the author's to mend."""


@dataclass(frozen=True)
class Candidate:
    """An entry; the day on which main or the published table took it in; the commit that took it off again."""

    entry: Entry
    accepted: dt.date | None = None
    removed_by: str | None = None

    @property
    def order(self) -> tuple[int, str]:
        """Place in the order of pull requests; what was there at the launch comes first."""
        return self.entry.pr or 0, self.entry.folder

    @property
    def names(self) -> tuple[int | None, str]:
        """What tells rows apart: pull request and folder."""
        return self.entry.pr, self.entry.folder


def exclusion_of(candidate: Candidate, view: View) -> Exclusion | None:
    """The first reason of the fixed list for which a candidate holds no rank; None where it holds one."""
    entry = candidate.entry
    accepted = candidate.accepted is not None
    reasons: Sequence[tuple[Exclusion, bool]] = (
        (Exclusion.NO_FOLDER, entry.origin is Origin.LOOSE),
        (Exclusion.REPEATED, entry.origin is Origin.REPEATED and not accepted),
        (Exclusion.CHANGES_ANOTHER, entry.origin is Origin.MODIFIED and not accepted),
        (Exclusion.WITHDRAWN, candidate.removed_by is not None),
        (Exclusion.NO_LOGS, entry.logs == 0),
        (Exclusion.NO_SCORE, not entry.counted),
        (Exclusion.VIOLATION, view is View.COMPLIANT and entry.verdict is Verdict.VIOLATION),
        (Exclusion.UNDECIDED, view is View.COMPLIANT and entry.verdict not in _SETTLED and not accepted),
    )
    return next((reason for reason, holds in reasons if holds), None)
