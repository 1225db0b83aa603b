"""An Atom feed of the accepted rows, newest first: links into the site, no text but ours and what is neutralised."""

from __future__ import annotations

from collections.abc import Mapping

from harness.model.leaderboard import Leaderboard, LeaderboardRow
from reports.site.address import FEED, INDEX, row_page
from reports.site.phrases import step_words, verdict_words
from reports.text import attribute

_NEWEST = 50


def feed(leaderboard: Leaderboard, names: Mapping[tuple[int | None, str], str], home: str) -> str:
    """The feed; `home` is the address of the site, ending in a slash. Rows without a day of acceptance are left out."""
    dated = [row for row in leaderboard.rows if row.accepted is not None and row.mean is not None]
    dated.sort(key=lambda row: (row.accepted or "", row.pr or 0, row.folder), reverse=True)
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<title>Leaderboard of {attribute(leaderboard.repository, 100)}</title>",
        f"<id>urn:golf:leaderboard:{attribute(leaderboard.repository, 100)}</id>",
        f'<link rel="self" href="{attribute(home)}{FEED}"/>',
        f'<link rel="alternate" type="text/html" href="{attribute(home)}{INDEX}"/>',
        f"<updated>{leaderboard.as_of}T00:00:00Z</updated>",
        "<author><name>golf leaderboard</name></author>",
    ]
    parts += [_entry(row, names[row.pr, row.folder], home) for row in dated[:_NEWEST]]
    return "\n".join([*parts, "</feed>"]) + "\n"


def _entry(row: LeaderboardRow, name: str, home: str) -> str:
    place = f"rank {row.rank}" if row.rank is not None else "no rank"
    said = f"{place}; step {step_words(row)}; {row.n} runs; review: {verdict_words(row.compliance)}"
    return (
        f"<entry><title>{row.mean:.4f} {attribute(row.title, 100)}</title>"
        f"<id>urn:golf:leaderboard:row:{attribute(name)}</id>"
        f'<link href="{attribute(home)}{attribute(row_page(name))}"/>'
        f"<updated>{row.accepted}T00:00:00Z</updated><summary>{attribute(said)}</summary></entry>"
    )
