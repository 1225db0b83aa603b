"""What is sent to GitHub, as its REST interface takes it: a comment, and a check run with annotations.

Field names and limits are GitHub's: https://docs.github.com/rest/checks/runs and https://docs.github.com/rest/issues/comments.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from harness.model.base import Frozen

ANNOTATIONS_AT_ONCE = 50
"""Most annotations of one request; further ones go into updates of the same check run."""
TEXT_LIMIT = 65_535
"""Most characters of a check run's summary, and of its text."""
COMMENT_LIMIT = 65_536


class Conclusion(StrEnum):
    """How a check run ended, of the values that GitHub knows those that the bot uses."""

    SUCCESS = "success"
    FAILURE = "failure"
    ACTION_REQUIRED = "action_required"
    NEUTRAL = "neutral"


class Level(StrEnum):
    """How an annotation is shown."""

    NOTICE = "notice"
    WARNING = "warning"
    FAILURE = "failure"


class Annotation(Frozen):
    """A note beside lines of a file of the diff; `path` is relative to the repository, lines count from 1."""

    path: str
    start_line: Annotated[int, Field(ge=1)]
    end_line: Annotated[int, Field(ge=1)]
    annotation_level: Level
    title: Annotated[str, Field(max_length=255)]
    message: Annotated[str, Field(min_length=1, max_length=TEXT_LIMIT)]
    raw_details: Annotated[str, Field(max_length=TEXT_LIMIT)] | None = None


class Output(Frozen):
    """What a check run shows. `summary` and `text` are Markdown."""

    title: Annotated[str, Field(max_length=255)]
    summary: Annotated[str, Field(max_length=TEXT_LIMIT)]
    text: Annotated[str, Field(max_length=TEXT_LIMIT)] | None = None
    annotations: Annotated[tuple[Annotation, ...], Field(max_length=ANNOTATIONS_AT_ONCE)] = ()


class CheckRun(Frozen):
    """Body of `POST /repos/{owner}/{repo}/check-runs`."""

    name: str
    head_sha: str
    status: Literal["completed"] = "completed"
    conclusion: Conclusion
    output: Output


class CheckRunUpdate(Frozen):
    """Body of `PATCH /repos/{owner}/{repo}/check-runs/{id}`: the same output with the next annotations."""

    output: Output


class Comment(Frozen):
    """Body of `POST /repos/{owner}/{repo}/issues/{number}/comments`; its first line tells the bot its own comment."""

    body: Annotated[str, Field(max_length=COMMENT_LIMIT)]


class Payloads(Frozen):
    """Everything that one review would post."""

    repository: str | None
    """`owner/name`, where it is known."""
    pr: int
    comment: Comment
    check_run: CheckRun
    check_run_updates: tuple[CheckRunUpdate, ...] = ()
