"""What a rule looks at: the facts of one submission (or one diff) with the dated data and the date of judgement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from harness.judge.scores import common_final
from harness.model.base import snippet
from harness.model.competition import DEFAULT_POLICY, Competition, Tolerance, Track
from harness.model.facts import Facts, SubmissionFacts
from harness.model.findings import Evidence
from harness.model.launch import Setting
from harness.model.logs import LogFacts, RunFacts, Score
from harness.model.metadata import MetadataFacts
from harness.model.source import ScriptFacts
from harness.model.target import FileEntry

DEFAULT_TRACK = "10min_16mb"
"""Track of a folder that lies in none and names none."""


@dataclass(frozen=True)
class SeedRun:
    """One run that counts as evidence: its log, its facts, and the score line that stands for it."""

    log: LogFacts
    run: RunFacts
    score: Score

    @property
    def seed(self) -> int | None:
        """Seed printed in the log, else the one in its name."""
        return self.run.seed.value if self.run.seed is not None else self.log.seed_in_name


@dataclass(frozen=True)
class DiffCase:
    """A pull request or ref as a whole."""

    facts: Facts
    competition: Competition
    as_of: dt.date


@dataclass(frozen=True)
class Case:
    """One submission.

    `pr` is the pull request that brought it, which orders it among records of the same day; `policy` names the policy
    that decides its record status.
    """

    facts: SubmissionFacts
    competition: Competition
    as_of: dt.date
    pr: int | None = None
    policy: str = DEFAULT_POLICY

    @cached_property
    def metadata(self) -> MetadataFacts | None:
        """The first metadata file that could be read, `submission.json` at the root before its variants."""
        return next((m for m in self.facts.metadata if m.parsed), None)

    @cached_property
    def track_id(self) -> str | None:
        """Track by folder, else as the metadata names it; None where neither is known."""
        by_folder = self.facts.folder.track
        if by_folder is not None:
            return by_folder
        claim = self.metadata.track.value.lower().replace("-", "_") if self.metadata and self.metadata.track else ""
        return next((track.id for track in self.competition.tracks if track.id in claim), None)

    @cached_property
    def track(self) -> Track:
        """Limits that apply; those of the record track where the track is unknown."""
        track = self.competition.track(self.track_id) or self.competition.track(DEFAULT_TRACK)
        if track is None:
            raise LookupError(f"the competition's data has no track {DEFAULT_TRACK}")
        return track

    @cached_property
    def script(self) -> ScriptFacts | None:
        """The file that is launched."""
        launch = self.facts.launch
        named = launch.script if launch is not None else None
        return next((script for script in self.facts.scripts if script.path == named), None)

    @cached_property
    def logs(self) -> tuple[LogFacts, ...]:
        """Logs without copies of each other."""
        return tuple(log for log in self.facts.logs if log.duplicate_of is None)

    @cached_property
    def runs(self) -> tuple[SeedRun, ...]:
        """The runs that stand as evidence, one a seed.

        Logs at the root of the folder count before those in sub-folders (which hold ablations). Where every run shares
        a final label, that label's score stands for each; of several runs of one seed the last stands.
        """
        for candidates in (self._runs_of(depth=0), self._runs_of(depth=None)):
            if candidates:
                return _one_per_seed(_common(candidates))
        return ()

    def _runs_of(self, depth: int | None) -> list[tuple[LogFacts, RunFacts]]:
        return [
            (log, run)
            for log in self.logs
            if depth is None or log.path.count("/") == depth
            for run in log.runs
            if run.final is not None and run.final.val_bpb is not None
        ]

    def setting(self, name: str) -> Setting | None:
        """The launch setting of that name (case does not matter)."""
        settings = self.facts.launch.settings if self.facts.launch is not None else ()
        return next((s for s in settings if name.lower() in {s.name.lower(), (s.env or "").lower()}), None)

    def logged(self, name: str) -> Iterator[tuple[LogFacts, str, int]]:
        """(log, value, line) wherever a run prints a setting of that name."""
        for log in self.logs:
            for run in log.runs:
                for setting in run.settings:
                    if setting.name.lower() == name.lower():
                        yield log, setting.value, setting.line

    @cached_property
    def titles(self) -> tuple[Evidence, ...]:
        """What the submission calls itself: titles of its READMEs, its name, the name of its folder."""
        named = [(readme.path, readme.title) for readme in self.facts.readmes]
        if self.metadata is not None:
            named.append((self.metadata.path, self.metadata.name))
        rows = [Evidence(path=p, line=t.at.line, snippet=snippet(t.value)) for p, t in named if t is not None]
        return (*rows, Evidence(path=".", snippet=snippet(self.facts.folder.path.rpartition("/")[2])))

    def file(self, path: str) -> FileEntry | None:
        """The entry of one file."""
        return next((file for file in self.facts.folder.files if file.path == path), None)

    def tolerance(self, name: str) -> Tolerance | None:
        """A tolerated deviation in force on the date of judgement."""
        return self.competition.tolerance(name, self.as_of)


def _common(candidates: list[tuple[LogFacts, RunFacts]]) -> list[SeedRun]:
    shared = common_final([run for _, run in candidates])
    scores = shared[1] if shared is not None else [run.final for _, run in candidates]
    return [
        SeedRun(log, run, score)
        for (log, run), score in zip(candidates, scores, strict=True)
        if score is not None and score.val_bpb is not None
    ]


def _one_per_seed(runs: list[SeedRun]) -> tuple[SeedRun, ...]:
    """The last run of each seed; runs without a seed each stand for themselves."""
    kept: dict[object, SeedRun] = {}
    for i, run in enumerate(runs):
        kept[run.seed if run.seed is not None else f"run {i}"] = run
    return tuple(kept.values())
