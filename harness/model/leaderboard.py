"""`golf.leaderboard/1`: rows derived from logs, what each had to beat, and how the published table compares."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from harness.model.base import Frozen
from harness.model.published import PublishedRow, Quoted
from harness.model.review import RecordStatus, Verdict

LEADERBOARD_SCHEMA: Literal["golf.leaderboard/1"] = "golf.leaderboard/1"


class View(StrEnum):
    """Which submissions are rows."""

    PUBLISHED = "published"
    """What the main branch holds, or held, on the date, and what the organisers listed without merging it."""
    COMPLIANT = "compliant"
    """Every submission known; a rank needs a review without violation and without an open question."""
    FULL = "full"
    """Every submission known."""


class Exclusion(StrEnum):
    """Why a row holds no rank: the fixed list. What a row scored, or whether it passed a test, is never a reason."""

    NO_LOGS = "no_logs"
    """The folder holds no training or evaluation log. Basis: records need logs; a score nobody can see has no rank."""
    NO_SCORE = "no_score"
    """Its logs print no final score. Basis: a claim is what the logs show."""
    WITHDRAWN = "withdrawn"
    """The organisers took the folder off the main branch again. Basis: the commit that removed it."""
    REPEATED = "repeated"
    """An earlier pull request holds the identical folder. Basis: records are accepted in order of pull requests."""
    CHANGES_ANOTHER = "changes_another"
    """The pull request edits a folder that main held before it. Basis: a pull request adds one folder of its own."""
    NO_FOLDER = "no_folder"
    """Loose files instead of a submission folder. Basis: a pull request adds one folder under records/."""
    VIOLATION = "violation"
    """Its review found a violation, proven or derived; a reason in the compliant view only."""
    UNDECIDED = "undecided"
    """Its review leaves something for people to decide, or could not examine what matters, and the organisers have not
    taken it in; a reason in the compliant view only."""


class Agreement(StrEnum):
    """How the published score follows from the evidence; found by trying one after the other, in this order."""

    MEAN = "mean"
    """The mean of the runs, rounded to the printed digits."""
    SINGLE_RUN = "single_run"
    """The only run there is, rounded to the printed digits."""
    DOUBLE_ROUNDING = "double_rounding"
    """The mean, rounded once to more digits and then again."""
    TRUNCATED = "truncated"
    """The mean, cut off instead of rounded."""
    HEADLINE_LOG = "headline_log"
    """One log of several, which has the plain name (`train.log`)."""
    BEST_SEED = "best_seed"
    """The lowest of several runs."""
    ONE_LOG = "one_log"
    """One log of several, neither the plainly named nor the lowest."""
    OTHER_LABEL = "other_label"
    """The mean of the same runs under another score label."""
    LABEL_SPELLINGS = "label_spellings"
    """The mean of each run's own last score, whose labels are spelled differently."""
    OTHER_LOGS = "other_logs"
    """The mean of another group of logs in the folder."""
    CLAIM = "claim"
    """Stated by submission.json; no committed log gives it."""
    README_CLAIM = "readme_claim"
    """Stated by the submission's README; no committed log gives it."""
    UNEXPLAINED = "unexplained"


EXPLAINED_BY_RULE = frozenset({Agreement.MEAN, Agreement.SINGLE_RUN})
"""Agreement to the printed digits by the plain rule, with nothing to explain."""


class SeedScore(Frozen):
    """One run that counts: the seed, its score as the log prints it, and where. Nats per token and bits per byte."""

    seed: int | None
    val_loss: float | None
    val_bpb: float
    log: str
    line: int | None = None


class RowTest(Frozen):
    """A one-sided test of "lower than the row to beat by more than the margin"; computed, never a gate."""

    test: str
    margin_nats: float
    p_value: float


class Beaten(Frozen):
    """The row that stood when this one came: the lowest score accepted among earlier pull requests."""

    pr: int | None
    folder: str
    title: str
    mean: float
    n: int


class LeaderboardRow(Frozen):
    """One submission. Scores in bits per byte, margins in nats per token, sizes in bytes, times in seconds.

    `mean`, `std` (of the sample; None for one run) and `n` are over `seeds`; `score` is the mean to four digits, as the
    table prints it. `bytes_total`, `train_seconds` and `eval_seconds` are the largest that a run logs.
    """

    rank: int | None
    score: float | None
    pr: int | None
    folder: str
    author: str | None
    date: str | None
    summary: str | None
    seeds: tuple[SeedScore, ...] = ()
    mean: float | None = None
    std: float | None = None
    n: int = 0
    bytes_total: int | None = None
    train_seconds: float | None = None
    eval_seconds: float | None = None
    p_value: float | None = None
    margin_nats: float | None = None
    status: RecordStatus
    exclusion: Exclusion | None = None
    compliance: Verdict | None = None
    published_score: str | None = None
    """As printed, with its digits; None where the published table has no such row."""
    explanation: str | None = None

    title: str
    track: str | None
    records: bool
    """Whether its track competes for the record."""
    label: str | None = None
    """Score label that all runs share."""
    accepted: str | None = None
    """Day (UTC) on which the main branch, or the published table, took it in."""
    rules: tuple[str, ...] = ()
    """Rules that decided `compliance`."""
    beats: Beaten | None = None
    """What it had to beat; None for the first row and outside the record track."""
    tests: tuple[RowTest, ...] = ()
    agreement: Agreement | None = None
    published_run: str | None = None
    quoted: tuple[Quoted, ...] = ()
    removed_by: str | None = None
    """Commit that took the folder off the main branch."""


class RuleCount(Frozen):
    """In how many pull requests of each week a rule was broken: the order of `weeks` of the study."""

    rule: str
    title: str
    family: str
    counts: tuple[int, ...]


class Study(Frozen):
    """What reviews found over the pull requests that were read, by the ISO week of their heads' commits.

    `read` and `known` count pull requests that were read and that the repository holds.
    """

    read: int
    known: int
    weeks: tuple[str, ...]
    """Mondays, ISO 8601."""
    totals: tuple[int, ...]
    verdicts: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    rules: tuple[RuleCount, ...] = ()


class Leaderboard(Frozen):
    """The root of `golf.leaderboard/1`. `commit` is the state of the main branch on `as_of`."""

    schema_id: Literal["golf.leaderboard/1"] = Field(default=LEADERBOARD_SCHEMA, alias="schema")
    policy: str
    as_of: str
    rows: tuple[LeaderboardRow, ...]
    view: View = View.PUBLISHED
    repository: str = ""
    commit: str | None = None
    ruleset: str = ""
    unmatched: tuple[PublishedRow, ...] = ()
    """Published rows whose submission is not among the rows."""
    not_read: tuple[int, ...] = ()
    """Pull requests that could hold rows of this view, and that were never read."""
    study: Study | None = None
