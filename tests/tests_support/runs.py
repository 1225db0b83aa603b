"""Reviews of a complete submission with facts of a run that was never made."""

from __future__ import annotations

from harness.judge.judge import judge
from harness.model.cpu_run import CpuRunFacts
from harness.model.facts import Facts
from harness.model.findings import Finding
from harness.model.review import Review
from harness.model.target import Target, TargetKind
from tests_support.cases import AS_OF, COMPLETE, facts_of


def reviewed(run: CpuRunFacts | None, **files: str) -> Review:
    """The review of a complete submission, with these files besides, that was run so."""
    submission = facts_of({**COMPLETE, **files}).model_copy(update={"cpu_run": run})
    target = Target(kind=TargetKind.PR, repository="r", pr=1, sha="0" * 40)
    return judge(Facts(observed_by="0" * 16, target=target, submissions=(submission,)), AS_OF)


def found(run: CpuRunFacts | None, rule: str, **files: str) -> list[Finding]:
    """What one rule says of it."""
    return [finding for finding in reviewed(run, **files).submissions[0].findings if finding.rule == rule]
