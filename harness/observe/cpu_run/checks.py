"""What a run says of itself against what was measured outside of its interpreter, and what it did to its observer.

Nothing here proves that a run was honest. Where a check does not hold, or tampering was noticed, what the run showed
in a submission's favour counts for nothing (`CpuRunFacts.trusted`).
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from harness.model.cpu_run import Check, Tamper, TamperKind
from harness.observe.cpu_run.home import HOME
from harness.observe.cpu_run.report import Broken, Notice, Report
from harness.observe.cpu_run.session import Done, Rank

MAX_TAMPERING = 60
_LATE = 1.0
"""Seconds by which two clocks of one run may differ: forking and ending take time on a busy machine."""
_STEP = 1e-5
"""Seconds of processor time below which no optimizer step can be; the smallest takes some ten times as long."""


def checks_of(done: Done, reports: Sequence[Report | Broken | None]) -> tuple[Check, ...]:
    """All checks of one run."""
    ranks = list(zip(done.ranks, reports, strict=True))
    found = {
        "report": (all(map(_alone, done.ranks)), "how the run ended is not told by this harness alone"),
        "exit": (all(_same_end(*one) for one in ranks), "exit status and report do not agree"),
        "time": (all(_same_time(*one) for one in ranks), "the times that are reported cannot be"),
        "work": (all(_worked(*one) for one in ranks), "steps were reported that used no processor time"),
        "files": (_files(done, reports), "a file is said to be written and read back that was not changed"),
        "whole": (done.whole, "folders of the run could not be looked into"),
        "alone": (done.alone, "processes of the run could not be ended before its files were read"),
    }
    return tuple(Check(name=name, held=held, words=words) for name, (held, words) in found.items())


def tampering_of(done: Done) -> tuple[Tamper, ...]:
    """Everything that was noticed, each once."""
    found: list[Tamper] = []
    for rank in done.ranks:
        if rank.said.foreign or len(rank.said.reports) > 1:
            found.append(Tamper(kind=TamperKind.FORGED, words="wrote on the descriptor of the report"))
        for line in rank.said.seen:
            try:
                found.append(Notice.model_validate_json(line).fact())
            except ValidationError:
                found.append(Tamper(kind=TamperKind.FORGED, words="changed what was noticed of it"))
    return tuple(dict.fromkeys(found))[:MAX_TAMPERING]


def _alone(rank: Rank) -> bool:
    return len(rank.said.reports) == 1 and rank.said.last and not rank.said.foreign


def _same_end(rank: Rank, report: Report | Broken | None) -> bool:
    if not isinstance(report, Report):
        return False
    ended = {"end": "exit 0", "exception": "exit 1"}.get(report.ended, report.ended)
    return rank.status == ended


def _same_time(rank: Rank, report: Report | Broken | None) -> bool:
    if not isinstance(report, Report):
        return False
    moments = (report.began, *sorted(report.marks.values()), report.finished)
    return list(moments) == sorted(moments) and 0 <= report.finished - report.began <= rank.seconds + _LATE


def _worked(rank: Rank, report: Report | Broken | None) -> bool:
    """Whether as much processor time was used as reading one optimizer step would cost at the very least."""
    steps = report.steps if isinstance(report, Report) else 0
    return rank.cpu_seconds is None or rank.cpu_seconds >= steps * _STEP


def _files(done: Done, reports: Sequence[Report | Broken | None]) -> bool:
    """Whether nothing that the run says to have written and read back lies on disk as it was before."""
    said = {path for report in reports if isinstance(report, Report) for path in report.read}
    return said.isdisjoint(f"{HOME}/{path}" for path in done.unchanged)
