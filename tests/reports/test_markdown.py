"""The comment on a pull request."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion
from tests_support.hostile import live_in_markdown
from tests_support.reviews import FAILED_RUN, REPOSITORY, demo, every_kind, one_folder, run_folder, several_folders

from harness.model.review import Review
from reports.links import Links
from reports.markdown import LIMIT, MARKER, PLANS, comment, safe_url, size, summary

REVIEWS = [demo, one_folder, several_folders]


def text_of(review: Review, limit: int = LIMIT) -> str:
    """The comment with links."""
    return comment(review, Links.of(review.target, REPOSITORY), limit=limit)


@pytest.mark.parametrize("made", REVIEWS, ids=lambda made: made.__name__)
def test_comments(made: object, snapshot: SnapshotAssertion) -> None:
    """The whole comment, as it is."""
    assert callable(made)
    assert text_of(made()[0]) == snapshot


def test_order_of_parts() -> None:
    """The marker, the verdict, what to do, the evidence, what was not examined, the versions."""
    text = text_of(one_folder()[0])
    todo = "### What to do next"
    parts = (MARKER, "## Action needed", todo, "| seed |", "<summary>To mend", "### Not examined", "golf 1.2.3")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert text.startswith(MARKER + "\n")
    assert text.count(MARKER) == 1


def test_long_review_fits() -> None:
    """A pull request of many folders fits, says what was left out, and keeps steps and what was not examined."""
    review, _ = several_folders(60)
    text = text_of(review)
    assert size(text) <= LIMIT
    assert "Left out, for a comment has a limited size: rules that hold; " in text
    assert "### What to do next" in text
    assert "### Not examined" in text
    assert not list(live_in_markdown(text))


@settings(max_examples=25, deadline=None)
@given(st.integers(min_value=3000, max_value=70_000))
def test_any_limit(limit: int) -> None:
    """Whatever the limit, the comment keeps to it and stays well-formed."""
    text = text_of(_LONG, limit)
    assert size(text) <= limit
    assert not list(live_in_markdown(text))


_LONG = several_folders(24)[0]


def test_plans_shrink() -> None:
    """Each plan leaves out more than the one before, and all but the first say what."""
    assert [bool(plan.left_out) for plan in PLANS] == [False] + [True] * (len(PLANS) - 1)
    sizes = [size(text_of(_LONG, limit)) for limit in (10**9, 60_000, 30_000, 12_000)]
    assert sizes == sorted(sizes, reverse=True)


def test_size_counts_as_github_does() -> None:
    """Characters beyond the basic plane count twice: never less than GitHub counts."""
    assert size("aé⚠") == 3
    assert size("😀") == 2


def test_links_leave_no_trace() -> None:
    """Addresses of rulings go through the redirect, which leaves no note in the pull request that they name."""
    assert safe_url("https://github.com/a/b/pull/5") == "https://redirect.github.com/a/b/pull/5"
    assert safe_url("https://github.com/a/b#faq") == "https://github.com/a/b#faq"
    assert "(<https://github.com/openai/parameter-golf/pull/2146" not in text_of(every_kind()[0])


def test_summary() -> None:
    """The short form has verdict, steps and what was not examined, and no evidence."""
    text = summary(one_folder()[0])
    assert "### What to do next" in text
    assert "### Not examined" in text
    assert "<details>" not in text


def test_no_submission() -> None:
    """Without any submission the comment still says what was not examined."""
    review = one_folder()[0].model_copy(update={"submissions": ()})
    assert "there is no submission to examine" in text_of(review)


def test_run() -> None:
    """A run stands beside the claims in few words; its stages and files are folded, and what a failed one printed."""
    whole = comment(run_folder()[0])
    assert "- Ran: trained 16 steps, wrote final_model.int8.ptz (312 kB)" in whole
    assert "| `run: size 64` | partial | 0.0 | – | `RuntimeError: sizes do not fit` |" in whole
    assert "- wrote `final_model.int8.ptz`: 312 kB, read back\n" in whole
    assert "- printed" not in whole
    assert "- printed `final val_bpb:2.7246`" in comment(run_folder(FAILED_RUN)[0])
