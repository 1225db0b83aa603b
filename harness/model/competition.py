"""The competition's dated data as typed values. The data itself is TOML under `harness/competition`."""

from __future__ import annotations

import datetime as dt
import tomllib
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


class Competition(Frozen):
    """All dated data."""

    tracks: tuple[Track, ...]
    rulings: tuple[Ruling, ...]
    tolerances: tuple[Tolerance, ...]

    def track(self, name: str | None) -> Track | None:
        """The track of that id, or None."""
        return next((track for track in self.tracks if track.id == name), None)

    def basis(self, *ids: str) -> tuple[Basis, ...]:
        """The rulings of those ids as the basis of a finding. Raises KeyError for an unknown id."""
        known = {ruling.id: ruling for ruling in self.rulings}
        return tuple(Basis(title=known[i].title, url=known[i].url, date=known[i].date.isoformat()) for i in ids)

    def tolerance(self, name: str, as_of: dt.date) -> Tolerance | None:
        """The tolerance of that id where it is in force on `as_of`."""
        return next((t for t in self.tolerances if t.id == name and t.since <= as_of), None)


@cache
def load() -> Competition:
    """The data shipped with the harness."""
    data: dict[str, object] = {}
    for name in ("tracks", "rulings", "tolerances"):
        text = resources.files("harness.competition").joinpath(f"{name}.toml").read_text(encoding="utf-8")
        data |= tomllib.loads(text)
    return Competition.model_validate(data)
