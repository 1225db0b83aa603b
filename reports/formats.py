"""The formats of a review that are text: one function for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pydantic import BaseModel

from harness.model.facts import Facts
from harness.model.review import Review
from reports.links import Links
from reports.markdown import comment
from reports.rulebook import RulePage
from reports.sarif import sarif_text
from reports.text import json_text


class Format(StrEnum):
    """Output formats of a review; `text` is that of the terminal (`reports.terminal`)."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"
    SARIF = "sarif"


def document(form: Format, review: Review, facts: Facts, repository: str | None, pages: Sequence[RulePage] = ()) -> str:
    """The review as a document. `repository` is its address or `owner/name` on GitHub, for links to its files.

    Raises ValueError for `text`, which is drawn for the width of a terminal.
    """
    links = Links.of(review.target, repository, unpacked_paths(facts))
    match form:
        case Format.JSON:
            return json_document(review)
        case Format.MARKDOWN:
            return comment(review, links)
        case Format.HTML:
            from reports.page import page  # brings jinja2, which a check in the terminal need not wait for

            return page(review, links, facts)
        case Format.SARIF:
            return sarif_text(review, pages, links)
        case Format.TEXT:
            raise ValueError("the terminal report is no document; print reports.terminal.TerminalReport")


def json_document(model: BaseModel) -> str:
    """A model as JSON; characters that cannot be seen are escapes in it."""
    return json_text(model.model_dump_json(indent=2)) + "\n"


def unpacked_paths(facts: Facts) -> frozenset[str]:
    """Scripts inside wrappers: evidence counts lines of the text that came out, not of the file."""
    return frozenset(
        f"{one.folder.path}/{script.path}" if one.folder.path not in {"", "."} else script.path
        for one in facts.submissions
        for script in one.scripts
        if script.layers
    )
