"""From findings to a compliance verdict: the order of precedence, in one place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.model.findings import Finding, Outcome, Severity, Strength
from harness.model.review import Compliance, Verdict

_ACCUSING = {Strength.PROVEN, Strength.DERIVED}
_FOUND = {Outcome.FAIL, Outcome.WARN}
ORDER = tuple(Verdict)
"""Worst first, as the enum lists them."""


def verdict_of(finding: Finding) -> Verdict:
    """What one finding alone would make of a submission.

    A failure of the harness leaves the question open. A tolerated finding stays listed and decides nothing. A violation
    accuses only when it is proven or derived and the rule says `fail`; otherwise people must decide.
    """
    if finding.outcome is Outcome.ERROR:
        return Verdict.INCONCLUSIVE
    if finding.tolerated is not None or finding.outcome not in _FOUND | {Outcome.INCONCLUSIVE}:
        return Verdict.CLEAN
    if finding.outcome is Outcome.INCONCLUSIVE:
        return Verdict.CLEAN if finding.severity is Severity.ADVICE else Verdict.INCONCLUSIVE
    if finding.severity is Severity.VIOLATION:
        accuses = finding.outcome is Outcome.FAIL and finding.strength in _ACCUSING
        return Verdict.VIOLATION if accuses else Verdict.NEEDS_DECISION
    if finding.severity is Severity.DECISION:
        return Verdict.NEEDS_DECISION
    return Verdict.ACTION_NEEDED if finding.severity is Severity.DEFECT else Verdict.CLEAN


def compliance(findings: Iterable[Finding]) -> Compliance:
    """The worst verdict of all findings and the rules that gave it."""
    by_verdict: dict[Verdict, list[str]] = {}
    for finding in findings:
        by_verdict.setdefault(verdict_of(finding), []).append(finding.rule)
    verdict = worst(by_verdict)
    rules = () if verdict is Verdict.CLEAN else tuple(dict.fromkeys(by_verdict[verdict]))
    return Compliance(verdict=verdict, rules=rules)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The first in the order of precedence; `clean` for none."""
    found = set(verdicts)
    return next((verdict for verdict in ORDER if verdict in found), Verdict.CLEAN)


def combine(parts: Sequence[Compliance]) -> Compliance:
    """The worst of several verdicts, with the rules of all that share it."""
    verdict = worst(part.verdict for part in parts)
    rules = [rule for part in parts if part.verdict is verdict for rule in part.rules]
    return Compliance(verdict=verdict, rules=tuple(dict.fromkeys(rules)))
