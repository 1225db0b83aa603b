"""Compares the regenerated leaderboard with the published tables, state by state, from a mirror of all pull requests.

python benchmarks/leaderboard.py MIRROR [DATE ...]

Prints how many rows of each state agree by the plain rule, how the others are explained, and which convention gives
each quoted p-value. Exit code 1 when a published row is not explained. Reads what the store ($GOLF_CACHE) lacks.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from collections import Counter
from pathlib import Path

from rich.console import Console

from harness.judge.judge import judge
from harness.judge.leaderboard.entry import Entry
from harness.judge.leaderboard.quoted import reproduce
from harness.leaderboard.gather import gathered_of
from harness.leaderboard.request import Request, rank
from harness.model.leaderboard import EXPLAINED_BY_RULE, Agreement, Leaderboard
from harness.observe.intake.pull_request import read_pull_request, read_ref
from harness.observe.intake.repository import Repository
from harness.observe.observe import observe
from harness.observe.reading.leaderboard import read_tables
from harness.observe.reading.worker import Reader
from harness.store.store import default_root
from harness.sweep.progress import show

DATES = ("2026-03-18", "2026-03-20", "2026-03-25", "2026-04-10", "2026-04-26", "2026-05-02")
SIDE_BRANCH = "refs/heads/codex/update-leaderboard-20260502"
"""Branch of the organisers with rows that never reached main, and their p-values."""
PINNED = {
    1945: ("7006753424886886bc27a17f839f6afd01962a08", "records/track_10min_16mb/2026-04-30_V19_PR1908_AsymLogit_WD2")
}
"""Pull requests whose row links to a commit that is not their head."""


def main(mirror: Path, dates: tuple[str, ...]) -> int:
    """Print the comparison; the number of rows without explanation."""
    bad = 0
    for date in dates:
        started = time.perf_counter()
        request = Request(mirror, default_root(), dt.date.fromisoformat(date))
        board = rank(request, os.cpu_count() or 1, lambda plan: show(plan, Console(stderr=True))).leaderboard
        bad += report(board, time.perf_counter() - started)
    side_branch(mirror)
    return bad


def report(board: Leaderboard, seconds: float) -> int:
    """Print one state; the number of its published rows that nothing explains."""
    published = [row for row in board.rows if row.published_score is not None]
    for records in (True, False):
        rows = [row for row in published if row.records is records]
        counts = Counter(row.agreement.value for row in rows if row.agreement)
        plain = sum(row.agreement in EXPLAINED_BY_RULE for row in rows)
        kind = "record" if records else "non-record"
        print(f"{board.as_of} {kind}: {len(rows)} published, {plain} by the rule, {dict(counts)}")
        for row in rows:
            if row.explanation:
                print(f"    {row.explanation}")
    for row in published:
        for quote in row.quoted:
            print(
                f"    p = {quote.printed} of #{row.pr} against #{quote.against}: {quote.convention} ({quote.computed})"
            )
    print(f"    {len(board.unmatched)} without a submission; {seconds:.1f} s")
    return len(board.unmatched) + sum(row.agreement is Agreement.UNEXPLAINED for row in published)


def side_branch(mirror: Path) -> None:
    """Print which convention gives each p-value of the rows that never reached main."""
    repository = Repository(mirror)
    if not repository.exists(SIDE_BRANCH):
        return
    files = repository.list_files(repository.resolve(SIDE_BRANCH), ".")
    readme = next(file for file in files if file.path == "README.md")
    content = repository.read_blob(readme.blob or "")
    tables = read_tables(content.data.decode() if content else "")
    quoted = [(row.prs[0], quote) for row in tables for quote in row.quoted if row.prs]
    numbers = {number for pr, quote in quoted for number in (pr, quote.against) if number is not None}
    with Reader() as reader:
        entries = {number: read(repository, number, reader) for number in sorted(numbers)}
    print("side branch:")
    for pr, quote in quoted:
        against = entries.get(quote.against) if quote.against is not None else None
        entry = entries.get(pr)
        found = reproduce(quote, entry, against) if entry is not None and against is not None else quote
        print(f"    p = {found.printed} of #{pr} against #{found.against}: {found.convention} ({found.computed})")


def read(repository: Repository, number: int, reader: Reader) -> Entry | None:
    """The first entry with a score of a pull request, at the commit that its row links to."""
    if number in PINNED:
        commit, folder = PINNED[number]
        intake = read_ref(repository, commit, folder=folder)
    else:
        intake = read_pull_request(repository, number)
    facts = observe(intake, repository, reader)
    return next((entry for entry in gathered_of(facts, judge(facts)).entries if entry.scores), None)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(1 if main(Path(sys.argv[1]), tuple(sys.argv[2:]) or DATES) else 0)
