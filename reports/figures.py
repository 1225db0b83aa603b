"""Which plots a submission has: sizes and times against their limits, scores against the claim, training curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from harness.model.competition import load
from harness.model.facts import SubmissionFacts
from harness.model.logs import CurvePoint, RunFacts
from harness.model.review import ReviewedRun, ReviewedSubmission
from reports.links import OWN_DATA
from reports.plots import Bar, Mark, Series, bars, curves, dots
from reports.words import by_seed

_RUNS_SHOWN = 10
_POINTS_SHOWN = 240
_FEWEST_POINTS = 3


@dataclass(frozen=True)
class Figure:
    """A plot with its caption; `svg` is markup of ours with all foreign text escaped."""

    caption: str
    svg: str


def figures(submission: ReviewedSubmission, facts: SubmissionFacts | None, key: str) -> list[Figure]:
    """The plots that the review, and the facts where they are given, have numbers for; `key` makes ids unique."""
    runs = by_seed(submission)[:_RUNS_SHOWN]
    logged = [(run, _logged(run, facts)) for run in runs]
    found = (
        _scores(submission, runs, key),
        _bytes(submission, logged, key),
        _seconds(submission, runs, key),
        _curve(logged, key, "val_bpb"),
        _curve(logged, key, "train_loss"),
    )
    more = len(submission.runs) - len(runs)
    note = f" The first {_RUNS_SHOWN} of {len(submission.runs)} runs." if more else ""
    return [Figure(figure.caption + note, figure.svg) for figure in found if figure is not None]


def _logged(run: ReviewedRun, facts: SubmissionFacts | None) -> RunFacts | None:
    """The run of the log that the reviewed score stands in."""
    for log in facts.logs if facts is not None else ():
        if log.path == run.log:
            for one in log.runs:
                if one.first_line <= (run.line or 0) <= one.last_line:
                    return one
    return None


def record_mean(submission: ReviewedSubmission) -> float | None:
    """The mean of the record that the score was tested against, in bits per byte: evidence from the harness's data."""
    for finding in submission.findings:
        for evidence in finding.evidence:
            value = evidence.measured.get("record_mean") if evidence.path.startswith(OWN_DATA) else None
            if isinstance(value, float):
                return value
    return None


def _label(run: ReviewedRun) -> str:
    return f"seed {run.seed}" if run.seed is not None else "no seed"


def _scores(submission: ReviewedSubmission, runs: list[ReviewedRun], key: str) -> Figure | None:
    rows = [(_label(run), run.val_bpb) for run in runs if run.val_bpb is not None]
    if not rows:
        return None
    claim, record = submission.claimed.val_bpb, record_mean(submission)
    marks = [Mark("mean", fmean(value for _, value in rows), "mean")] if len(rows) > 1 else []
    marks += [Mark("claimed", claim, "claim")] if claim is not None else []
    marks += [Mark("record to beat", record, "record")] if record is not None else []
    title = "Score of each seed in bits per byte, lower is better"
    return Figure(title + ".", dots(f"{key}-scores", title, rows, marks, lambda value: f"{value:.4f}"))


def _bytes(
    submission: ReviewedSubmission, logged: Sequence[tuple[ReviewedRun, RunFacts | None]], key: str
) -> Figure | None:
    rows = []
    for run, log in logged:
        if run.bytes_total is None:
            continue
        code = log.bytes_code.value if log is not None and log.bytes_code is not None else None
        parts: tuple[tuple[str, float], ...] = (("artifact", run.bytes_total),)
        if code is not None and 0 < code < run.bytes_total:
            parts = (("model", run.bytes_total - code), ("code", code))
        rows.append(Bar(_label(run), parts))
    if not rows:
        return None
    track = load().track(submission.track)
    limit = track.artifact_bytes if track is not None else None
    marks = [Mark("limit", limit, "limit")] if limit else []
    title = "Size of the artifact in bytes"
    return Figure(title + ".", bars(f"{key}-bytes", title, rows, marks, lambda value: f"{value:,.0f}"))


def _seconds(submission: ReviewedSubmission, runs: list[ReviewedRun], key: str) -> Figure | None:
    rows = []
    for run in runs:
        for name, value in (("training", run.train_seconds), ("evaluation", run.eval_seconds)):
            if value is not None:
                # An empty first part keeps one colour for evaluation, whichever rows there are.
                parts = ((name, value),) if name == "training" else (("training", 0.0), (name, value))
                rows.append(Bar(_label(run) if name == "training" or run.train_seconds is None else "", parts))
    if not rows:
        return None
    track = load().track(submission.track)
    limits = {} if track is None else {"training": track.train_seconds, "evaluation": track.eval_seconds}
    given = {value for value in limits.values() if value}
    marks = [Mark("limit of each", given.pop(), "limit")] if len(given) == 1 else []
    title = "Seconds of training and evaluation"
    return Figure(title + ".", bars(f"{key}-seconds", title, rows, marks, _whole))


def _whole(value: float) -> str:
    """A number of seconds, with a digit more where it is small."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _curve(logged: Sequence[tuple[ReviewedRun, RunFacts | None]], key: str, name: str) -> Figure | None:
    series = []
    for run, log in logged:
        points = tuple(_points(log, name)) if log is not None else ()
        if len(points) >= _FEWEST_POINTS:
            series.append(Series(_label(run), _thinned(points)))
    if not series:
        return None
    title = "Validation bits per byte during training" if name == "val_bpb" else "Training loss in nats per token"
    return Figure(title + ".", curves(f"{key}-{name.replace('_', '-')}", title, series, "step"))


def _points(log: RunFacts, name: str) -> Iterator[tuple[float, float]]:
    """Points by rising step; a step printed twice counts once."""
    points: list[CurvePoint] = sorted(log.curve, key=lambda point: point.step)
    pairs = [(float(point.step), value) for point in points if (value := getattr(point, name)) is not None]
    yield from (pair for pair, after in pairwise([*pairs, (-1.0, 0.0)]) if pair[0] != after[0])


def _thinned(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """At most `_POINTS_SHOWN` points, the last among them."""
    stride = -(-len(points) // _POINTS_SHOWN)
    kept = points[::stride]
    return kept if kept[-1] == points[-1] else (*kept, points[-1])
