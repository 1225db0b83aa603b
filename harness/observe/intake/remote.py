"""A remote repository fetched into a bare cache: only the refs needed, no checkout, no hooks, no submodules."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import git

from harness.observe.intake.repository import RepositoryError

_PROTOCOLS = "https:http:ssh:git:file"
_SETTINGS = (
    "core.hooksPath=" + os.devnull,
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "credential.interactive=false",
)


FETCHED = "refs/golf/fetched"
"""Local name of a ref that was asked for by its remote name."""


def fetch(url: str, cache: Path, pr: int | None, ref: str | None) -> Path:
    """Bring the base branch and one pull request or ref of `url` into a bare repository under `cache`.

    The base becomes `main`, a pull request keeps its ref, any other ref becomes `FETCHED`.
    Raises RepositoryError with git's own last words when the remote refuses or lacks a ref.
    """
    directory = cache / "repositories" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.git"
    wanted = ["+HEAD:refs/heads/main"]
    if pr is not None:
        wanted.append(f"+refs/pull/{pr}/head:refs/pull/{pr}/head")
    if ref is not None:
        wanted.append(f"+{ref}:{FETCHED}")
    try:
        if not (directory / "HEAD").exists():
            directory.mkdir(parents=True, exist_ok=True)
            git.Git().execute(
                ["git", "init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(directory)]
            )
        command = ["git"]
        for setting in _SETTINGS:
            command += ["-c", setting]
        command += ["--git-dir", str(directory), "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--force"]
        environment = {"GIT_ALLOW_PROTOCOL": _PROTOCOLS, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
        git.Git().execute([*command, "--", url, *wanted], env=environment)
    except git.GitCommandError as error:
        words = str(error.stderr).strip().strip("'").split("\n")[-1].strip()
        raise RepositoryError(f"could not fetch from {url}: {words}") from error
    return directory
