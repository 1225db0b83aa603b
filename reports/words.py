"""The words that reports use for verdicts and outcomes, and the cleaning of a submission's own text."""

from __future__ import annotations

from harness.model.base import snippet
from harness.model.findings import Finding, Outcome, Severity, Strength
from harness.model.review import Verdict

VERDICTS: dict[Verdict, str] = {
    Verdict.VIOLATION: "breaks a rule of the competition",
    Verdict.NEEDS_DECISION: "people must decide",
    Verdict.ACTION_NEEDED: "the author can mend it",
    Verdict.INCONCLUSIVE: "not everything could be examined",
    Verdict.CLEAN: "nothing found at this depth",
}

STRENGTHS: dict[Strength, str] = {
    Strength.PROVEN: "proven by a counter-example",
    Strength.DERIVED: "follows from bytes, logs or code",
    Strength.SUSPECTED: "a question, not an accusation",
}


def clean(text: str, limit: int = 240) -> str:
    """A submission's text on one line without control, bidirectional or invisible characters."""
    return snippet(text, limit)


def where(path: str, line: int | None) -> str:
    """A place as `path:line`."""
    return clean(path, 160) + (f":{line}" if line is not None else "")


def needs_someone(finding: Finding) -> bool:
    """Whether a finding asks for work by the author or a decision by the organisers."""
    found = finding.outcome in {Outcome.FAIL, Outcome.WARN, Outcome.ERROR}
    return found and finding.tolerated is None and finding.severity is not Severity.ADVICE
