"""What is known of each pull request: its entries and what its review found, from the store, fast and in parallel."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.judge.judge import judge
from harness.judge.leaderboard.entry import Entry, entry_of, entry_of_review
from harness.judge.rulebook import ruleset_digest
from harness.leaderboard.workers import in_chunks
from harness.model.base import Frozen
from harness.model.competition import load
from harness.model.facts import Facts
from harness.model.findings import Finding, Outcome, Severity
from harness.model.review import Review, Verdict
from harness.store.store import Store
from harness.sweep.job import observed_facts
from harness.sweep.plan import Key

_CHUNK = 40
"""Pull requests that one worker takes at a time."""


class Gathered(Frozen):
    """One pull request: committer date of its head, verdict, the rules it breaks, and its submissions."""

    pr: int
    committed_at: str | None
    verdict: Verdict
    broken: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Source:
    """Where reviews come from: stored facts judged as of `as_of` (None: of their own date), or a sweep's folder."""

    store: Path
    reviews: Path | None = None
    as_of: dt.date | None = None


def known(keys: Mapping[int, Key], source: Source) -> list[int]:
    """Pull requests of which there are facts, or reviews, already."""
    if source.reviews is not None:
        folder = source.reviews
        return [pr for pr in keys if (folder / f"{pr}.json").exists()]
    store = Store(source.store)
    return [pr for pr, key in keys.items() if store.has("observed", key.observed)]


def gather(keys: Mapping[int, Key], source: Source, jobs: int) -> dict[int, Gathered]:
    """What is known of the pull requests of `keys`, by number; those of which nothing is are left out."""
    digest = f"{ruleset_digest()} {source.as_of}"
    work = partial(_gather_all, source=source, digest=digest)
    return {found.pr: found for found in in_chunks(work, list(keys.items()), _CHUNK, jobs)}


def gathered_of(facts: Facts, review: Review) -> Gathered:
    """What a review and the facts it rests on say of a pull request or ref."""
    day = dt.date.fromisoformat(review.harness.as_of)
    reviewed = {submission.folder: submission for submission in review.submissions}
    entries = tuple(
        entry_of(submission, reviewed.get(submission.folder.path), facts.target.pr, load(), day)
        for submission in facts.submissions
    )
    return _gathered(review, entries)


def review_of(pr: int, key: Key, source: Source) -> tuple[Review, Facts | None] | None:
    """The review of a pull request, and the facts it rests on where these are at hand.

    A review alone has one run a seed under one label; with the facts, where the store has them, it is told better.
    """
    facts = observed_facts(key, Store(source.store))
    if source.reviews is not None:
        path = source.reviews / f"{pr}.json"
        return (Review.model_validate_json(path.read_bytes()), facts) if path.exists() else None
    return (judge(facts, source.as_of), facts) if facts is not None else None


def _gathered(review: Review, entries: tuple[Entry, ...]) -> Gathered:
    groups = [review.hygiene, *(submission.findings for submission in review.submissions)]
    broken = {finding.rule for group in groups for finding in group if _is_broken(finding)}
    return Gathered(
        pr=review.target.pr or 0,
        committed_at=review.target.committed_at,
        verdict=review.compliance.verdict,
        broken=tuple(sorted(broken)),
        entries=entries,
    )


def _is_broken(finding: Finding) -> bool:
    return finding.outcome is Outcome.FAIL and finding.tolerated is None and finding.severity is not Severity.ADVICE


def _gather_all(chunk: Sequence[tuple[int, Key]], source: Source, digest: str) -> list[Gathered]:
    store = Store(source.store)
    found = []
    for pr, key in chunk:
        address = hashlib.sha256(f"{key.observed} {digest}".encode()).hexdigest()
        gathered = store.get("gathered", address, Gathered) if source.reviews is None else None
        if gathered is None:
            gathered = _gather(pr, key, source)
            if gathered is not None and source.reviews is None:
                store.put("gathered", address, gathered)
        if gathered is not None:
            found.append(gathered)
    return found


def _gather(pr: int, key: Key, source: Source) -> Gathered | None:
    reviewed = review_of(pr, key, source)
    if reviewed is None:
        return None
    review, facts = reviewed
    if facts is not None:
        return gathered_of(facts, review)
    entries = tuple(entry_of_review(submission, review.target.pr, load()) for submission in review.submissions)
    return _gathered(review, entries)
