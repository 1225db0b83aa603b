"""A review as one HTML page that needs nothing beside it: no script, no font, no picture, no request.

The template escapes everything that it prints (jinja2's autoescape), after `plain` has made every character of it
visible; only the plots and the style sheet are markup, and both are ours. A content security policy forbids the rest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import cache, partial
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.model.facts import Facts, SubmissionFacts
from harness.model.findings import Proof
from harness.model.review import Review, ReviewedSubmission
from reports import counterexample, words
from reports.figures import figures
from reports.groups import Group, findings_of, grouped, steps, unexamined
from reports.links import Links, basis_link
from reports.ran import ran
from reports.text import plain


def page(review: Review, links: Links | None = None, facts: Facts | None = None, home: str | None = None) -> str:
    """The whole page. With `facts` it has training curves; `home` is an address of ours to go back to."""
    by_folder = {one.folder.path: one for one in facts.submissions} if facts is not None else {}
    used = links or Links()
    anchors = {id(finding): f"f{i}" for i, (_, finding) in enumerate(findings_of(review))}
    return (
        environment()
        .get_template("review.html")
        .render(
            review=review,
            steps=steps(review),
            unexamined=unexamined(review),
            place=used.file,
            in_unpacked=used.in_unpacked,
            target_link=used.target(review.target),
            figures=partial(_figures, by_folder),
            anchor=lambda finding: anchors[id(finding)],
            home=home,
            **style_sheets("page.css"),
        )
    )


def _figures(
    facts: dict[str, SubmissionFacts], submission: ReviewedSubmission, key: str
) -> list[dict[str, str | Markup]]:
    found = figures(submission, facts.get(submission.folder), key)
    return [{"caption": figure.caption, "svg": Markup(figure.svg)} for figure in found]  # noqa: S704  our own markup


def _picture(proof: Proof, key: str) -> Markup:
    return Markup(counterexample.picture(proof, key))  # noqa: S704  our own markup


@cache
def environment() -> Environment:
    """The templates of reports, with all that they print made harmless."""
    made = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        keep_trailing_newline=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"counterexample": counterexample.words, "proof_picture": _picture}
    made.globals |= {"words": words, "Group": Group, "grouped": grouped, "basis_link": basis_link, "ran": ran}
    shorten: Callable[[str, int], str] = plain
    made.filters |= {"plain": shorten, "short": words.short}
    return made


def _visible(value: object) -> object:
    """What jinja2 escapes next: text with every character visible; markup of ours as it is."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def style_sheets(*names: str) -> dict[str, Markup]:
    """The style sheets of those names as one text, and the policy that lets the page use that text alone."""
    folder = resources.files("reports") / "templates"
    text = "".join((folder / name).read_text(encoding="utf-8") for name in names)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return {"css": Markup(text), "policy": Markup(policy)}  # noqa: S704  both are ours, none of it of a submission
