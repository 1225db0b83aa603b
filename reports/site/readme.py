"""The table of a README, between two markers: everything outside them stays as it is, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from harness.model.leaderboard import Leaderboard, LeaderboardRow
from reports.site.phrases import step_words, verdict_words
from reports.text import markdown

START, END = "<!-- golf:leaderboard:start -->", "<!-- golf:leaderboard:end -->"


class MarkerError(ValueError):
    """The README does not hold each marker once, in their order; the message says what to add."""


def with_table(readme: str, leaderboard: Leaderboard, github: str | None = None) -> str:
    """`readme` with the table of `leaderboard` between the markers. Raises MarkerError without them."""
    before, start, rest = readme.partition(START)
    old, end, after = rest.partition(END)
    if not start or not end or START in rest or END in after or END in before:
        raise MarkerError(f"the README must hold the lines {START} and {END} once each, where the table belongs")
    newline = "\r\n" if "\r\n" in old else "\n"
    return before + START + newline + newline.join(_lines(leaderboard, github)) + newline + END + after


def empty_readme() -> str:
    """A README that holds nothing but a heading and the markers."""
    return f"# Leaderboard\n\n{START}\n{END}\n"


def _lines(leaderboard: Leaderboard, github: str | None) -> Iterator[str]:
    yield ""
    yield from _table("Leaderboard", (row for row in leaderboard.rows if row.records), github)
    yield ""
    yield from _table("Non-record submissions", (row for row in leaderboard.rows if not row.records), github)
    yield ""
    yield (
        f"Scores are means over the committed logs, as of {leaderboard.as_of}. The step is against the best earlier "
        f"pull request, in nats per token, under policy {markdown(leaderboard.policy)}; it ranks nobody."
    )


def _table(heading: str, rows: Iterable[LeaderboardRow], github: str | None) -> Iterator[str]:
    """The rows that hold a rank."""
    yield f"### {heading}"
    yield ""
    yield "| # | Run | Score | σ (n) | Author | Date | Step | Review | Info |"
    yield "|--:|-----|------:|------:|--------|------|------|--------|------|"
    for row in rows:
        if row.rank is not None and row.mean is not None:
            yield "| " + " | ".join(_cells(row, github)) + " |"


def _cells(row: LeaderboardRow, github: str | None) -> Iterator[str]:
    yield str(row.rank)
    yield markdown(row.title, 100)
    yield f"{row.mean:.4f}"
    yield f"{row.std:.4f} ({row.n})" if row.std is not None else f"– ({row.n})"
    yield markdown(row.author or "–", 40)
    yield markdown(row.date or "–", 20)
    yield step_words(row)
    yield verdict_words(row.compliance)
    yield _info(row, github)


def _info(row: LeaderboardRow, github: str | None) -> str:
    """A link to the pull request where the repository's name is known, else to the folder."""
    if github is not None and row.pr is not None:
        return f"[#{row.pr}](https://github.com/{github}/pull/{row.pr})"
    return f"[folder]({quote(row.folder)})"
