"""One target from request to review: intake, facts (from the store where they are there already), judgement."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass

import git

from harness.facts import facts_of, with_runs
from harness.judge.judge import judge
from harness.model.competition import DEFAULT_POLICY
from harness.model.facts import Facts
from harness.model.review import Depth, Review
from harness.observe.moment import Moment, Show, silent
from harness.observe.reading.worker import Reader
from harness.observe.target import Request, is_url, open_target
from harness.runner import open_runner
from harness.store.store import Store


@dataclass(frozen=True)
class Reviewed:
    """A review, the facts it rests on, and whether they came from the store."""

    review: Review
    facts: Facts
    cached: bool


def review_target(
    request: Request,
    store: Store,
    as_of: dt.date | None = None,
    policy: str = DEFAULT_POLICY,
    depth: Depth = Depth.STATIC,
    show: Show = silent,
    world_size: int = 1,
) -> Reviewed:
    """Review what `request` names. Raises TargetError when it does not exist; `show` is told what is being done.

    Where it is run, it is run in `world_size` processes.
    """
    show(Moment("fetching" if is_url(request.target) else "reading"))
    intake, source = open_target(request, store.root)
    show(Moment("reading"))
    with Reader() as reader:
        facts, cached = facts_of(intake, source, reader, store)
    if depth is not Depth.STATIC:
        with open_runner(store, world_size=world_size, depth=depth) as runner:
            facts = with_runs(facts, source, runner, store, show)
    show(Moment("judging"))
    return Reviewed(judge(facts, as_of, policy=policy), facts, cached)


def address_of(request: Request) -> str | None:
    """Where the repository of `request` lives: the address given, or that of its clone's `origin`; None if unknown."""
    if is_url(request.target):
        return request.target
    command = ["git", "-C", request.target, "config", "--get", "remote.origin.url"]
    environment = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    try:
        return str(git.Git().execute(command, env=environment)).strip() or None
    except git.GitCommandError:
        return None
