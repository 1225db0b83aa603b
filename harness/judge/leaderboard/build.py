"""`build(candidates, published) -> Leaderboard`: rows, ranks, chain, and the comparison with the published table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from harness.judge.leaderboard.candidate import Candidate, exclusion_of
from harness.judge.leaderboard.chain import Step, chain
from harness.judge.leaderboard.compare import Explanation, explain
from harness.judge.leaderboard.quoted import reproduce
from harness.judge.leaderboard.row import mean_and_deviation
from harness.model.competition import Policy
from harness.model.leaderboard import (
    EXPLAINED_BY_RULE,
    Agreement,
    Beaten,
    Exclusion,
    Leaderboard,
    LeaderboardRow,
    SeedScore,
    View,
)
from harness.model.published import PublishedRow, Quoted

_DIGITS = 4
"""Digits of a score in the organisers' table."""


@dataclass(frozen=True)
class _Matched:
    """A published row, the candidate whose evidence gives it, and how."""

    published: PublishedRow
    candidate: Candidate
    explanation: Explanation


@dataclass
class _Comparison:
    """Published rows by the candidate that gives them; candidates that such a row names, but that do not give it."""

    given: dict[tuple[int | None, str], _Matched] = field(default_factory=dict)
    passed_over: dict[tuple[int | None, str], _Matched] = field(default_factory=dict)
    unmatched: list[PublishedRow] = field(default_factory=list)


def build(
    candidates: Sequence[Candidate],
    published: Sequence[PublishedRow],
    policy: Policy,
    as_of: dt.date,
    view: View = View.PUBLISHED,
) -> Leaderboard:
    """The leaderboard of `candidates` on `as_of` under `policy`. Pure.

    Ranks go by mean score, apart for tracks with and without records. `published` fills the columns that compare, and
    nothing else.
    """
    reasons = {candidate.names: exclusion_of(candidate, view) for candidate in candidates}
    ranked = [candidate for candidate in candidates if reasons[candidate.names] is None]
    steps = chain(candidates, ranked, policy)
    compared = _compare(candidates, published)
    places = _places(ranked)
    rows = [
        _row(candidate, places.get(candidate.names), reasons[candidate.names], steps[candidate.names], compared)
        for candidate in sorted(candidates, key=lambda c: _sorting(c, places))
    ]
    return Leaderboard(
        policy=policy.id, as_of=as_of.isoformat(), rows=tuple(rows), view=view, unmatched=tuple(compared.unmatched)
    )


def _places(ranked: Sequence[Candidate]) -> dict[tuple[int | None, str], int]:
    places: dict[tuple[int | None, str], int] = {}
    for records in (True, False):
        of_kind = [candidate for candidate in ranked if candidate.entry.records is records]
        of_kind.sort(key=lambda c: (fmean(c.entry.scores), c.order))
        places |= {candidate.names: place for place, candidate in enumerate(of_kind, 1)}
    return places


def _sorting(candidate: Candidate, places: dict[tuple[int | None, str], int]) -> tuple[object, ...]:
    """Record tracks first; ranked rows by rank, the others after them in order of pull requests."""
    place = places.get(candidate.names)
    return not candidate.entry.records, place is None, place or 0, candidate.order


def _compare(candidates: Sequence[Candidate], published: Sequence[PublishedRow]) -> _Comparison:
    """Each published row with the candidate it links to; of several, with the one whose evidence gives its score."""
    found = _Comparison()
    by_pr = {candidate.entry.pr: candidate for candidate in reversed(candidates)}
    for row in published:
        linked = [c for c in candidates if c.entry.folder in row.folders or (c.entry.pr in row.prs and c.entry.pr)]
        matches = [_Matched(row, candidate, explain(row.score, candidate.entry)) for candidate in linked]
        matches.sort(key=lambda m: (_plainness(m), m.candidate.accepted is None))
        if not matches:
            found.unmatched.append(row)
            continue
        best = matches[0]
        quoted = tuple(_reproduced(q, best.candidate, by_pr) for q in row.quoted)
        best = _Matched(row.model_copy(update={"quoted": quoted}), best.candidate, best.explanation)
        found.given[best.candidate.names] = best
        for other in matches[1:]:
            found.passed_over.setdefault(other.candidate.names, best)
    return found


def _plainness(match: _Matched) -> int:
    return list(Agreement).index(match.explanation.agreement)


def _reproduced(quoted: Quoted, candidate: Candidate, by_pr: dict[int | None, Candidate]) -> Quoted:
    against = by_pr.get(quoted.against) if quoted.against is not None else None
    return quoted if against is None else reproduce(quoted, candidate.entry, against.entry)


def _row(
    candidate: Candidate, place: int | None, reason: Exclusion | None, step: Step, compared: _Comparison
) -> LeaderboardRow:
    entry = candidate.entry
    mean, deviation = mean_and_deviation(entry.scores)
    match = compared.given.get(candidate.names)
    standing = step.beats
    return LeaderboardRow(
        rank=place,
        score=round(mean, _DIGITS) if mean is not None else None,
        pr=entry.pr,
        folder=entry.folder,
        author=entry.author,
        date=entry.day,
        summary=entry.summary,
        seeds=tuple(
            SeedScore(
                seed=counted.run.seed,
                val_loss=counted.score.val_loss,
                val_bpb=counted.score.val_bpb,
                log=counted.run.path,
                line=counted.score.line,
            )
            for counted in entry.counted
        ),
        mean=mean,
        std=deviation,
        n=len(entry.counted),
        bytes_total=max((c.bytes_total for c in entry.counted if c.bytes_total is not None), default=None),
        train_seconds=max((c.train_seconds for c in entry.counted if c.train_seconds is not None), default=None),
        eval_seconds=max((c.eval_seconds for c in entry.counted if c.eval_seconds is not None), default=None),
        p_value=step.p_value,
        margin_nats=round(step.margin_nats, 6) if step.margin_nats is not None else None,
        status=step.status,
        exclusion=reason,
        compliance=entry.verdict,
        published_score=match.published.score if match else None,
        explanation=_explanation(match, compared.passed_over.get(candidate.names), reason, step),
        title=entry.title,
        track=entry.track,
        records=entry.records,
        label=entry.label,
        accepted=candidate.accepted.isoformat() if candidate.accepted else None,
        rules=entry.rules,
        beats=_beaten(standing) if standing is not None else None,
        tests=step.tests,
        agreement=match.explanation.agreement if match else None,
        published_run=match.published.run if match else None,
        quoted=match.published.quoted if match else (),
        removed_by=candidate.removed_by,
    )


def _beaten(standing: Candidate) -> Beaten:
    entry = standing.entry
    return Beaten(pr=entry.pr, folder=entry.folder, title=entry.title, mean=fmean(entry.scores), n=len(entry.scores))


def _explanation(match: _Matched | None, instead: _Matched | None, reason: Exclusion | None, step: Step) -> str | None:
    """Why the published score differs, or why there is none; None where the plain rule gives its digits."""
    if match is not None:
        plain = match.explanation.agreement in EXPLAINED_BY_RULE
        return None if plain else f"{match.published.score} is published: {match.explanation.text}"
    if instead is not None:
        return (
            f"not a row of its own in the published table: the row {instead.published.run!r}, which names its pull "
            f"request, shows the score of {instead.candidate.entry.folder}"
        )
    if reason is not None:
        return None
    if step.beats is not None and step.margin_nats is not None and step.margin_nats <= 0:
        number = f"#{step.beats.entry.pr}" if step.beats.entry.pr else step.beats.entry.title
        stood = fmean(step.beats.entry.scores)
        return f"not in the published table; {number} stood at {stood:.4f} before it, in the order of pull requests"
    return "not in the published table"
