"""What each row had to beat, and why some rows hold no rank."""

from __future__ import annotations

import pytest
from tests_support.rows import DAY, NATS, accepted, entry

from harness.judge.leaderboard.build import build
from harness.judge.leaderboard.candidate import Candidate, exclusion_of
from harness.judge.leaderboard.chain import chain
from harness.model.competition import load
from harness.model.leaderboard import Exclusion, View
from harness.model.review import RecordStatus, Verdict
from harness.model.target import Origin

README = load().policy("readme")
CHRONOLOGICAL = load().policy("chronological")
BASELINE = accepted([1.2244], None)


def test_order_is_that_of_pull_requests() -> None:
    """A row meets the best accepted row of a lower number, whatever came before it in the list."""
    rows = [accepted([1.05, 1.051], 30), accepted([1.10, 1.101], 10), BASELINE, accepted([1.15, 1.151], 20)]
    steps = chain(rows, rows, README)
    beaten = {pr: step.beats.entry.pr if step.beats else None for (pr, _), step in steps.items()}
    assert beaten == {None: None, 10: None, 20: 10, 30: 10}
    assert steps[rows[1].names].beats is BASELINE
    assert steps[rows[1].names].margin_nats == pytest.approx((1.2244 - 1.1005) * NATS)


def test_status_under_each_policy() -> None:
    """The policy decides the status; all four tests are shown under either, and nobody loses a rank."""
    rows = [BASELINE, accepted([1.100, 1.101, 1.102], 10), accepted([1.0995, 1.1, 1.0999], 20)]
    for policy, status in ((README, RecordStatus.NOT_SIGNIFICANT), (CHRONOLOGICAL, RecordStatus.RECORD)):
        board = build(rows, [], policy, DAY)
        row = next(row for row in board.rows if row.pr == 20)
        assert row.status is status
        assert len(row.tests) == 4
        assert row.rank == 1


def test_single_runs_carry_no_test() -> None:
    """One run passes no test: a better one is unverified, a worse one not better."""
    rows = [BASELINE, accepted([1.10], 10), accepted([1.15], 20)]
    steps = chain(rows, rows, README)
    assert [steps[row.names].status for row in rows] == [
        RecordStatus.RECORD, RecordStatus.UNVERIFIED, RecordStatus.NOT_BETTER,
    ]  # fmt: skip
    assert steps[rows[1].names].tests == ()


@pytest.mark.parametrize("scores", [[0.0, 0.0], [1e300, 1e308], [5e-324, 1e-320], [-1.0, 2.0]])
def test_absurd_scores(scores: list[float]) -> None:
    """Logs may print any number: a row of such scores is compared, or left unverified, and never ends the run."""
    rows = [accepted(scores, 2), accepted([1.1, 1.2], 3), accepted(scores, 4)]
    assert len(build([*rows, BASELINE], [], README, DAY).rows) == 4


def test_unaccepted_rows_never_stand() -> None:
    """A submission that nobody took in, and one without a rank, is in the way of no other."""
    rows = [
        BASELINE,
        Candidate(entry([0.5, 0.51], pr=5)),
        accepted([0.6, 0.61], 6, origin=Origin.LOOSE),
        accepted([1.1, 1.11], 9),
    ]
    board = build(rows, [], README, DAY, View.FULL)
    row = next(row for row in board.rows if row.pr == 9)
    assert row.beats is not None
    assert row.beats.pr is None
    assert [row.rank for row in board.rows if row.pr == 5] == [1]


def test_tracks_are_ranked_apart() -> None:
    """Rows without records have ranks of their own, and nothing to beat."""
    board = build([BASELINE, accepted([0.9], 3, records=False)], [], README, DAY)
    assert [(row.pr, row.rank, row.status) for row in board.rows] == [
        (None, 1, RecordStatus.RECORD),
        (3, 1, RecordStatus.NON_RECORD),
    ]


@pytest.mark.parametrize(
    ("candidate", "view", "reason"),
    [
        (accepted([1.1], 1), View.PUBLISHED, None),
        (accepted([], 1), View.PUBLISHED, Exclusion.NO_LOGS),
        (accepted([], 1, logs=2), View.PUBLISHED, Exclusion.NO_SCORE),
        (Candidate(entry([1.1]), DAY, removed_by="0" * 40), View.PUBLISHED, Exclusion.WITHDRAWN),
        (Candidate(entry([1.1], origin=Origin.REPEATED)), View.FULL, Exclusion.REPEATED),
        (accepted([1.1], 1, origin=Origin.REPEATED), View.FULL, None),
        (Candidate(entry([1.1], origin=Origin.MODIFIED)), View.FULL, Exclusion.CHANGES_ANOTHER),
        (Candidate(entry([1.1], origin=Origin.LOOSE)), View.FULL, Exclusion.NO_FOLDER),
        (accepted([1.1], 1, verdict=Verdict.VIOLATION), View.COMPLIANT, Exclusion.VIOLATION),
        (accepted([1.1], 1, verdict=Verdict.VIOLATION), View.FULL, None),
        (accepted([1.1], 1, verdict=Verdict.NEEDS_DECISION), View.COMPLIANT, None),
        (Candidate(entry([1.1], verdict=Verdict.NEEDS_DECISION)), View.COMPLIANT, Exclusion.UNDECIDED),
        (Candidate(entry([1.1], verdict=Verdict.INCONCLUSIVE)), View.COMPLIANT, Exclusion.UNDECIDED),
        (Candidate(entry([1.1], verdict=Verdict.NEEDS_DECISION)), View.FULL, None),
        (Candidate(entry([1.1], verdict=Verdict.ACTION_NEEDED)), View.COMPLIANT, None),
    ],
)
def test_exclusions(candidate: Candidate, view: View, reason: Exclusion | None) -> None:
    """Every reason of the fixed list, and what is no reason; compliance is one in the compliant view only."""
    assert exclusion_of(candidate, view) is reason


def test_every_exclusion_says_its_basis() -> None:
    """The documentation of the list names a basis, or the view, for each reason."""
    import inspect

    text = inspect.getsource(Exclusion)
    words = " ".join(text.split())
    assert words.count("Basis:") + words.count("compliant view only") == len(Exclusion)
