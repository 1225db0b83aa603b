"""`golf leaderboard` from request to `golf.leaderboard/1`: history of main, facts, candidates, rows, study."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.facts import facts_of
from harness.judge.judge import judge
from harness.judge.leaderboard.build import build
from harness.judge.leaderboard.candidate import Candidate
from harness.judge.leaderboard.entry import Entry
from harness.judge.rulebook import ruleset_digest
from harness.leaderboard.gather import Gathered, Source, gather, gathered_of, known
from harness.leaderboard.history import Held, History, read_history
from harness.leaderboard.study import study
from harness.model.competition import DEFAULT_POLICY, ListedSubmission, load
from harness.model.facts import Facts
from harness.model.leaderboard import Leaderboard, View
from harness.observe.intake.pull_request import read_ref
from harness.observe.intake.repository import Repository
from harness.observe.reading.leaderboard import read_tables
from harness.observe.reading.worker import Reader
from harness.store.store import Store
from harness.sweep.index import IndexRow
from harness.sweep.plan import Key
from harness.sweep.sweep import Sweep, plan_sweep, run_sweep

Show = Callable[[Sweep], AbstractContextManager[Callable[[IndexRow], None]]]
"""Shows the progress of reading what the store lacks."""


@dataclass(frozen=True)
class Request:
    """What to rank: the state of main on `as_of` (None: its last), under `policy`, seen as `view`.

    `also` are pull requests that are read and ranked as if main held them, to see a table before it is published.
    """

    repository: Path
    store: Path
    as_of: dt.date | None = None
    policy: str = DEFAULT_POLICY
    view: View = View.PUBLISHED
    reviews: Path | None = None
    also: tuple[int, ...] = ()
    name: str | None = None


@dataclass(frozen=True)
class Ranked:
    """A leaderboard, and where the reviews of its rows are: keys of pull requests, and facts of folders without one."""

    leaderboard: Leaderboard
    keys: Mapping[int, Key]
    source: Source
    alone: Mapping[str, Facts]
    """Facts of folders of main that no pull request brought, by folder."""


def rank(request: Request, jobs: int, show: Show) -> Ranked:
    """The leaderboard that `request` asks for.

    Pull requests that main took in are read where the store lacks them; of all others the store's knowledge is taken.
    Raises RepositoryError where there is no such repository or state.
    """
    repository = Repository(request.repository)
    history = read_history(repository, repository.base_branch, request.as_of)
    listed = [one for one in load().listed if one.accepted <= history.day and one.pr in repository.pull_requests]
    scratch = request.store / "leaderboard"
    plan = plan_sweep(request.repository, "all", scratch, request.store)
    source = Source(request.store, request.reviews, request.as_of)
    wanted = {held.pr for held in history.held} | {one.pr for one in listed} | set(request.also)
    if request.reviews is None:
        _read(plan, [pr for pr in plan.keys if pr in wanted], source, jobs, show)
    found = gather({pr: plan.keys[pr] for pr in known(plan.keys, source)}, source, jobs)
    alone: dict[str, Facts] = {}
    candidates = _candidates(request, repository, history, listed, found, alone)
    leaderboard = build(
        candidates, read_tables(history.readme), load().policy(request.policy), history.day, request.view
    )
    missing = [pr for pr in plan.keys if pr not in found and (pr in wanted or request.view is not View.PUBLISHED)]
    repository.close()
    return Ranked(
        leaderboard.model_copy(
            update={
                "repository": request.name or request.repository.resolve().name,
                "commit": history.commit,
                "ruleset": ruleset_digest(),
                "not_read": tuple(missing),
                "study": study(found.values(), len(plan.keys), history.day),
            }
        ),
        plan.keys,
        source,
        alone,
    )


def _read(plan: Sweep, wanted: Sequence[int], source: Source, jobs: int, show: Show) -> None:
    """Review the pull requests of `wanted` of which the store knows nothing."""
    there = set(known({pr: plan.keys[pr] for pr in wanted}, source))
    left = {pr: plan.keys[pr] for pr in wanted if pr not in there}
    if left:
        part = replace(plan, keys=left, done={})
        with show(part) as report:
            run_sweep(part, min(jobs, len(left)), report)


def _candidates(
    request: Request,
    repository: Repository,
    history: History,
    listed: Sequence[ListedSubmission],
    found: Mapping[int, Gathered],
    alone: dict[str, Facts],
) -> list[Candidate]:
    """What main held, then what was only listed, then (in the wider views) every other submission known."""
    with Reader() as reader:
        candidates = [_of_held(held, repository, request, reader, found, alone) for held in history.held]
    for one in listed:
        candidates += [_of_listed(one, entry) for entry in _entries(found, [one.pr]) if entry.folder == one.folder]
    seen = {candidate.names for candidate in candidates}
    others = [entry for entry in _entries(found, request.also) if (entry.pr, entry.folder) not in seen]
    candidates += [Candidate(entry, history.day) for entry in others]
    if request.view is View.PUBLISHED:
        return candidates
    seen = {candidate.names for candidate in candidates}
    day = history.day.isoformat()
    early = [pr for pr, gathered in found.items() if (gathered.committed_at or day)[:10] <= day]
    return candidates + [Candidate(entry) for entry in _entries(found, early) if (entry.pr, entry.folder) not in seen]


def _entries(found: Mapping[int, Gathered], prs: Collection[int]) -> list[Entry]:
    return [entry for pr in prs if pr in found for entry in found[pr].entries]


def _of_held(
    held: Held,
    repository: Repository,
    request: Request,
    reader: Reader,
    found: Mapping[int, Gathered],
    alone: dict[str, Facts],
) -> Candidate:
    """A folder of main: as its pull request brought it where it still stands so, else as main holds it.

    Facts of the latter are put into `alone`.
    """
    entry = next((e for e in _entries(found, [held.pr] if held.pr else []) if e.folder == held.folder), None)
    tree = repository.trees([held.commit], held.folder).get(held.commit)
    if entry is None or (request.reviews is None and entry.tree != tree):
        intake = read_ref(repository, held.commit, folder=held.folder)
        facts, _ = facts_of(intake, repository, reader, Store(request.store))
        (entry,) = gathered_of(facts, judge(facts, request.as_of)).entries
        alone[held.folder] = facts
    return Candidate(entry.model_copy(update={"pr": held.pr}), held.accepted, held.removed_by)


def _of_listed(listed: ListedSubmission, entry: Entry) -> Candidate:
    track = load().track(listed.track or entry.track)
    records = track.records if track is not None else entry.records
    return Candidate(
        entry.model_copy(update={"records": records, "track": listed.track or entry.track}), listed.accepted
    )
