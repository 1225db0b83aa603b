"""Writes what `golf leaderboard` made: data, site, reviews, the table of a README; each file whole or not at all."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

from harness.judge.judge import judge
from harness.leaderboard.gather import Source, review_of, uncollected
from harness.leaderboard.request import Ranked
from harness.model.leaderboard import Leaderboard
from harness.store.store import write_atomically
from harness.sweep.plan import Key
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
    chunks = list(_chunks([(pr, ranked.keys[pr], path) for pr, path in pages.items() if pr in ranked.keys]))
    if jobs == 1 or len(chunks) < 2:
        yield from chain.from_iterable(map(work, chunks))
    else:
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield from chain.from_iterable(pool.map(work, chunks))
    names = page_names(ranked.leaderboard.rows)
    for row in ranked.leaderboard.rows:
        facts = ranked.alone.get(row.folder)
        if row.pr is None and facts is not None:
            review = judge(facts, ranked.source.as_of)
            path = output / review_page(row, names[row.pr, row.folder])
            write_atomically(path, page(review, Links.of(review.target, github), facts, _HOME).encode())
            yield path


def _pages(leaderboard: Leaderboard) -> dict[int, str]:
    names = page_names(leaderboard.rows)
    shown = [row for row in leaderboard.rows if row.rank is not None or row.accepted is not None]
    return {row.pr: review_page(row, names[row.pr, row.folder]) for row in shown if row.pr is not None}


@uncollected()
def _render_all(chunk: Sequence[tuple[int, Key, str]], output: Path, source: Source, github: str | None) -> list[Path]:
    written = []
    for pr, key, name in chunk:
        found = review_of(pr, key, source)
        if found is not None:
            review, facts = found
            text = page(review, Links.of(review.target, github), facts, _HOME)
            write_atomically(output / name, text.encode())
            written.append(output / name)
    return written


def _chunks(items: Iterable[tuple[int, Key, str]]) -> Iterator[list[tuple[int, Key, str]]]:
    listed = list(items)
    yield from (listed[at : at + _CHUNK] for at in range(0, len(listed), _CHUNK))
