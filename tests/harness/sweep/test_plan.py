"""Which pull requests a sweep covers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.sweep.plan import PlanError, job_keys, parse_prs

HELD = [1, 2, 5, 8, 13]


def test_forms(tmp_path: Path) -> None:
    """Every accepted form names the same numbers, in order and once."""
    listing = tmp_path / "prs.txt"
    listing.write_text("8, 2\n5\n")
    assert parse_prs("all", HELD) == HELD
    assert parse_prs("2-8", HELD) == [2, 5, 8]
    assert parse_prs("8,2,5,2", HELD) == [2, 5, 8]
    assert parse_prs(f"@{listing}", HELD) == [2, 5, 8]


@pytest.mark.parametrize("text", ["x", "1-", "-3", "3", "1;2", "@nowhere", "²"])
def test_refusals(text: str) -> None:
    """What is no list of held pull requests is refused in words."""
    with pytest.raises(PlanError):
        parse_prs(text, HELD)


@given(st.dictionaries(st.integers(1, 30), st.text("abc", min_size=1), min_size=2), st.data())
def test_keys(heads: dict[int, str], data: st.DataObject) -> None:
    """A new head changes the keys of its own and all later pull requests, and of no earlier one."""
    moved = data.draw(st.sampled_from(sorted(heads)))
    before = job_keys(heads, heads, "base", "code", "rules")
    after = job_keys(heads, heads | {moved: heads[moved] + "!"}, "base", "code", "rules")
    later = {pr for pr in heads if pr >= moved}
    assert {pr for pr in heads if before[pr].observed != after[pr].observed} == later
    assert {pr for pr in heads if before[pr].judged != after[pr].judged} == later


def test_keys_of_facts_and_reviews() -> None:
    """Other rules change the key of the review alone, other observing code both."""
    (before,) = job_keys([1], {1: "a"}, "base", "code", "rules").values()
    (ruled,) = job_keys([1], {1: "a"}, "base", "code", "other").values()
    (coded,) = job_keys([1], {1: "a"}, "base", "other", "rules").values()
    assert (before.observed, before.judged != ruled.judged) == (ruled.observed, True)
    assert len({before.observed, coded.observed, before.judged, coded.judged}) == 4
