"""Writes what `golf leaderboard` made: data, site, reviews, the table of a README; each file whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from harness.judge.judge import judge
from harness.leaderboard.gather import Source, review_of
from harness.leaderboard.request import Ranked
from harness.leaderboard.workers import in_chunks
from harness.model.facts import Facts
from harness.model.leaderboard import Leaderboard
from harness.model.review import Review
from harness.store.store import write_atomically
from harness.sweep.plan import Key
from reports.formats import unpacked_paths
from reports.links import Links
from reports.page import page
from reports.site.address import page_names, review_page
from reports.site.readme import empty_readme, with_table
from reports.site.site import site_files

README = "README.md"
_HOME = "../index.html"
_CHUNK = 25
"""Reviews that one worker renders at a time."""


def publish(
    ranked: Ranked, output: Path, jobs: int, readme: Path | None = None, github: str | None = None, home: str = ""
) -> list[Path]:
    """Write everything below `output`, and the table into `readme` (default: `output`/README.md); the paths written.

    Raises MarkerError, before anything is written, when `readme` lacks the markers. Pages of an earlier call that no
    row has any more are removed.
    """
    table = readme or output / README
    before = table.read_bytes().decode("utf-8", "surrogateescape") if table.exists() else empty_readme()
    after = with_table(before, ranked.leaderboard, github)
    for folder in (output, output / "submission", output / "review"):
        folder.mkdir(parents=True, exist_ok=True)
    written = set(_write_reviews(ranked, output, jobs, github))
    reviewed = {path.relative_to(output).as_posix() for path in written}
    for name, text in site_files(ranked.leaderboard, reviewed, github, home):
        write_atomically(output / name, text.encode())
        written.add(output / name)
    for stale in {*(output / "submission").glob("*.html"), *(output / "review").glob("*.html")} - written:
        stale.unlink()
    if after != before or not table.exists():
        write_atomically(table, after.encode("utf-8", "surrogateescape"))
    return sorted({*written, table})


def _write_reviews(ranked: Ranked, output: Path, jobs: int, github: str | None) -> Iterator[Path]:
    """A page for the review of every pull request, and lone folder, that holds a rank or was accepted."""
    pages = _pages(ranked.leaderboard)
    work = partial(_render_all, output=output, source=ranked.source, github=github)
    listed = [(pr, ranked.keys[pr], path) for pr, path in pages.items() if pr in ranked.keys]
    yield from in_chunks(work, listed, _CHUNK, jobs)
    names = page_names(ranked.leaderboard.rows)
    for row in ranked.leaderboard.rows:
        facts = ranked.alone.get(row.folder)
        if row.pr is None and facts is not None:
            review = judge(facts, ranked.source.as_of)
            path = output / review_page(row, names[row.pr, row.folder])
            _write_review(path, review, facts, github)
            yield path


def _pages(leaderboard: Leaderboard) -> dict[int, str]:
    names = page_names(leaderboard.rows)
    shown = [row for row in leaderboard.rows if row.rank is not None or row.accepted is not None]
    return {row.pr: review_page(row, names[row.pr, row.folder]) for row in shown if row.pr is not None}


def _render_all(chunk: Sequence[tuple[int, Key, str]], output: Path, source: Source, github: str | None) -> list[Path]:
    written = []
    for pr, key, name in chunk:
        found = review_of(pr, key, source)
        if found is not None:
            _write_review(output / name, *found, github)
            written.append(output / name)
    return written


def _write_review(path: Path, review: Review, facts: Facts | None, github: str | None) -> None:
    unpacked = unpacked_paths(facts) if facts is not None else ()
    write_atomically(path, page(review, Links.of(review.target, github, unpacked), facts, _HOME).encode())
