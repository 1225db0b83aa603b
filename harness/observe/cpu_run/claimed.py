"""Which of its printed scores a submission claims, where that is not the one that a run calls its result.

A run may print its result in the middle, as of a mixture that is evaluated beside the network, and end with another
score. Its logs tell which: the label whose score, or its mean over the runs, is the claim. Numbers in a label, as of
chunks, are those of one run.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from harness.model.facts import SubmissionFacts
from harness.model.logs import is_claimed, numberless
from harness.observe.cpu_run.scores import result_of

_EARLIER = re.compile(r"\bstep\b|\bpre[ _-]|post[ _-](?:ema|swa)|progress|running", re.IGNORECASE)
"""Labels of what is measured before the artifact is made, or on the way."""


def claimed_label(submission: SubmissionFacts) -> str | None:
    """The label of the scores that the metadata claims; None where that is the result, or where no label has it."""
    claims = [one.val_bpb.value for one in submission.metadata if one.parsed and one.val_bpb is not None][:1]
    runs = [run for log in submission.logs if log.duplicate_of is None for run in log.runs]
    if not claims or not runs:
        return None
    results = [score for run in runs if (score := result_of(run)) is not None]
    if _has([one.val_bpb for one in results], claims[0]):
        return None
    found: defaultdict[str, list[float | None]] = defaultdict(list)
    for run in runs:
        last = {numberless(score.label): score.val_bpb for score in run.scores if not score.summary}
        for label, value in last.items():
            found[label].append(value)
    labels = [one for one, values in found.items() if _EARLIER.search(one) is None and _has(values, claims[0])]
    return labels[-1] if labels else None


def _has(values: Sequence[float | None], claim: float) -> bool:
    """Whether a claim is one of these scores, or the mean of them."""
    known = [value for value in values if value is not None]
    return bool(known) and any(is_claimed(value, claim) for value in (*known, fmean(known)))
