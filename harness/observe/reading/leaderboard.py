"""The published tables of the repository's README: every row whose header names a run and a score.

The first header had a Rank column, which went on 2026-03-19; the second table was called "Notable Non-Record Runs"
before it was "Unlimited Compute Leaderboard & Non-record Submissions". Columns are found by name, never by place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.model.base import snippet
from harness.model.published import PublishedRow, Quoted

MAX_ROWS = 500
"""Most rows that are read; the largest table met has 59."""
_HEADING = re.compile(r"#{1,6}\s+(?P<text>.{1,200})")
_PULL = re.compile(r"/pull/(\d{1,7})\b")
_FOLDER = re.compile(r"\]\((?:\./)?(records/[^()\s]+)\)")
_QUOTED = re.compile(r"\bp\s*=\s*(?P<p>0\.\d{1,6})(?:\s+vs\.?\s+(?:PR\s+)?#(?P<pr>\d{1,7}))?")
_NUMBER = re.compile(r"#(\d{1,7})\b")
_COLUMNS = frozenset({"run", "score"})


def read_tables(text: str) -> tuple[PublishedRow, ...]:
    """Rows of all leaderboard tables in `text`, in order; cells of other tables are not looked at."""
    rows = []
    for section, columns, cells, line in _cells(text):
        named = dict(zip(columns, cells, strict=False))
        links, summary = named.get("info", ""), named.get("summary", "")
        rows.append(
            PublishedRow(
                section=snippet(section, 120),
                records="non-record" not in section.lower(),
                run=snippet(named["run"]),
                score=snippet(named["score"], 20),
                author=snippet(named.get("author", ""), 80),
                summary=snippet(summary, 500),
                date=snippet(named.get("date", ""), 20),
                prs=tuple(dict.fromkeys(int(number) for number in _PULL.findall(links))),
                folders=tuple(dict.fromkeys(_folder(path) for path in _FOLDER.findall(links))),
                quoted=tuple(_quoted(summary)),
                line=line,
            )
        )
        if len(rows) == MAX_ROWS:
            break
    return tuple(rows)


def _cells(text: str) -> Iterator[tuple[str, list[str], list[str], int]]:
    """(heading, column names, cells, line) of each row below a header that has a run and a score."""
    heading = ""
    columns: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if match := _HEADING.match(line):
            heading, columns = match["text"].strip(), []
        elif not line.startswith("|"):
            columns = []
        else:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not columns:
                names = [cell.lower() for cell in cells]
                columns = names if set(names) >= _COLUMNS else []
            elif not set("".join(cells)) <= set("-: ") and len(cells) == len(columns):
                yield heading, columns, cells, number


def _folder(path: str) -> str:
    """The folder of a linked README, or the linked folder."""
    parent, _, name = path.rstrip("/").rpartition("/")
    return parent if name.lower().endswith(".md") else path.rstrip("/")


def _quoted(summary: str) -> Iterator[Quoted]:
    """Quoted p-values, each with the pull request it names, else the one named last before it."""
    for match in _QUOTED.finditer(summary):
        before = _NUMBER.findall(summary[: match.start()])
        number = match["pr"] or (before[-1] if before else None)
        yield Quoted(printed=match["p"], against=int(number) if number else None)
