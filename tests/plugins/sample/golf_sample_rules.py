"""A package that adds one rule to the harness: what a plug-in needs, and no more."""

from __future__ import annotations

from collections.abc import Iterable

from harness.judge.case import Case
from harness.judge.rule import SubmissionRule, shown
from harness.model.findings import Finding, Severity


class NameIsShort(SubmissionRule):
    """The submission has a short name.

    What: the length of the name in submission.json.
    Why: it must fit a column of the leaderboard of whoever installs this package.
    Mend: choose a name of at most forty characters.
    Blind spots: none.
    """

    id = "SAMPLE001"
    severity = Severity.ADVICE
    basis = ("folder",)
    remedy = "Shorten the name to forty characters."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding where there is a name."""
        name = case.metadata.name if case.metadata else None
        if name is not None:
            fits = len(name.value) <= 40
            judge = self.ok if fits else self.warn
            yield judge(case, f"The name has {len(name.value)} characters.", [shown(name, "name")])


RULES = (NameIsShort,)
