"""The table of a README: only what stands between the markers changes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_support.rows import DAY, accepted

from harness.judge.leaderboard.build import build
from harness.model.competition import load
from harness.model.leaderboard import Leaderboard
from reports.site.readme import END, START, MarkerError, empty_readme, with_table


def board() -> Leaderboard:
    """Two record rows, one with a tested step, one non-record row and one without a rank."""
    rows = [
        accepted([1.2244], None),
        accepted([1.10, 1.11], 10),
        accepted([0.9], 12, records=False),
        accepted([], 13),
    ]
    return build(rows, [], load().policy("readme"), DAY)


TEXT = st.text("ab|#<!- >\r\n", max_size=60).filter(lambda text: "golf" not in text)


@settings(deadline=None)  # the first example imports scipy
@given(TEXT, TEXT, TEXT)
def test_idempotent(before: str, old: str, after: str) -> None:
    """Whatever stands around and between the markers: a second time changes nothing, and the outside never changes."""
    text = f"{before}{START}{old}{END}{after}"
    once = with_table(text, board())
    assert with_table(once, board()) == once
    assert once.startswith(before + START)
    assert once.endswith(END + after)


def test_table() -> None:
    """Ranked rows by track, with score, deviation, runs, step and review; rows without a rank are left out."""
    text = with_table(empty_readme(), board(), "o/r")
    assert "| 1 | Title 10 | 1.1050 | 0.0071 (2) | someone | 2026-04-20 | 0.2018 better, p = 0.014 | clean |" in text
    assert "[#10](https://github.com/o/r/pull/10)" in text
    assert "Title 13" not in text
    assert text.index("### Leaderboard") < text.index("### Non-record submissions") < text.index("Title 12")


def test_links_without_a_name() -> None:
    """Without the repository's name a row links to its folder, which works inside the repository itself."""
    assert "[folder](records/track_10min_16mb/2026-04-11_P10)" in with_table(empty_readme(), board())


@pytest.mark.parametrize(
    "text", ["", START, END, END + START, START + END + END, START + START + END, "# No markers\n"]
)
def test_markers_are_needed(text: str) -> None:
    """A README without each marker once, in order, is refused with what to add."""
    with pytest.raises(MarkerError, match="golf:leaderboard:start"):
        with_table(text, board())
