"""What the user typed into an intake and the source of its bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from harness.model.target import Intake
from harness.observe.intake.content import Source
from harness.observe.intake.folder import read_folder
from harness.observe.intake.pull_request import read_pull_request, read_ref
from harness.observe.intake.remote import FETCHED, fetch
from harness.observe.intake.repository import Repository, RepositoryError

_URL = re.compile(r"^(?:[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:)", re.IGNORECASE)


class TargetError(Exception):
    """The target does not exist or cannot be used; the message says what to give instead."""


@dataclass(frozen=True)
class Request:
    """A target as named on the command line. `pr` or `ref` make it a repository."""

    target: str
    pr: int | None = None
    ref: str | None = None
    base: str | None = None
    folder: str | None = None


def is_url(target: str) -> bool:
    """Whether `target` names a remote repository."""
    return _URL.match(target) is not None


def open_target(request: Request, cache: Path) -> tuple[Intake, Source]:
    """Intake of what `request` names; remote repositories are fetched into `cache`.

    Raises TargetError when it does not exist or is of the wrong kind.
    """
    if request.pr is not None and request.ref is not None:
        raise TargetError("--pr and --ref name two different things; give one of them")
    try:
        if is_url(request.target):
            if request.pr is None and request.ref is None:
                raise TargetError(f"{request.target} is a repository; say which part with --pr N or --ref REF")
            repository = Repository(fetch(request.target, cache, request.pr, request.ref))
            return _in_repository(repository, replace(request, ref=request.ref and FETCHED))
        path = Path(request.target)
        if not path.exists():
            raise TargetError(f"{request.target} does not exist; give a submission folder or a git repository")
        if request.pr is None and request.ref is None:
            return read_folder(path)
        return _in_repository(Repository(path), request)
    except (RepositoryError, NotADirectoryError) as error:
        raise TargetError(str(error)) from error


def _in_repository(repository: Repository, request: Request) -> tuple[Intake, Source]:
    if request.pr is not None:
        return read_pull_request(repository, request.pr, request.base), repository
    return read_ref(repository, request.ref or "HEAD", request.base, request.folder), repository
