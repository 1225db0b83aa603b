"""Which runs of a submission were made alike: same settings, same code, same machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.judge.case import Case, SeedRun

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
    printed = [_configuration(case, run) for run in case.runs]
    if len(printed) < 2:
        return []
    found = []
    for name in printed[0]:
        if not all(name in settings for settings in printed):
            continue
        values = [settings[name] for settings in printed]
        if len({value for value, _, _ in values}) > 1 and not _is_seed(case.runs, values):
            rows = tuple((run, text, line) for run, (_, text, line) in zip(case.runs, values, strict=True))
            found.append(Difference(name, name == "bytes_code", rows))
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


def _configuration(case: Case, run: SeedRun) -> Mapping[str, tuple[object, str, int | None]]:
    """Lower-case name to (comparable value, text, line); the first print of a name counts."""
    known = set(_names(case))
    found: dict[str, tuple[object, str, int | None]] = {}
    for name in _MEASURED:
        fact = getattr(run.run, name)
        if fact is not None:
            found[name] = (_comparable(str(fact.value)), str(fact.value), fact.at.line)
    for setting in run.run.settings:
        name, value = setting.name.lower(), _comparable(setting.value)
        if name in known and value is not None:
            found.setdefault(name, (value, setting.value, setting.line))
    return found


def _names(case: Case) -> Iterable[str]:
    """Names of the launched script's settings, in code and environment."""
    for setting in case.facts.launch.settings if case.facts.launch is not None else ():
        yield setting.name.lower()
        if setting.env is not None:
            yield setting.env.lower()


def _comparable(text: str) -> float | bool | None:
    """A number or switch; None for any other text."""
    word = text.strip().lower()
    if word in {"true", "false"}:
        return word == "true"
    try:
        return float(word.replace("_", ""))
    except ValueError:
        return None


def _is_seed(runs: Sequence[SeedRun], values: Sequence[tuple[object, str, int | None]]) -> bool:
    """Whether the setting is the seed of every run."""
    return all(value == run.seed for run, (value, _, _) in zip(runs, values, strict=True))
