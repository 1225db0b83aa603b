"""The whole leaderboard: rows against the published table, and what claims can and cannot change."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests_support.rows import DAY, accepted, entry

from harness.judge.leaderboard.build import build
from harness.judge.leaderboard.candidate import Candidate
from harness.model.competition import load
from harness.model.leaderboard import Agreement, LeaderboardRow
from harness.model.published import PublishedRow, Quoted

POLICY = load().policy("readme")
COMPARED = {"published_score", "explanation", "agreement", "published_run", "quoted"}
"""Columns that speak of what was published; everything else comes from logs, history and review."""
ROWS = [accepted([1.2244], None), accepted([1.1, 1.101, 1.102], 10), accepted([1.05, 1.051], 12)]


def published(score: str, *prs: int, folder: str | None = None, **changes: object) -> PublishedRow:
    """A row of the published table that links to pull requests or a folder."""
    return PublishedRow(
        section="Leaderboard", records=True, run="Run", score=score, author="a", summary="", date="2026-04-20",
        prs=prs, folders=(folder,) if folder else (), line=1, **changes,
    )  # type: ignore[arg-type]  # fmt: skip


def kept(row: LeaderboardRow) -> dict[str, object]:
    """A row without the columns that compare."""
    return {name: value for name, value in row.model_dump().items() if name not in COMPARED}


@settings(deadline=None)  # the first example imports scipy
@given(st.floats(0.1, 2.0), st.floats(0, 0.1), st.text("0123456789.", max_size=8), st.integers(0, 40))
def test_claims_change_no_row(claim: float, deviation: float, printed: str, pr: int) -> None:
    """Whatever submission.json, a README or the published table says: rank, score, seeds and chain stay."""
    before = build(ROWS, [], POLICY, DAY)
    lying = [
        Candidate(
            c.entry.model_copy(
                update={"claim": claim, "claimed_deviation": deviation, "readme_claims": (claim, deviation)}
            ),
            c.accepted,
        )
        for c in ROWS
    ]
    quoted = (Quoted(printed="0.01", against=10),)
    after = build(lying, [published(printed, pr, quoted=quoted), published(printed, 10, 12)], POLICY, DAY)
    assert [kept(row) for row in after.rows] == [kept(row) for row in before.rows]


def test_agreement_and_disagreement() -> None:
    """A row that agrees has no explanation; one that differs has; one that is not published says what stood before."""
    extra = accepted([1.15, 1.16], 11)
    board = build([*ROWS, extra], [published("1.1010", 10), published("1.0500", 12)], POLICY, DAY)
    by_pr = {row.pr: row for row in board.rows}
    assert (by_pr[10].agreement, by_pr[10].explanation) == (Agreement.MEAN, None)
    assert by_pr[12].agreement is Agreement.BEST_SEED
    assert by_pr[12].explanation is not None
    assert by_pr[12].explanation.startswith("1.0500 is published: one log, train_seed1.log")
    assert by_pr[11].explanation == (
        "not in the published table; #10 stood at 1.1010 before it, in the order of pull requests"
    )


def test_folder_that_gives_the_score_is_chosen() -> None:
    """Of all folders that a published row names, the one whose logs give its score is that row; the others say so."""
    rerun = accepted([1.0614, 1.0613, 1.0615], 20)
    board = build([*ROWS, accepted([1.0628], 19), rerun], [published("1.0614", 19, 20)], POLICY, DAY)
    by_pr = {row.pr: row for row in board.rows}
    assert by_pr[20].published_score == "1.0614"
    assert by_pr[19].published_score is None
    assert by_pr[19].explanation is not None
    assert rerun.entry.folder in by_pr[19].explanation


def test_published_rows_without_a_submission() -> None:
    """A published row that links to nothing known is listed, not dropped."""
    board = build(ROWS, [published("1.0000", 99), published("1.0", folder="records/x")], POLICY, DAY)
    assert [row.score for row in board.unmatched] == ["1.0000", "1.0"]


def test_quoted_p_values_meet_their_row() -> None:
    """A quoted p-value is tried against the pull request it names; without one it stays as printed."""
    quotes = (Quoted(printed="0.500", against=10), Quoted(printed="0.500", against=None))
    board = build(ROWS, [published("1.0505", 12, quoted=quotes)], POLICY, DAY)
    row = next(row for row in board.rows if row.pr == 12)
    assert [quote.computed is not None for quote in row.quoted] == [True, False]


def test_rows_without_score_come_last() -> None:
    """What holds no rank stands below what does, with its reason."""
    board = build([Candidate(entry(pr=1), DAY), *ROWS], [], POLICY, DAY)
    assert [row.rank for row in board.rows] == [1, 2, 3, None]
    assert board.rows[-1].exclusion is not None
