"""The site in a real browser: sort, filter, keyboard, phone, and nothing loaded from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests_support.browser import DESKTOP, PHONE, browser, visit
from tests_support.rows import DAY, STUDY, accepted

from harness.judge.leaderboard.build import build
from harness.model.competition import load
from harness.model.published import PublishedRow
from harness.model.review import Verdict
from reports.site.site import site_files

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser"]  # a fixture, taken by name

LONG = "SP8192 + CaseOps + Gated Attention + Quant Gate + Loop4-5 + Phased TTT " + "x" * 40


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site on disk: four record rows, one of them a violation, and one of the other track."""
    rows = [
        accepted([1.2244], None),
        accepted([1.15, 1.151, 1.152], 20),
        accepted([1.10, 1.101], 11, verdict=Verdict.VIOLATION),
        accepted([1.12, 1.13], 30),
        accepted([0.95], 12, records=False),
    ]
    published = PublishedRow(section="Leaderboard", records=True, run="Run", score="1.1200", author="a", summary="",
                             date="2026-04-20", prs=(30,), line=1)  # fmt: skip
    board = build(rows, [published], load().policy("readme"), DAY)
    named = tuple(row.model_copy(update={"title": LONG}) if row.pr == 20 else row for row in board.rows)
    board = board.model_copy(update={"study": STUDY, "rows": named})
    root = tmp_path_factory.mktemp("site")
    (root / "submission").mkdir()
    for path, text in site_files(board, github="o/r"):
        (root / path).write_text(text, encoding="utf-8")
    return root


def scores(page: Page) -> list[str]:
    """Scores of the rows that can be seen, from top to bottom."""
    return [b.inner_text() for b in page.locator("tr.entry .score b").all() if b.is_visible()]


def test_sort(browser: Browser, site: Path) -> None:
    """A heading sorts up, then down, says so to assistive technology, and works from the keyboard."""
    with visit(browser, (site / "index.html").as_uri()) as seen:
        page = seen.page
        assert scores(page) == ["1.1005", "1.1250", "1.1510", "1.2244"]
        heading = page.get_by_role("columnheader", name="Score")
        heading.get_by_role("button").focus()
        page.keyboard.press("Enter")
        assert heading.get_attribute("aria-sort") == "ascending"
        page.keyboard.press("Enter")
        assert heading.get_attribute("aria-sort") == "descending"
        assert scores(page) == ["1.2244", "1.1510", "1.1250", "1.1005"]
        page.get_by_role("columnheader", name="Published").get_by_role("button").click()
        assert scores(page)[0] == "1.1250", "rows without a value stay last"
        assert seen.complaints == []


def test_filter(browser: Browser, site: Path) -> None:
    """Words, track, review and published status narrow the rows; an empty table offers a way back."""
    with visit(browser, (site / "index.html").as_uri()) as seen:
        page = seen.page
        page.locator("#review").select_option("compliant")
        assert scores(page) == ["1.1250", "1.1510", "1.2244"]
        page.locator("#track").select_option("")
        assert len(scores(page)) == 4
        page.locator("#find").fill("caseops #20")
        assert scores(page) == ["1.1510"]
        assert page.locator("#count").inner_text() == "1 row"
        page.locator("#published").select_option("listed")
        assert scores(page) == []
        page.get_by_role("button", name="Show all rows").click()
        assert len(scores(page)) == 5
        page.locator("#published").select_option("differs")
        assert scores(page) == ["1.1250"]
        assert seen.complaints == []


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("name", ["index.html", "study.html", "submission/20-2026-04-21-P20.html"])
def test_fits_and_loads_nothing(browser: Browser, site: Path, name: str, width: int) -> None:
    """Every kind of page fits its window, complains of nothing and requests nothing but itself."""
    with visit(browser, (site / name).as_uri(), width) as seen:
        assert seen.overflow() <= 0
        assert seen.complaints == []
        assert seen.requests == [(site / name).as_uri()]


def test_phone(browser: Browser, site: Path) -> None:
    """On a phone rows are cards that can still be sorted, text is at least 12 pixels, and one plot is shown."""
    with visit(browser, (site / "index.html").as_uri(), PHONE) as seen:
        page = seen.page
        page.locator("#sort").select_option("score down")
        assert scores(page)[0] == "1.2244"
        smallest = page.evaluate(
            "Math.min(...[...document.querySelectorAll('main *')].filter(e => e.offsetParent && e.innerText)"
            ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
        )
        assert smallest >= 12
        assert [page.locator(f".record .{name}").is_visible() for name in ("wide", "narrow")] == [False, True]


def test_without_script(browser: Browser, site: Path) -> None:
    """Without JavaScript all rows stand there in order of rank, and no dead control is shown."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    assert scores(page) == ["1.1005", "1.1250", "1.1510", "1.2244", "0.9500"]
    assert not page.locator("#controls").is_visible()
    context.close()
