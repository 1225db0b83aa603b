"""`golf replay`: the proofs of a review, shown from its own data, and made again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from harness.model.findings import Finding
from harness.model.review import Depth, Review
from harness.model.target import TargetKind
from harness.observe.moment import Show, silent
from harness.observe.target import Request
from harness.review import review_target
from harness.store.store import Store


class ReplayError(Exception):
    """There is no such review or no such proof in it; the message says what there is."""


def load_review(path: Path) -> Review:
    """The review in a file that `golf review --format json` wrote. Raises ReplayError."""
    try:
        return Review.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ReplayError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise ReplayError(f"{path} is no review that `golf review --format json` wrote") from error


def proofs(review: Review, rule: str) -> list[tuple[str, Finding]]:
    """(folder, finding) of every finding of a rule that carries a proof. Raises ReplayError where there is none."""
    every = list(_proofs(review))
    found = [(folder, finding) for folder, finding in every if finding.rule == rule.upper()]
    if not found:
        known = ", ".join(dict.fromkeys(finding.rule for _, finding in every)) or "none"
        raise ReplayError(f"the review holds no proof of {rule}; those that it holds: {known}")
    return found


def again(review: Review, show: Show = silent) -> Review:
    """The review made again at depth proof, from nothing that was kept. Raises TargetError where the target is gone,
    ReplayError where it is another one by now.
    """
    target = review.target
    request = Request(
        target.repository,
        pr=target.pr if target.kind is TargetKind.PR else None,
        ref=(target.sha or target.ref) if target.kind is TargetKind.REF else None,
    )
    with tempfile.TemporaryDirectory() as folder:
        made = review_target(request, Store(Path(folder)), depth=Depth.PROOF, show=show).review
    if made.target.sha != target.sha:
        raise ReplayError(
            f"{target.repository} is at {made.target.sha} now, the review is of {target.sha}: review it anew"
        )
    return made


def _proofs(review: Review) -> Iterator[tuple[str, Finding]]:
    for submission in review.submissions:
        for finding in submission.findings:
            if finding.proof is not None:
                yield submission.folder, finding
