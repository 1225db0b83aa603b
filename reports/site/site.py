"""The files of the static site: a pure function of a leaderboard, so that the same rows give the same bytes."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from harness.model.leaderboard import Leaderboard
from harness.model.schema import schema_path, schema_text
from reports.page import environment
from reports.site import address
from reports.site.feed import feed
from reports.site.phrases import is_compliant, status_words, step_words, verdict_words
from reports.site.plot import NARROW, WIDE, Point, record_plot
from reports.site.study import by_family, shade, week_bars
from reports.text import json_text


def site_files(
    leaderboard: Leaderboard, reviewed: Collection[str] = (), github: str | None = None, home: str = ""
) -> Iterator[tuple[str, str]]:
    """(path, text) of every file of the site except the reviews, of which `reviewed` names the paths.

    `github` is the `owner/name` that pull requests link to; `home` the address that the feed gives as its own.
    """
    names = address.page_names(leaderboard.rows)
    shared = {
        "board": leaderboard,
        "github": github,
        "pages": {key: address.row_page(name) for key, name in names.items()},
        "step_words": step_words,
        "status_words": status_words,
        "is_compliant": is_compliant,
        "verdict_words": verdict_words,
    }
    schema = schema_path(leaderboard.schema_id).name
    yield address.DATA, json_text(leaderboard.model_dump_json(indent=1)) + "\n"
    yield schema, schema_text(leaderboard.schema_id)
    yield address.FEED, feed(leaderboard, names, home)
    yield address.INDEX, _render("index.html", root="", schema=schema, plots=_plots(leaderboard, names), **shared)
    if leaderboard.study is not None:
        yield (
            address.STUDY,
            _render(
                "study.html",
                root="",
                groups=by_family(leaderboard.study),
                level=shade,
                bars=week_bars(leaderboard.study),
                **shared,
            ),
        )
    for row in leaderboard.rows:
        name = names[row.pr, row.folder]
        review = address.review_page(row, name)
        text = _render("row.html", root="../", row=row, review=review if review in reviewed else None, **shared)
        yield address.row_page(name), text


def _plots(leaderboard: Leaderboard, names: Mapping[tuple[int | None, str], str]) -> dict[str, Markup]:
    """The record over time, for wide and narrow screens."""
    accepted = [row for row in leaderboard.rows if row.records and row.rank is not None and row.accepted]
    points = [
        Point(day, row.mean, row.title, address.row_page(names[row.pr, row.folder]))
        for row in sorted(accepted, key=lambda row: row.pr or 0)
        if (day := _day(row.date)) is not None and row.mean is not None
    ]
    drawn = {"wide": record_plot(points, WIDE, "wide"), "narrow": record_plot(points, NARROW, "narrow")}
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704  our own markup, titles escaped


def _day(text: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text or "")
    except ValueError:
        return None


@cache
def _environment() -> Environment:
    """The escaping of all reports, with the templates of the site."""
    return environment().overlay(loader=PackageLoader("reports.site"))


def _render(template: str, **values: object) -> str:
    return _environment().get_template(template).render(**values, **_sheets())


@cache
def _sheets() -> dict[str, Markup]:
    """Style sheet and script as text, and the policy that allows exactly these two and nothing else."""
    css = _text("reports", "page.css") + _text("reports.site", "site.css")
    script = _text("reports.site", "table.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(css)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return {"css": Markup(css), "script": Markup(script), "policy": Markup(policy)}  # noqa: S704  files of our own


def _text(package: str, name: str) -> str:
    return (resources.files(package) / "templates" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
