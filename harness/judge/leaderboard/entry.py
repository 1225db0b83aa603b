"""One submission as the leaderboard sees it: the scores its logs print, what it claims, and what its review found."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

from harness.judge.case import SeedRun
from harness.judge.leaderboard.row import RowCase, evidence
from harness.model.base import Frozen, snippet
from harness.model.competition import Competition
from harness.model.facts import SubmissionFacts
from harness.model.logs import LogFacts, RunFacts, Score
from harness.model.metadata import MetadataFacts
from harness.model.review import ReviewedSubmission, Verdict
from harness.model.target import Origin

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SUMMARY = 300


class Printed(Frozen):
    """One score line of a run: label, nats per token, bits per byte, and its line."""

    label: str
    val_loss: float | None = None
    val_bpb: float
    line: int | None = None


class LoggedRun(Frozen):
    """A run and every result that it prints, the last one last. `path` is that of the log."""

    path: str
    seed: int | None = None
    results: tuple[Printed, ...] = ()


class Counted(Frozen):
    """A run that counts towards the score, with the line that stands for it; sizes in bytes, times in seconds."""

    run: LoggedRun
    score: Printed
    bytes_total: int | None = None
    train_seconds: float | None = None
    eval_seconds: float | None = None


class Entry(Frozen):
    """What a row is made from. `claim` and the other claims explain published scores; no score comes from them.

    `day` is that of the folder's name, else of submission.json. `logs` counts logs that could be read.
    """

    pr: int | None
    folder: str
    track: str | None
    records: bool
    origin: Origin
    title: str
    author: str | None = None
    summary: str | None = None
    day: str | None = None
    tree: str | None = None
    logs: int = 0
    label: str | None = None
    counted: tuple[Counted, ...] = ()
    runs: tuple[LoggedRun, ...] = ()
    """Every scored run of the folder, those that count among them."""
    claim: float | None = None
    claimed_deviation: float | None = None
    readme_claims: tuple[float, ...] = ()
    verdict: Verdict | None = None
    rules: tuple[str, ...] = ()

    @property
    def scores(self) -> list[float]:
        """Bits per byte of the runs that count."""
        return [counted.score.val_bpb for counted in self.counted]

    @property
    def nats_per_bpb(self) -> float | None:
        """Nats per token for one bit per byte, fixed by tokenizer and text; None where no log prints both."""
        pairs = [(c.score.val_loss, c.score.val_bpb) for c in self.counted]
        known = [(loss, bpb) for loss, bpb in pairs if loss is not None and loss > 0 and bpb > 0]
        return sum(loss for loss, _ in known) / sum(bpb for _, bpb in known) if known else None


def entry_of(
    facts: SubmissionFacts, review: ReviewedSubmission | None, pr: int | None, competition: Competition, day: dt.date
) -> Entry:
    """The entry of one folder, with the verdict of its review; `day` decides nothing but which dated data holds."""
    case = RowCase(facts, competition, day, pr)
    counted = evidence(case)
    metadata = case.metadata
    labels = {run.score.label for run in counted}
    return Entry(
        pr=pr,
        folder=facts.folder.path,
        track=case.track_id,
        records=case.track.records,
        origin=facts.folder.origin,
        title=_title(facts, metadata),
        author=_text(metadata and (metadata.author or metadata.github_id), 60),
        summary=_text(metadata and metadata.summary, _SUMMARY),
        day=_day(facts.folder.path, metadata),
        tree=facts.folder.tree,
        logs=len(case.logs),
        label=labels.pop() if len(labels) == 1 else None,
        counted=tuple(_counted(run) for run in counted),
        runs=tuple(_logged(log, run) for log, run in case.every_run),
        claim=metadata.val_bpb.value if metadata and metadata.val_bpb else None,
        claimed_deviation=metadata.val_bpb_std.value if metadata and metadata.val_bpb_std else None,
        readme_claims=tuple(dict.fromkeys(m.value for r in facts.readmes for m in r.mentions if m.kind == "val_bpb")),
        verdict=review.compliance.verdict if review else None,
        rules=review.compliance.rules if review else (),
    )


def entry_of_review(review: ReviewedSubmission, pr: int | None, competition: Competition) -> Entry:
    """The entry of a finished review alone: its runs as reviewed, without other labels, logs and README."""
    track = competition.track(review.track)
    counted = tuple(
        Counted(
            run=LoggedRun(path=run.log, seed=run.seed, results=(score,)),
            score=score,
            bytes_total=run.bytes_total,
            train_seconds=run.train_seconds,
            eval_seconds=run.eval_seconds,
        )
        for run in review.runs
        if run.val_bpb is not None
        for score in [Printed(label=run.label or "", val_loss=run.val_loss, val_bpb=run.val_bpb, line=run.line)]
    )
    name = review.folder.rpartition("/")[2]
    return Entry(
        pr=pr,
        folder=review.folder,
        track=review.track,
        records=track.records if track else True,
        origin=review.origin,
        title=snippet(review.claimed.name or name, 120),
        author=snippet(review.author, 60) if review.author else None,
        day=_day(review.folder, None),
        logs=len({run.log for run in review.runs}),
        label=counted[0].score.label if counted else None,
        counted=counted,
        runs=tuple(c.run for c in counted),
        claim=review.claimed.val_bpb,
        claimed_deviation=review.claimed.val_bpb_std,
        verdict=review.compliance.verdict,
        rules=review.compliance.rules,
    )


def _title(facts: SubmissionFacts, metadata: MetadataFacts | None) -> str:
    facts_named = [metadata and metadata.name, *(readme.title for readme in facts.readmes)]
    named = next((fact.value for fact in facts_named if fact), facts.folder.path.rpartition("/")[2])
    return snippet(named, 120)


def _text(fact: object, limit: int) -> str | None:
    value = getattr(fact, "value", None)
    return snippet(value, limit) if isinstance(value, str) else None


def _day(folder: str, metadata: MetadataFacts | None) -> str | None:
    stated = metadata.date.value if metadata and metadata.date else ""
    found = _DATE.search(folder.rpartition("/")[2]) or _DATE.search(stated)
    return found.group() if found else None


def _counted(run: SeedRun) -> Counted:
    facts = run.run
    return Counted(
        run=_logged(run.log, facts),
        score=_printed(run.score),
        bytes_total=facts.bytes_total.value if facts.bytes_total else None,
        train_seconds=facts.train_seconds.value if facts.train_seconds else None,
        eval_seconds=facts.eval_seconds.value if facts.eval_seconds else None,
    )


def _logged(log: LogFacts, run: RunFacts) -> LoggedRun:
    seed = run.seed.value if run.seed is not None else log.seed_in_name
    return LoggedRun(path=log.path, seed=seed, results=tuple(_results(run.scores)))


def _results(scores: Iterable[Score]) -> list[Printed]:
    """The last score of each label, exact before rounded; progress lines are no results."""
    found: dict[str, Score] = {}
    for score in scores:
        if score.diagnostic or score.val_bpb is None:
            continue
        known = found.pop(score.label, None)
        found[score.label] = known if known is not None and known.exact and not score.exact else score
    return [_printed(score) for score in found.values()]


def _printed(score: Score) -> Printed:
    return Printed(label=score.label, val_loss=score.val_loss, val_bpb=score.val_bpb or 0.0, line=score.line)
