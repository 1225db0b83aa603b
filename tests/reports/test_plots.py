"""Plots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_support.hostile import HOSTILE, Reader
from tests_support.reviews import demo, one_folder

from reports.figures import figures, record_mean
from reports.plots import Bar, Mark, Series, bars, curves, dots, ticks

finite = st.floats(min_value=-1e9, max_value=1e9)
sizes = st.floats(min_value=0, max_value=1e12)


@given(finite, finite)
def test_ticks(a: float, b: float) -> None:
    """Ticks lie between the ends, rise, and are few."""
    low, high = min(a, b), max(a, b)
    found = ticks(low, high)
    assert found == sorted(found)
    assert len(found) <= 6
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert all(low - slack <= tick <= high + slack for tick in found)


@given(st.lists(st.tuples(HOSTILE, sizes, sizes), min_size=1, max_size=5), sizes)
def test_bars(rows: list[tuple[str, float, float]], limit: float) -> None:
    """Any sizes and names give a well-formed picture, one rectangle a part."""
    made = [Bar(name, (("model", a), ("code", b))) for name, a, b in rows]
    seen = Reader(bars("k", "title", made, [Mark("limit", limit, "limit")], str))
    assert not seen.open
    assert seen.counts["rect"] == 2 * len(rows) + 2
    assert ("svg", ("aria-labelledby", "role", "viewbox")) in seen.elements


@given(st.lists(st.tuples(HOSTILE, finite), min_size=1, max_size=5), finite)
def test_dots(rows: list[tuple[str, float]], claim: float) -> None:
    """Any scores give a well-formed picture, one dot a row, all numbers finite."""
    text = dots("k", "title", rows, [Mark("claimed", claim, "claim")], lambda value: f"{value:.4f}")
    seen = Reader(text)
    assert seen.counts["circle"] == len(rows)
    assert not any(word in " ".join(seen.values) for word in ("nan", "inf"))


@given(st.lists(st.lists(st.tuples(finite, finite), min_size=1, max_size=9), min_size=1, max_size=6))
def test_curves(series: list[list[tuple[float, float]]]) -> None:
    """Any points give a well-formed picture, one line a series."""
    made = [Series(f"seed {i}", tuple(points)) for i, points in enumerate(series)]
    seen = Reader(curves("k", "title", made, "step"))
    assert seen.counts["polyline"] == len(series)
    assert not seen.open


def test_steep_start_is_cut_off() -> None:
    """The first steps do not press the rest flat, and the description says so."""
    points = tuple((float(i), 10.0 if i == 0 else 2.0 - i / 1000) for i in range(100))
    assert "lie outside" in curves("k", "title", [Series("seed 1", points)], "step")


def test_figures_of_the_demonstration() -> None:
    """Scores, sizes, times and two curves with the facts; without them no curve and no share of the code."""
    review, facts = demo()
    submission = review.submissions[0]
    with_facts = figures(submission, facts.submissions[0], "k")
    assert len(with_facts) == 5
    assert any("model" in figure.svg and "code" in figure.svg for figure in with_facts)
    assert len(figures(submission, None, "k")) == 3


def test_record_to_beat() -> None:
    """The record is that of the test's evidence, and only where it is the harness's own data."""
    submission = one_folder()[0].submissions[0]
    assert record_mean(submission) == pytest.approx(1.0810, abs=1e-4)
    moved = tuple(
        finding.model_copy(
            update={"evidence": tuple(e.model_copy(update={"path": "README.md"}) for e in finding.evidence)}
        )
        for finding in submission.findings
    )
    assert record_mean(submission.model_copy(update={"findings": moved})) is None
