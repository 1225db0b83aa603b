"""Submissions for the leaderboard, made of scores: facts of logs without any text, entries and candidates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from harness.judge.leaderboard.candidate import Candidate
from harness.judge.leaderboard.entry import Counted, Entry, LoggedRun, Printed
from harness.judge.leaderboard.row import RowCase
from harness.model.base import At, Fact
from harness.model.competition import load
from harness.model.facts import SubmissionFacts
from harness.model.leaderboard import RuleCount, Study
from harness.model.logs import LogFacts, RunFacts, Score
from harness.model.review import Verdict
from harness.model.target import FolderEntry, Origin

DAY = dt.date(2026, 4, 20)
FOLDER = "records/track_10min_16mb/2026-04-20_Mine"
NATS = 1.69
"""Nats per token for one bit per byte in all rows made here."""

STUDY = Study(
    read=5,
    known=9,
    weeks=("2026-03-16", "2026-03-23"),
    totals=(4, 1),
    verdicts={"violation": (1, 0), "clean": (3, 1)},
    rules=(RuleCount(rule="PG101", title="Claims", family="what is claimed", counts=(2, 0)),),
)
"""Two weeks of reviews."""


def score(label: str, bpb: float, *, exact: bool = False, diagnostic: bool = False) -> Score:
    """One score line."""
    return Score(label=label, val_loss=bpb * NATS, val_bpb=bpb, exact=exact, diagnostic=diagnostic, line=9)


def run(*scores: Score, seed: int | None = 42) -> RunFacts:
    """A run whose final score is the last one that is no progress line."""
    results = [one for one in scores if not one.diagnostic]
    at = At(path="log", line=1)
    found = Fact(value=seed, at=at) if seed is not None else None
    return RunFacts(first_line=1, last_line=9, seed=found, scores=scores, final=results[-1] if results else None)


def log(path: str, *runs: RunFacts) -> LogFacts:
    """A log file of these runs."""
    return LogFacts(path=path, sha256="0" * 64, bytes=1, lines=9, encoding="utf-8", runs=runs)


def row_case(*logs: LogFacts, folder: str = FOLDER) -> RowCase:
    """The case of a folder that holds these logs."""
    entry = FolderEntry(path=folder, track="10min_16mb", origin=Origin.NEW)
    return RowCase(SubmissionFacts(folder=entry, logs=logs), load(), DAY)


def logged(path: str, *results: tuple[str, float], seed: int | None = None) -> LoggedRun:
    """A run with its results, as (label, bits per byte)."""
    return LoggedRun(
        path=path,
        seed=seed,
        results=tuple(Printed(label=label, val_bpb=bpb, val_loss=bpb * NATS, line=3) for label, bpb in results),
    )


def entry(
    scores: Sequence[float] = (),
    *,
    pr: int | None = 7,
    folder: str | None = None,
    runs: Sequence[LoggedRun] = (),
    logs: int | None = None,
    claim: float | None = None,
    records: bool = True,
    origin: Origin = Origin.NEW,
    verdict: Verdict = Verdict.CLEAN,
) -> Entry:
    """An entry whose runs under seeds 1, 2 ... have these scores; `runs` are further runs of its folder."""
    made = [logged(f"train_seed{i}.log", ("final", bpb), seed=i) for i, bpb in enumerate(scores, 1)]
    return Entry(
        pr=pr,
        folder=folder or f"records/track_10min_16mb/2026-04-{(pr or 0) % 27 + 1:02d}_P{pr}",
        track="10min_16mb" if records else "non_record_16mb",
        records=records,
        origin=origin,
        title=f"Title {pr}",
        author="someone",
        day="2026-04-20",
        logs=len(made) + len(runs) if logs is None else logs,
        label="final" if made else None,
        counted=tuple(Counted(run=one, score=one.results[-1], bytes_total=15_000_000) for one in made),
        runs=(*made, *runs),
        claim=claim,
        verdict=verdict,
    )


def accepted(scores: Sequence[float], pr: int | None, **changes: object) -> Candidate:
    """A candidate that the organisers took in."""
    return Candidate(entry(scores, pr=pr, **changes), DAY)  # type: ignore[arg-type]
