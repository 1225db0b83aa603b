"""What a GitHub Action knows of its pull request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.bot.action import Context, ContextError, context

URL = "https://github.com/owner/name"


def event(tmp_path: Path, content: object) -> str:
    """A file with an event."""
    path = tmp_path / "event.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_given() -> None:
    """What is given wins over the environment; links then go where the given repository is."""
    environment = {"GITHUB_REPOSITORY": "owner/name", "GITHUB_EVENT_PATH": "/nowhere"}
    assert context(environment, "clone", 5) == Context("clone", 5, None)
    assert context(environment, "https://example.org/x", 5) == Context(
        "https://example.org/x", 5, "https://example.org/x"
    )


@pytest.mark.parametrize(
    "content", [{"pull_request": {"number": 12}}, {"issue": {"number": 12, "pull_request": {"url": "x"}}}]
)
def test_in_an_action(tmp_path: Path, content: object) -> None:
    """Number from the event, repository by its address, or from the workspace where that is a repository."""
    environment = {"GITHUB_REPOSITORY": "owner/name", "GITHUB_EVENT_PATH": event(tmp_path, content)}
    assert context(environment) == Context(URL, 12, URL)
    environment["GITHUB_WORKSPACE"] = str(tmp_path)
    assert context(environment).target == URL
    (tmp_path / ".git").mkdir()
    assert context(environment) == Context(str(tmp_path), 12, URL)


@pytest.mark.parametrize(
    "content", [{}, [], {"issue": {"number": 3}}, {"pull_request": {"number": "4"}}, {"pull_request": {"number": 0}}]
)
def test_no_number(tmp_path: Path, content: object) -> None:
    """An event of something else names no pull request: say what to give."""
    environment = {"GITHUB_REPOSITORY": "owner/name", "GITHUB_EVENT_PATH": event(tmp_path, content)}
    with pytest.raises(ContextError, match="--pr N"):
        context(environment)


def test_nothing_known(tmp_path: Path) -> None:
    """Outside of an action, and with an event that cannot be read, the message tells what is missing."""
    with pytest.raises(ContextError, match="give a repository"):
        context({})
    with pytest.raises(ContextError, match="--pr N"):
        context({}, "clone")
    with pytest.raises(ContextError, match="cannot be read"):
        context({"GITHUB_EVENT_PATH": event(tmp_path, "{")}, "clone")
