"""The competition's dated data as typed values. The data itself is TOML under `harness/competition`."""

from __future__ import annotations

import datetime as dt
import tomllib
from enum import StrEnum
from functools import cache
from importlib import resources

from harness.model.base import Frozen
from harness.model.findings import Basis


class Track(Frozen):
    """Limits of one track: decimal bytes and seconds; None where the track has no such limit."""

    id: str
    title: str
    since: dt.date
    records: bool
    """Whether entries compete for the record."""
    artifact_bytes: int | None = None
    artifact_strict: bool = True
    """Whether a larger artifact was ruled out; where it was accepted now and then, it is the author's to mend."""
    train_seconds: float | None = None
    eval_seconds: float | None = None
    world_size: int | None = None
    gpu: str | None = None
    metadata: bool = True
    fixed_validation: bool = True
    """Whether the score is over the competition's own validation set."""
    basis: tuple[str, ...] = ()


class Ruling(Frozen):
    """A text or ruling with its link and date."""

    id: str
    title: str
    url: str
    date: dt.date


class Tolerance(Frozen):
    """A deviation from a rule that was tolerated, up to `threshold` (in `unit`) where it has one."""

    id: str
    rule: str
    title: str
    since: dt.date
    threshold: float | None = None
    unit: str | None = None
    basis: tuple[str, ...] = ()


class AcceptedRecord(Frozen):
    """One row of the organisers' leaderboard, with the score of each seed in bits per byte."""

    score: float
    title: str
    prs: tuple[int, ...]
    folder: str
    accepted: dt.date
    val_bpb: tuple[float, ...]
    nats_per_bpb: float
    """Nats per token for one bit per byte: fixed by the tokenizer and the validation text."""
    note: str | None = None


class ListedSubmission(Frozen):
    """A row of the organisers' tables whose folder was never merged; `url` is the commit that listed it."""

    pr: int
    folder: str
    accepted: dt.date
    url: str
    track: str | None = None
    """Track of the table, where the folder lies in another."""


class SignificanceTest(StrEnum):
    """The one-sided t-test that a policy asks for."""

    ONE_SAMPLE = "one_sample"
    """The record's mean is a fixed target, as in modded-nanogpt."""
    WELCH = "welch"
    """The record's seeds are a sample too; where it has fewer than two, its mean is a fixed target."""


class Policy(Frozen):
    """What a claim must show to count as a record: a better mean by `margin_nats`, at p below `alpha`."""

    id: str
    title: str
    since: dt.date
    test: SignificanceTest
    margin_nats: float
    alpha: float
    basis: tuple[str, ...] = ()


DEFAULT_POLICY = "readme"


class Competition(Frozen):
    """All dated data."""

    tracks: tuple[Track, ...]
    rulings: tuple[Ruling, ...]
    tolerances: tuple[Tolerance, ...]
    records: tuple[AcceptedRecord, ...] = ()
    policies: tuple[Policy, ...] = ()
    listed: tuple[ListedSubmission, ...] = ()

    def track(self, name: str | None) -> Track | None:
        """The track of that id, or None."""
        return next((track for track in self.tracks if track.id == name), None)

    def policy(self, name: str) -> Policy:
        """The policy of that id. Raises KeyError that names those there are."""
        found = next((policy for policy in self.policies if policy.id == name), None)
        if found is None:
            raise KeyError(f"there is no policy {name}; there are {', '.join(policy.id for policy in self.policies)}")
        return found

    def basis(self, *ids: str) -> tuple[Basis, ...]:
        """The rulings of those ids as the basis of a finding. Raises KeyError for an unknown id."""
        known = {ruling.id: ruling for ruling in self.rulings}
        return tuple(Basis(title=known[i].title, url=known[i].url, date=known[i].date.isoformat()) for i in ids)

    def tolerance(self, name: str, as_of: dt.date) -> Tolerance | None:
        """The tolerance of that id where it is in force on `as_of`."""
        return next((t for t in self.tolerances if t.id == name and t.since <= as_of), None)


FILES = ("tracks", "rulings", "tolerances", "records", "policies", "listed")


@cache
def load() -> Competition:
    """The data shipped with the harness."""
    data: dict[str, object] = {}
    for name in FILES:
        text = resources.files("harness.competition").joinpath(f"{name}.toml").read_text(encoding="utf-8")
        data |= tomllib.loads(text)
    return Competition.model_validate(data)
