"""Which printed score is the result of a set of runs."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.logs import RunFacts, Score


def common_final(runs: Sequence[RunFacts]) -> tuple[str, list[Score]] | None:
    """The last label that all `runs` report as a result, and the score of each run under it.

    Seeds of one submission may print different last lines (one tried another evaluation, one was cut), so the label
    must be common to all; of several common labels the one that stands last in the first run counts. Diagnostic scores
    and scores without bits per byte never count, summaries only where a run has nothing else. Of one label the last
    score counts, an exact one before a rounded one. None where no label is common or there are no runs.
    """
    by_label = [_results(run.scores) for run in runs]
    if not by_label:
        return None
    for label in reversed(by_label[0]):
        if all(label in results for results in by_label):
            return label, [results[label] for results in by_label]
    return None


def _results(scores: Sequence[Score]) -> dict[str, Score]:
    """Label to its score, in the order in which the labels are last met."""
    results = [s for s in scores if not s.diagnostic and s.val_bpb is not None]
    results = [s for s in results if not s.summary] or results
    found: dict[str, Score] = {}
    for score in results:
        known = found.pop(score.label, None)
        found[score.label] = known if known is not None and _is_rounded(score, known) else score
    return found


def _is_rounded(score: Score, exact: Score) -> bool:
    """Whether `score` repeats `exact` with fewer digits."""
    if score.exact or not exact.exact or score.val_bpb is None or exact.val_bpb is None:
        return False
    return abs(score.val_bpb - exact.val_bpb) < 1e-4
