"""Where each page of the site lies, relative to its root. Names are made of safe characters and never collide."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from harness.model.leaderboard import LeaderboardRow

INDEX, STUDY, FEED, DATA = "index.html", "study.html", "feed.xml", "leaderboard.json"
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")
_LONGEST = 60


def page_names(rows: Iterable[LeaderboardRow]) -> dict[tuple[int | None, str], str]:
    """A name for the page of each row, by pull request and folder: number, folder, and a digest where two are alike."""
    names: dict[tuple[int | None, str], str] = {}
    taken: set[str] = set()
    for row in rows:
        folder = _UNSAFE.sub("-", row.folder.rpartition("/")[2])[:_LONGEST].strip("-.") or "folder"
        name = f"{row.pr if row.pr is not None else 'main'}-{folder}"
        if name.lower() in taken:
            name += "-" + hashlib.sha256(f"{row.pr} {row.folder}".encode()).hexdigest()[:8]
        taken.add(name.lower())
        names[row.pr, row.folder] = name
    return names


def row_page(name: str) -> str:
    """The page of a row."""
    return f"submission/{name}.html"


def review_page(row: LeaderboardRow, name: str) -> str:
    """The page of the review that a row rests on: that of its pull request, or of the folder alone."""
    return f"review/{row.pr}.html" if row.pr is not None else f"review/{name}.html"
