"""What a GitHub Action knows of the pull request that it runs for, from the environment that GitHub sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.observe.target import is_url


class ContextError(Exception):
    """Repository or number are neither given nor in the environment; the message says what to give."""


@dataclass(frozen=True)
class Context:
    """Which pull request is to be reviewed: where to read it, its number, and where its links go."""

    target: str
    pr: int
    address: str | None


def context(environment: Mapping[str, str], target: str | None = None, pr: int | None = None) -> Context:
    """The pull request: what is given, the rest from GITHUB_WORKSPACE, GITHUB_REPOSITORY and GITHUB_EVENT_PATH.

    A workspace that is no git repository is left aside and the repository is fetched by its address. Raises
    ContextError when something is missing.
    """
    name = environment.get("GITHUB_REPOSITORY")
    address = f"{environment.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}" if name else None
    workspace = environment.get("GITHUB_WORKSPACE")
    local = workspace if workspace and (Path(workspace) / ".git").exists() else None
    found = target or local or address
    if found is None:
        raise ContextError("give a repository; GITHUB_REPOSITORY is set in a GitHub Action only")
    number = pr if pr is not None else _number(environment.get("GITHUB_EVENT_PATH"))
    if number is None:
        raise ContextError("give --pr N; the event of this action names no pull request")
    return Context(found, number, found if is_url(found) else address if target is None else None)


def _number(path: str | None) -> int | None:
    """The number in the file of an event: of a pull request, or of a comment on one."""
    if not path:
        return None
    try:
        event = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ContextError(f"the event in {path} cannot be read ({error}); give --pr N") from error
    if not isinstance(event, dict):
        return None
    issue = event.get("issue")
    about = event.get("pull_request") or (issue if isinstance(issue, dict) and "pull_request" in issue else None)
    number = about.get("number") if isinstance(about, dict) else None
    return number if isinstance(number, int) and number > 0 else None
