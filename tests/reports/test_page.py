"""The HTML page of a review."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from tests_support.browser import DESKTOP, PHONE, browser, visit
from tests_support.hostile import PAYLOADS, Reader, poisoned
from tests_support.reviews import REPOSITORY, SHA, demo, every_kind, one_folder, run_folder, several_folders

from harness.model.facts import Facts
from harness.model.review import Review
from reports.links import Links
from reports.markdown import comment
from reports.page import page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser"]
Made = Callable[[], tuple[Review, Facts]]
REVIEWS = [demo, one_folder, several_folders, run_folder, every_kind]


class HtmlSnapshot(SingleFileSnapshotExtension):
    """A page in a file that can be opened."""

    file_extension = "html"
    _write_mode = WriteMode.TEXT


def html_of(made: Made) -> str:
    """The page of a review, with links to the repository."""
    review, facts = made()
    return page(review, Links.of(review.target, REPOSITORY), facts)


@pytest.mark.parametrize("made", REVIEWS[:4], ids=lambda made: made.__name__)
def test_pages(made: Made, snapshot: SnapshotAssertion) -> None:
    """The whole page, as it is."""
    assert html_of(made) == snapshot(extension_class=HtmlSnapshot)


@pytest.mark.parametrize("made", REVIEWS, ids=lambda made: made.__name__)
def test_structure(made: Made) -> None:
    """Landmarks are there once, headings never skip a level, ids are unique, inner links have a target."""
    text = html_of(made)
    seen = Reader(text)
    assert not seen.open
    assert [seen.counts.get(tag) for tag in ("main", "h1", "title")] == [1, 1, 1 + text.count("<svg")]
    levels = [int(level) for level in re.findall(r"<h([1-6])", text)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in seen.links if link.startswith("#")} <= set(ids)
    assert "<script" not in text
    assert " style=" not in text
    assert "Content-Security-Policy" in text


def test_every_number_has_its_place() -> None:
    """Places are links to the very lines of the commit; without a repository on GitHub they are words."""
    review, facts = one_folder()
    folder = review.submissions[0].folder
    address = f"https://github.com/{REPOSITORY}/blob/{SHA}/{folder}/train_seed42.log#L11"
    assert address in html_of(one_folder)
    plainly = page(review, Links.of(review.target, "/somewhere/clone"), facts)
    assert "train_seed42.log:11" in plainly
    assert "/blob/" not in plainly


def test_unpacked_text() -> None:
    """Lines of text that came out of a wrapper are told as such, and link to the file alone."""
    review, facts = one_folder()
    wrapped = f"{review.submissions[0].folder}/submission.json"
    links = Links.of(review.target, REPOSITORY, {wrapped})
    for text in (page(review, links, facts), comment(review, links)):
        assert "of the unpacked text" in text
        assert f"{wrapped}#L" not in text


def test_plots() -> None:
    """The demonstration has all plots, with their numbers in the description; facts bring the curves."""
    review, facts = demo()
    text = page(review, None, facts)
    for title in (
        "Score of each seed",
        "Size of the artifact",
        "Seconds of training",
        "Validation bits",
        "Training loss",
    ):
        assert title in text
    assert "seed 42: 1.6580" in text
    assert "Training loss" not in page(review)


def test_not_examined_is_always_there() -> None:
    """Even a review without submissions says what was not examined."""
    review, facts = one_folder()
    for shown in (review, review.model_copy(update={"submissions": ()})):
        assert "Not examined" in page(shown, None, facts)


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    """No complaint, no request but the page, no wider than the window, every part folded open; text has contrast."""
    texts = iter(PAYLOADS * 1000)
    for made in REVIEWS:
        review, facts = made()
        hostile = poisoned(review, lambda: next(texts))
        long = poisoned(review, lambda: "W" * 200)
        for name, shown in (("own", review), ("hostile", hostile), ("long", long)):
            file = tmp_path / f"{made.__name__}-{name}.html"
            file.write_text(page(shown, Links.of(shown.target, REPOSITORY), facts), encoding="utf-8")
            with visit(browser, file.as_uri(), width, scheme) as seen:
                seen.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
                assert seen.complaints == []
                assert seen.requests == [file.as_uri()]
                assert seen.overflow() <= 0
                assert seen.page.evaluate(CONTRAST) == []


CONTRAST = """() => {
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour[3] > 0) return colour;
    }
    return [255, 255, 255, 1];
  };
  const low = [];
  for (const node of document.querySelectorAll('body *:not(svg *)')) {
    if (![...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim())) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) low.push(`${node.tagName}.${node.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(low)];
}"""
"""Elements whose words have less contrast than 4.5 to 1 (WCAG 2.1, AA)."""
