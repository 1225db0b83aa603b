"""Findings in the order in which people read them: groups that say what each means, and the steps to take next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from harness.model.findings import Finding, Outcome, Severity, Strength
from harness.model.review import Review


class Group(Enum):
    """What findings mean for the submission, most pressing first. Each has a heading and a sentence about itself."""

    SHOWN = ("Broken rules", "Shown by arithmetic on bytes, logs or code, or by a counter-example.")
    QUESTIONS = ("Questions", "Reading met a pattern that may have a good explanation.")
    DECISIONS = ("For people to decide", "Contested and not ruled by the organisers.")
    MEND = ("To mend or explain", "The author can put these right, or say why they are as they are.")
    UNKNOWN = ("Not settled", "These rules apply and could not be examined.")
    OURS = ("Failures of the harness", "Not the submission's fault. Please report them.")
    TOLERATED = ("Tolerated", "Deviations that the organisers have accepted. They decide nothing.")
    ADVICE = ("Advice", "Worth knowing; nothing has to be done.")
    HOLDS = ("Rules that hold", "")
    ASIDE = ("Rules that do not apply", "")

    def __init__(self, heading: str, sentence: str) -> None:
        self.heading = heading
        self.sentence = sentence

    @property
    def urgent(self) -> bool:
        """Whether somebody has to act: the author, the organisers or the harness's own people."""
        return self in _URGENT


_URGENT = frozenset({Group.SHOWN, Group.QUESTIONS, Group.DECISIONS, Group.MEND, Group.OURS})


def group_of(finding: Finding) -> Group:
    """The group of one finding; the order of precedence is that of the verdict."""
    if finding.outcome is Outcome.ERROR:
        return Group.OURS
    if finding.outcome is Outcome.PASS:
        return Group.HOLDS
    if finding.outcome in {Outcome.NOT_APPLICABLE, Outcome.SKIPPED}:
        return Group.ASIDE
    if finding.tolerated is not None:
        return Group.TOLERATED
    if finding.severity is Severity.ADVICE:
        return Group.ADVICE
    if finding.outcome is Outcome.INCONCLUSIVE:
        return Group.UNKNOWN
    if finding.severity is Severity.DECISION:
        return Group.DECISIONS
    if finding.severity is Severity.DEFECT:
        return Group.MEND
    # A violation is shown only by a failure that is proven or derived; everything weaker asks.
    shown = finding.outcome is Outcome.FAIL and finding.strength is not Strength.SUSPECTED
    return Group.SHOWN if shown else Group.QUESTIONS


def grouped(findings: Iterable[Finding]) -> dict[Group, list[Finding]]:
    """Findings by group, in the order of the groups; groups without findings are left out."""
    found: dict[Group, list[Finding]] = {}
    for finding in findings:
        found.setdefault(group_of(finding), []).append(finding)
    return {group: found[group] for group in Group if group in found}


@dataclass(frozen=True)
class Step:
    """One thing to do next: all findings that one remedy mends, each with its folder (empty for the diff)."""

    group: Group
    rule: str
    title: str
    remedy: str | None
    findings: tuple[tuple[str, Finding], ...]


def findings_of(review: Review) -> Iterator[tuple[str, Finding]]:
    """Every finding with its folder, those about the diff as a whole (folder empty) first."""
    yield from (("", finding) for finding in review.hygiene)
    for submission in review.submissions:
        yield from ((submission.folder, finding) for finding in submission.findings)


def unexamined(review: Review) -> list[tuple[str, tuple[str, ...]]]:
    """What was not examined, each with the folders that lack it; no folders where all do."""
    found: dict[str, list[str]] = {}
    for submission in review.submissions:
        for item in dict.fromkeys(submission.not_examined):
            found.setdefault(item, []).append(submission.folder)
    every = len(review.submissions)
    items = [(item, () if len(folders) == every else tuple(folders)) for item, folders in found.items()]
    return sorted(items, key=lambda entry: bool(entry[1]))


def steps(review: Review) -> list[Step]:
    """What to do next, most pressing first. Findings of one rule with one remedy are one step."""
    found: dict[tuple[Group, str, str | None], list[tuple[str, Finding]]] = {}
    for folder, finding in findings_of(review):
        group = group_of(finding)
        if group.urgent:
            found.setdefault((group, finding.rule, finding.remedy), []).append((folder, finding))
    order = list(Group)
    return [
        Step(group, rule, members[0][1].title, remedy, tuple(members))
        for (group, rule, remedy), members in sorted(found.items(), key=lambda item: order.index(item[0][0]))
    ]
