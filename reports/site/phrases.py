"""What is said of a row in a few words, the same in table, site and feed."""

from __future__ import annotations

from harness.model.leaderboard import LeaderboardRow
from harness.model.review import RecordStatus, Verdict
from reports.words import words


def step_words(row: LeaderboardRow) -> str:
    """What the row did to the one before it, in a few words: `0.0042 better, p = 0.02`."""
    if row.margin_nats is None:
        return "–"
    side = "better" if row.margin_nats > 0 else "worse"
    test = f", p = {row.p_value:.2g}" if row.p_value is not None else ""
    return f"{abs(row.margin_nats):.4f} {side}{test}"


def verdict_words(verdict: Verdict | None) -> str:
    """A compliance verdict as words, a dash where no review was made."""
    return words(verdict.value) if verdict is not None else "–"


def status_words(row: LeaderboardRow) -> str:
    """The reason why a row holds no rank, else its record status; only what was accepted is called a record."""
    if row.exclusion is not None:
        return words(row.exclusion.value)
    accepted = row.accepted is not None or row.status is not RecordStatus.RECORD
    return words(row.status.value) if accepted else "passes the test"


def is_compliant(row: LeaderboardRow) -> bool:
    """Whether the compliant view ranks a row, as far as its review goes."""
    settled = row.compliance in {Verdict.CLEAN, Verdict.ACTION_NEEDED}
    return settled or (row.accepted is not None and row.compliance is not Verdict.VIOLATION)
