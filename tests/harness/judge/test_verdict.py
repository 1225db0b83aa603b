"""The order of precedence of verdicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.verdict import ORDER, compliance, verdict_of, worst
from harness.model.findings import Finding, Outcome, Severity, Strength
from harness.model.review import Verdict


def finding(
    outcome: Outcome, severity: Severity, strength: Strength = Strength.DERIVED, tolerated: str | None = None
) -> Finding:
    """A finding with just these properties."""
    return Finding(
        rule=f"PG{severity.value[:2]}",
        title="t",
        outcome=outcome,
        severity=severity,
        strength=strength,
        message="m",
        tolerated=tolerated,
    )


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (finding(Outcome.FAIL, Severity.VIOLATION), Verdict.VIOLATION),
        (finding(Outcome.FAIL, Severity.VIOLATION, Strength.PROVEN), Verdict.VIOLATION),
        (finding(Outcome.FAIL, Severity.VIOLATION, Strength.SUSPECTED), Verdict.NEEDS_DECISION),
        (finding(Outcome.WARN, Severity.VIOLATION), Verdict.NEEDS_DECISION),
        (finding(Outcome.FAIL, Severity.VIOLATION, tolerated="x"), Verdict.CLEAN),
        (finding(Outcome.WARN, Severity.DECISION), Verdict.NEEDS_DECISION),
        (finding(Outcome.FAIL, Severity.DEFECT), Verdict.ACTION_NEEDED),
        (finding(Outcome.WARN, Severity.DEFECT), Verdict.ACTION_NEEDED),
        (finding(Outcome.FAIL, Severity.ADVICE), Verdict.CLEAN),
        (finding(Outcome.INCONCLUSIVE, Severity.VIOLATION), Verdict.INCONCLUSIVE),
        (finding(Outcome.INCONCLUSIVE, Severity.ADVICE), Verdict.CLEAN),
        (finding(Outcome.ERROR, Severity.ADVICE), Verdict.INCONCLUSIVE),
        (finding(Outcome.PASS, Severity.VIOLATION), Verdict.CLEAN),
        (finding(Outcome.NOT_APPLICABLE, Severity.VIOLATION), Verdict.CLEAN),
    ],
)
def test_one_finding(found: Finding, verdict: Verdict) -> None:
    """What each kind of finding alone makes of a submission; only proof and derivation accuse."""
    assert verdict_of(found) is verdict


FINDINGS = st.builds(
    finding,
    st.sampled_from(Outcome),
    st.sampled_from(Severity),
    st.sampled_from(Strength),
    st.sampled_from([None, "x"]),
)


@given(st.lists(FINDINGS, max_size=8))
def test_worst_decides(found: list[Finding]) -> None:
    """The verdict is the worst of its findings, and the named rules are exactly those that gave it."""
    result = compliance(found)
    assert result.verdict is worst(verdict_of(f) for f in found)
    deciding = {f.rule for f in found if verdict_of(f) is result.verdict}
    assert set(result.rules) == (set() if result.verdict is Verdict.CLEAN else deciding)
    assert all(ORDER.index(verdict_of(f)) >= ORDER.index(result.verdict) for f in found)
