"""The published tables, under every header that the README had."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.observe.reading.leaderboard import read_tables

FIRST = """\
## Leaderboard

| Rank | Run | Score | Author | Summary | Date | Info |
|-----:|-----|------:|--------|---------|------|------|
| 1 | Baseline | 1.2244 | Org | 9 layers | 2026-03-18 | [info](records/track_10min_16mb/2026-03-17_B/README.md) |

#### Notable Non-Record Runs

| Run | Score | Author | Summary | Date | Info |
|-----|------:|--------|---------|------|------|
| 4h | 1.2074 | Org | long | 2026-03-18 | [info](records/track_non_record_16mb/2026-03-18_Q/README.md) |

| Kind | Bytes |
|------|------:|
| code | 1 |
"""
LATE = """\
| Run | Score | Author | Summary | Date | Info |
|-----|------:|--------|---------|------|------|
| A| 1.206 | x | On PR #5: beats #4 (p=0.020) and more (p=0.188 vs PR #1868 rerun) | 2026-04-29 | \
[info](https://github.com/o/r/pull/5), [3-seed](https://github.com/o/r/pull/6#issuecomment-1) |
"""


def test_first_header_and_sections() -> None:
    """Columns are found by name, the section tells records from the rest, other tables are left alone."""
    one, other = read_tables(FIRST)
    assert (one.run, one.score, one.records, one.line) == ("Baseline", "1.2244", True, 5)
    assert one.folders == ("records/track_10min_16mb/2026-03-17_B",)
    assert (other.records, other.section) == (False, "Notable Non-Record Runs")


def test_links_and_quoted_p_values() -> None:
    """All linked pull requests count; a p-value belongs to the number it names, else to the last one before it."""
    (row,) = read_tables(LATE)
    assert row.prs == (5, 6)
    assert [(quote.printed, quote.against) for quote in row.quoted] == [("0.020", 4), ("0.188", 1868)]


def test_carriage_returns_and_short_rows() -> None:
    """Line ends of other systems change nothing; a row with other cells than its header is no row."""
    assert read_tables(FIRST.replace("\n", "\r\n")) == read_tables(FIRST)
    assert read_tables(FIRST.replace("| 1 | Baseline |", "| Baseline |"))[0].run == "4h"


@given(st.text("|-# \nRunScore0123456789.()[]records/pul", max_size=300))
def test_any_text_is_read(text: str) -> None:
    """No text makes the reader fail, and nothing in a row spans lines."""
    for row in read_tables("| Run | Score |\n" + text):
        assert "\n" not in row.run + row.score
