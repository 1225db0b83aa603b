"""Which runs of a submission were made alike: same settings, same code, same machine."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from statistics import fmean

from harness.judge.case import Case, SeedRun
from harness.model.launch import Setting

_MEASURED = ("bytes_code", "model_params", "world_size", "train_shards", "val_tokens")
"""Facts of a run that its seed does not move."""


@dataclass(frozen=True)
class Difference:
    """One setting that the runs do not share: its value and line in each run that prints it."""

    name: str
    code: bool
    """The size of the code, which a comment moves; any other difference is one of configuration."""
    values: tuple[tuple[SeedRun, str, int | None], ...]


def differences(case: Case) -> list[Difference]:
    """Settings of the script, and fixed facts, that differ between the runs that stand as evidence.

    Only numbers and switches that every run prints are compared. Names of runs, paths, and the seed under whatever
    name it goes are no configuration.
    """
    if len(case.runs) < 2:
        return []
    names = {name.lower() for s in _settings(case) for name in (s.name, s.env) if name is not None}
    printed = [_printed(names, run) for run in case.runs]
    found = []
    for name in printed[0]:
        rows = [settings.get(name) for settings in printed]
        values = [(run, *row) for run, row in zip(case.runs, rows, strict=True) if row is not None]
        if len(values) == len(rows) and len({text for _, text, _ in values}) > 1 and _differ(values):
            found.append(Difference(name, name == "bytes_code", tuple(values)))
    return found


def alike(case: Case) -> tuple[SeedRun, ...]:
    """The largest set of runs of one configuration; of several the one with the worst mean."""
    different = [difference for difference in differences(case) if not difference.code]
    if not different:
        return case.runs
    groups: dict[tuple[object, ...], list[SeedRun]] = {}
    for i, run in enumerate(case.runs):
        key = tuple(_comparable(difference.values[i][1]) for difference in different)
        groups.setdefault(key, []).append(run)
    best = max(groups.values(), key=lambda group: (len(group), fmean(run.score.val_bpb or 0.0 for run in group)))
    return tuple(best)


def _settings(case: Case) -> tuple[Setting, ...]:
    """Settings of the launched script."""
    return case.facts.launch.settings if case.facts.launch is not None else ()


def _printed(names: Collection[str], run: SeedRun) -> dict[str, tuple[str, int | None]]:
    """Lower-case name to (text, line) of what a run prints under one of `names`; the first print counts."""
    found: dict[str, tuple[str, int | None]] = {}
    for name in _MEASURED:
        fact = getattr(run.run, name)
        if fact is not None:
            found[name] = (str(fact.value), fact.at.line)
    for setting in run.run.settings:
        name = setting.name.lower()
        if name in names:
            found.setdefault(name, (setting.value, setting.line))
    return found


def _differ(values: Iterable[tuple[SeedRun, str, int | None]]) -> bool:
    """Whether texts stand for different numbers or switches, other than the seed of each run."""
    rows = [(run, _comparable(text)) for run, text, _ in values]
    distinct = {value for _, value in rows}
    return None not in distinct and len(distinct) > 1 and any(value != run.seed for run, value in rows)


def _comparable(text: str) -> float | bool | None:
    """A number or switch; None for any other text."""
    word = text.strip().lower()
    if word in {"true", "false"}:
        return word == "true"
    try:
        return float(word.replace("_", ""))
    except ValueError:
        return None
