"""The files of the site: the same every time, closed to everything from outside, and harmless."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_support.hostile import PAYLOADS
from tests_support.rows import DAY, STUDY, accepted

from harness.judge.leaderboard.build import build
from harness.judge.leaderboard.candidate import Candidate
from harness.model.competition import load
from harness.model.leaderboard import Leaderboard
from harness.model.published import PublishedRow
from reports.site.address import page_names
from reports.site.site import site_files
from reports.site.study import LEVELS, shade


def board(text: str = "Plain", folder: str = "records/track_10min_16mb/2026-04-20_P") -> Leaderboard:
    """A leaderboard in which every text of a submission, and of the published table, is `text`."""
    rows = [accepted([1.2244], None), accepted([1.1, 1.11], 10, folder=folder), accepted([0.9], 12, records=False)]
    named = [
        Candidate(
            c.entry.model_copy(update={"title": text, "author": text, "summary": text, "label": text}), c.accepted
        )
        for c in rows
    ]
    published = [
        PublishedRow(section=text, records=True, run=text, score="1.1000", author=text, summary=text, date="x",
                     prs=(10,), line=1),
        PublishedRow(section=text, records=True, run=text, score=text[:20], author=text, summary=text, date="x",
                     line=2),
    ]  # fmt: skip
    made = build(named, published, load().policy("readme"), DAY)
    return made.model_copy(update={"study": STUDY, "repository": text or "r", "commit": "0" * 40})


class Page(HTMLParser):
    """What a page holds: its tags, its texts, and every address it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag with what could load or run something."""
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "action", "xlink:href"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]


def pages(leaderboard: Leaderboard) -> dict[str, str]:
    """The HTML files of a site."""
    return {path: text for path, text in site_files(leaderboard, github="o/r") if path.endswith(".html")}


def test_same_bytes_every_time() -> None:
    """The same leaderboard gives the same files."""
    assert list(site_files(board(), {"review/10.html"})) == list(site_files(board(), {"review/10.html"}))


def test_files_and_links() -> None:
    """Every link inside the site leads to a file of the site; a review is linked where there is one."""
    files = dict(site_files(board(), {"review/10.html"}))
    assert {"index.html", "study.html", "feed.xml", "leaderboard.json", "golf.leaderboard.1.json"} <= set(files)
    for path, text in files.items():
        if not path.endswith(".html"):
            continue
        up = "../" if "/" in path else ""
        for address in Page(text).addresses:
            inside = address.partition("#")[0].removeprefix(up)
            assert address.startswith(("https://github.com/o/r/", "#")) or inside in {*files, "review/10.html"}, address


def test_data_follows_its_schema() -> None:
    """`leaderboard.json` is valid under the schema that lies beside it."""
    files = dict(site_files(board()))
    jsonschema.validate(json.loads(files["leaderboard.json"]), json.loads(files["golf.leaderboard.1.json"]))


def test_feed() -> None:
    """The feed is well-formed Atom with an entry for each accepted row that has a score, newest first."""
    files = dict(site_files(board("<b>&"), home="https://example.org/board/"))
    root = ET.fromstring(files["feed.xml"])
    atom = "{http://www.w3.org/2005/Atom}"
    entries = root.findall(f"{atom}entry")
    assert len(entries) == 3
    assert entries[0].find(f"{atom}link").attrib["href"].startswith("https://example.org/board/submission/12-")  # type: ignore[union-attr]
    assert all("<b>&" in (entry.findtext(f"{atom}title") or "") for entry in entries)


def test_complete_without_script() -> None:
    """The table stands in the page with every row; the controls are hidden until the script shows them."""
    text = dict(site_files(board()))["index.html"]
    assert text.count('class="entry"') == 3
    assert re.search(r'<form class="controls"[^>]* hidden>', text)


def test_policy_allows_only_its_own_script() -> None:
    """The content security policy names the digests of style and script and forbids all else."""
    for text in pages(board()).values():
        (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert "http" not in policy


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_stay_text(payload: str) -> None:
    """Hostile text adds no tag, no address, no handler and no page to any file of the site."""
    plain, hostile = pages(board()), pages(board(payload))
    for (path, one), (other_path, other) in zip(plain.items(), hostile.items(), strict=True):
        expected, found = Page(one), Page(other)
        assert path == other_path
        assert found.tags == expected.tags
        assert found.addresses == expected.addresses
        assert found.handlers == []


@settings(max_examples=40, deadline=None)  # renders a whole site for each example
@given(st.text(max_size=80))
def test_any_text_stays_text(text: str) -> None:
    """Any text at all: the same tags as with plain words, and no character that cannot be seen."""
    expected = [Page(one).tags for one in pages(board("Plain")).values()]
    for tags, page in zip(expected, pages(board("x" + text)).values(), strict=True):
        assert Page(page).tags == tags
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\x00-\x08\x0e-\x1f]", page)


@given(st.lists(st.tuples(st.integers(1, 3), st.text(max_size=12)), max_size=12, unique=True))
def test_page_names(rows: list[tuple[int, str]]) -> None:
    """Names of pages are safe and differ, even where file systems do not tell capitals from small letters."""
    first = board().rows[0]
    made = [first.model_copy(update={"pr": pr, "folder": f"records/{name}"}) for pr, name in rows]
    names = list(page_names(made).values())
    assert len({name.lower() for name in names}) == len(rows)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", name) for name in names)


@given(st.integers(0, 500), st.integers(0, 500))
def test_shades(count: int, total: int) -> None:
    """A shade exists in the style sheet, none stands for zero, and more is never lighter."""
    assert 0 <= shade(count, total) <= LEVELS
    assert (shade(count, total) == 0) == (count == 0 or total == 0)
    assert shade(count + 1, total) >= shade(count, total)
