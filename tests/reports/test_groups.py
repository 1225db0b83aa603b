"""Findings in the order in which people read them."""

from __future__ import annotations

from itertools import product

import pytest
from tests_support.reviews import demo, every_kind, one_folder, several_folders

from harness.judge.verdict import verdict_of
from harness.model.findings import Finding, Outcome, Severity, Strength
from harness.model.review import Verdict
from reports.groups import Group, findings_of, group_of, grouped, steps, unexamined
from reports.words import kind, said

EVERY = [
    Finding(rule="PG1", title="t", outcome=o, severity=s, strength=k, message="It does so.")
    for o, s, k in product(Outcome, Severity, Strength)
]


@pytest.mark.parametrize("finding", EVERY, ids=lambda f: f"{f.outcome}-{f.severity}-{f.strength}")
def test_groups_follow_the_verdict(finding: Finding) -> None:
    """What is shown is what accuses; the rest of the groups match what a finding does to the verdict."""
    group, verdict = group_of(finding), verdict_of(finding)
    assert (group is Group.SHOWN) == (verdict is Verdict.VIOLATION)
    assert (group in {Group.QUESTIONS, Group.DECISIONS}) == (verdict is Verdict.NEEDS_DECISION)
    assert (group is Group.MEND) == (verdict is Verdict.ACTION_NEEDED)
    if verdict is Verdict.CLEAN:
        assert not group.urgent


@pytest.mark.parametrize("finding", EVERY, ids=lambda f: f"{f.outcome}-{f.severity}-{f.strength}")
def test_suspicion_asks(finding: Finding) -> None:
    """What is only suspected is worded as a question, never twice; what is derived is stated."""
    found = finding.outcome in {Outcome.FAIL, Outcome.WARN}
    asks = found and finding.strength is Strength.SUSPECTED
    assert ("?" in said(finding)) == asks
    assert ("question" in kind(finding)) == (finding.strength is Strength.SUSPECTED)
    asked = finding.model_copy(update={"message": "Please show that it does not."})
    assert said(asked) == "Please show that it does not."


def test_steps_are_most_pressing_first() -> None:
    """The steps are all findings that ask for someone, by group; those of one rule and remedy are one step."""
    for made in (one_folder, several_folders, every_kind):
        review = made()[0]
        todo = steps(review)
        order = [list(Group).index(step.group) for step in todo]
        assert order == sorted(order)
        urgent = [finding for _, finding in findings_of(review) if group_of(finding).urgent]
        assert sum(len(step.findings) for step in todo) == len(urgent)
        assert len({(step.group, step.rule, step.remedy) for step in todo}) == len(todo)
    assert steps(demo()[0]) == []


def test_grouped_loses_nothing() -> None:
    """Every finding is in one group, groups stand in their order."""
    findings = every_kind()[0].submissions[0].findings
    groups = grouped(findings)
    assert sum(map(len, groups.values())) == len(findings)
    assert list(groups) == sorted(groups, key=list(Group).index)


def test_unexamined() -> None:
    """What all submissions lack comes first and names no folder."""
    review, _ = several_folders()
    first, *others = review.submissions
    changed = first.model_copy(update={"not_examined": (*first.not_examined, "only here")})
    items = unexamined(review.model_copy(update={"submissions": (changed, *others)}))
    assert items[0][1] == ()
    assert ("only here", (first.folder,)) in items
