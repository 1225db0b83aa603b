"""Which tokens of the made validation stream a printed score is of, and how many bytes they really stand for.

The bytes of a position are those of the competition's own count on the made stream: of its piece, and one for a leading
space unless a boundary precedes; with case operators, those of the original text. What is not known stays None.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.model.base import At, snippet
from harness.model.coverage import Coverage, Covered, Span
from harness.model.cpu_run import MatchedScore
from harness.model.logs import RunFacts, Score
from harness.observe.cpu_run.inputs.layout import Layout
from harness.observe.cpu_run.inputs.made import VAL, VAL_BYTES
from harness.observe.cpu_run.inputs.shards import unpack_shard
from harness.observe.cpu_run.report import Added, Report
from harness.observe.cpu_run.rows import Rows, scaled, unpacked
from harness.observe.cpu_run.scores import in_nats, quotient, result_of

MAX_SPANS = 100
_NOISE = 1e-4
"""Relative difference, beyond the least, up to which several passes make a score equally well."""
Times = NDArray[np.int64]


@dataclass(frozen=True)
class Truth:
    """One made validation stream: which positions begin documents, and the bytes that each stands for."""

    starts: NDArray[np.bool_]
    bytes: Times

    @property
    def size(self) -> int:
        """Tokens."""
        return len(self.bytes)


def truths(layout: Layout, cache: Path) -> tuple[Truth, ...]:
    """The streams of a layout, as `Layout.streams` orders them."""
    first_tokens = {made.bos_id for made in layout.made}
    found = []
    for name in layout.streams:
        tokens = unpack_shard((cache / name / VAL).read_bytes())
        sizes = unpack_shard((cache / name / VAL_BYTES).read_bytes()).astype(np.int64)
        first_token = next(iter(first_tokens)) if len(first_tokens) == 1 else int(tokens[0])
        found.append(Truth(tokens == first_token, sizes))
    return tuple(found)


@dataclass(frozen=True)
class Scored:
    """The validation streams that a run may have read, the longest sequence that was planned, in tokens, and the label
    of the score that is claimed, where that is not the run's result.
    """

    streams: tuple[Truth, ...] = ()
    sequence: int | None = None
    claimed: str | None = None

    def result(self, run: RunFacts) -> Score | None:
        """The score of a run that the submission stands for."""
        return result_of(run, self.claimed)

    def facts(
        self, report: Report, scores: Sequence[MatchedScore], run: RunFacts | None, others: Sequence[Report] = ()
    ) -> dict[str, Any]:
        """Fields of the facts of a run: coverage of the final score, and of others that may be a result.

        `others` are the reports of all ranks but the first; none where one of them is not known.
        """
        final = self.result(run) if run is not None else None
        if run is None or final is None:
            return {}
        results = {score.label: score.val_bpb for score in run.scores if not score.diagnostic and not score.summary}
        better = {
            one.val_bpb: one for one in scores if results.get(one.label) == one.val_bpb and one.val_bpb != final.val_bpb
        }
        last = [one for one in scores if one.val_bpb == final.val_bpb][-1:]
        found = [coverage_of(report, one, self.streams, self.sequence, others) for one in (*last, *better.values())]
        return {
            "coverage": found[0] if last else None,
            "coverages": tuple(one for one in found[len(last) :] if one is not None),
            "unmatched": tuple(
                snippet(label)
                for label, value in results.items()
                if value is not None and value < (final.val_bpb or 0.0) and value not in better
            ),
        }


NOTHING_SCORED = Scored()


def coverage_of(
    report: Report,
    score: MatchedScore,
    streams: Sequence[Truth],
    sequence: int | None = None,
    others: Sequence[Report] = (),
) -> Coverage | None:
    """What a printed score is of; None where the run read none of the streams.

    Where its sums are those of all ranks, `others` has the reports of the further ones: what each has added up is added
    up, position by position. Without them nothing is known.
    """
    ranks = (report, *others) if score.over_ranks else (report,)
    told = [one.stream for one in ranks if one.stream is not None and one.stream.number is not None]
    if not told or told[0].number is None or told[0].number >= len(streams) or (score.over_ranks and not others):
        return None
    truth = streams[told[0].number]
    if any((one.number, one.size) != (told[0].number, truth.size) for one in told):
        return None
    place = _sums(_added_up(ranks), score)
    if place is None:
        return None
    losses, counts = place
    told_losses, told_counts = (_over([_times(rank, one, truth.size) for rank in ranks]) for one in place)
    found = Coverage(
        label=score.label,
        val_bpb=score.val_bpb,
        stream=truth.size,
        documents=int(truth.starts.sum()),
        sequence=sequence,
        bytes_counted=counts.end,
        bytes_stream=int(truth.bytes.sum()),
    )
    if told_losses.untold or not told_losses.times.any():
        return found.model_copy(update={"untold": told_losses.untold})
    times = told_losses.times
    first, last = (int(np.flatnonzero(times)[end]) for end in (0, -1))
    gaps = (times == 0) & ~truth.starts
    gaps[:first] = gaps[last:] = False
    if told_losses.looked and (gaps.any() or (times > 1).any()):
        # Where a program looks decides nothing by itself; only where it goes through all tokens is each look one score.
        return found.model_copy(update={"untold": told_losses.looked})
    again = np.flatnonzero(times > 1)
    known = {
        "losses": _covered(losses, told_losses),
        "left_out": _spans(gaps.astype(np.int64)),
        "missing": int(gaps.sum()),
        "head": max(0, first - 1),
        "again": (int(again[0]), int(again[-1])) if len(again) else None,
        "tail": truth.size - 1 - last,
        "starts": int((truth.starts & (times == 0)).sum()),
        "bytes_true": int((times * truth.bytes).sum()),
    }
    if not told_counts.untold and told_counts.times.any():
        known["counts"] = _covered(counts, told_counts)
        known["differ"] = int(((times != told_counts.times) & (truth.bytes > 0)).sum())
    return found.model_copy(update=known)


@dataclass(frozen=True)
class _Sum:
    """One sum of a site: its number, which from the last, and where it ended."""

    number: int
    back: int
    end: float
    site: Added


@dataclass(frozen=True)
class _Told:
    times: Times
    elsewhere: int
    untold: int
    looked: int


def rows_scored(report: Report, score: MatchedScore, others: Sequence[Report] = ()) -> tuple[tuple[Report, Rows], ...]:
    """All that each rank has added up for the losses of a printed score, in nats (see `coverage_of`); empty where not
    everything of it is known.
    """
    if score.over_ranks and not others:
        return ()
    ranks = (report, *others) if score.over_ranks else (report,)
    place = _sums(_added_up(ranks), score)
    if place is None:
        return ()
    unit = 1.0 if in_nats(place[0].end, place[1].end, score.val_bpb) else math.log(2)
    found = tuple((rank, scaled(rows, unit)) for rank in ranks if (rows := _rows(rank, place[0])) is not None)
    return found if len(found) == len(ranks) else ()


def _rows(report: Report, one: _Sum) -> Rows | None:
    """What a rank has added to a sum."""
    here = _number(report, one)
    told = next((text for number, back, text in report.rows if (number, back) == (here, one.back)), None)
    return unpacked(told) if told is not None else None


def _number(report: Report, one: _Sum) -> int | None:
    """The number of a sum among those of a rank; None where it has none there."""
    same = [number for number, site in enumerate(report.sums) if site.place == one.site.place]
    return one.number if one.number in same else next(iter(same), None)


def _sums(report: Report, score: MatchedScore) -> tuple[_Sum, _Sum] | None:
    """The two sums, of all at the places of a matched score, whose quotient is nearest; of equals the last."""
    pairs = [
        (_distance(quotient(losses.end, counts.end, score.val_bpb), score.val_bpb), losses, counts)
        for losses in _at(report, score.losses)
        for counts in _at(report, score.counts)
        if counts.end and losses.number != counts.number
    ]
    if not pairs:
        return None
    least = min(distance for distance, _, _ in pairs) + _NOISE
    _, losses, counts = min(
        (pair for pair in pairs if pair[0] <= least), key=lambda pair: (pair[1].back + pair[2].back, pair[1].back)
    )
    return losses, counts


def _distance(made: float, printed: float) -> float:
    """Relative difference; absolute where what was printed is 0."""
    return abs(made / printed - 1) if printed else abs(made)


def _at(report: Report, place: At) -> Iterator[_Sum]:
    for number, site in enumerate(report.sums):
        if site[:3] == (place.path, place.layer, place.line):
            for back, end in enumerate(reversed(site.ends)):
                if end is not None:
                    yield _Sum(number, back, end, site)


def _added_up(ranks: Sequence[Report]) -> Report:
    """The first report with the sums of all ranks, as an all-reduce makes them: pass by pass, or of the last ones."""
    if len(ranks) == 1:
        return ranks[0]
    found: dict[tuple[object, ...], Added] = {}
    for site in (site for rank in ranks for site in rank.sums):
        other = found.get(site.place)
        found[site.place] = _joined(other, site) if other is not None else site
    return ranks[0].model_copy(update={"sums": tuple(found.values())})


def _joined(one: Added, other: Added) -> Added:
    kept = None if len(one.ends) == len(other.ends) else -1
    pairs = zip(one.ends[kept:], other.ends[kept:], strict=True)
    ends = tuple(a + b if a is not None and b is not None else None for a, b in pairs)
    return one._replace(additions=one.additions + other.additions, ends=ends)


def _over(told: Sequence[_Told]) -> _Told:
    """What all ranks have added up together."""
    return _Told(
        np.sum([one.times for one in told], axis=0),
        sum(one.elsewhere for one in told),
        sum(one.untold for one in told),
        sum(one.looked for one in told),
    )


def _times(report: Report, one: _Sum, size: int) -> _Told:
    here = _number(report, one)
    if here is None:
        return _Told(np.zeros(size, np.int64), 0, 0, 0)
    for number, back, elsewhere, untold, looked, spans in report.covered:
        if (number, back) == (here, one.back):
            times = np.zeros(size, np.int64)
            for first, last, count in spans:
                times[max(0, first) : last + 1] = count
            return _Told(times, elsewhere, untold, looked)
    return _Told(np.zeros(size, np.int64), 0, report.sums[here].additions, 0)


def _covered(one: _Sum, told: _Told) -> Covered:
    return Covered(
        at=At(path=one.site.path, line=one.site.line, layer=one.site.layer),
        target=one.site.target,
        spans=_spans(told.times),
        once=int((told.times == 1).sum()),
        several=int((told.times > 1).sum()),
        tokens=int(told.times.sum()),
        elsewhere=told.elsewhere,
        looked=told.looked,
    )


def _spans(times: Times) -> tuple[Span, ...]:
    """Runs of equal counts, those of 0 left out."""
    edges = [0, *(np.flatnonzero(np.diff(times)) + 1).tolist(), len(times)]
    runs = [(first, end - 1, int(times[first])) for first, end in pairwise(edges) if times[first]]
    return tuple(Span(first=first, last=last, times=count) for first, last, count in runs[:MAX_SPANS])
