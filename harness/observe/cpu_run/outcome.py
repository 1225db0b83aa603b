"""From what a run did to facts: how far it got, what it left, what it added up, with whom a failure lies."""

from __future__ import annotations

import posixpath
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from harness.model.base import At, snippet
from harness.model.cpu_run import (
    CpuRunFacts,
    Fault,
    Fidelity,
    OtherRank,
    Replaced,
    RunFailure,
    RunStage,
    TamperKind,
    Total,
    WrittenFile,
)
from harness.model.facts import SubmissionFacts
from harness.model.plan import Rung
from harness.model.proof import Lessons
from harness.observe.cpu_run.blame import blamed
from harness.observe.cpu_run.checks import checks_of, tampering_of
from harness.observe.cpu_run.coverage import NOTHING_SCORED, Scored, rows_scored
from harness.observe.cpu_run.home import HOME, REPOSITORY, SUBMISSION
from harness.observe.cpu_run.lessons import NO_LESSONS, lessons_of
from harness.observe.cpu_run.report import Block, Broken, Report, parse_report
from harness.observe.cpu_run.rows import Rows, in_a_row
from harness.observe.cpu_run.scores import matched, together
from harness.observe.cpu_run.session import Done, Rank, SessionEnded
from harness.observe.cpu_run.weighed import weighed
from harness.observe.reading.logs import read_log
from harness.observe.sandbox.provider import Ended

MIN_ARTIFACT = 1_024
"""Bytes below which a file holds no network, however small, but a counter or a flag."""
MAX_PRINTED_LINES = 60
MAX_FILES = 200
MAX_TOTALS = 400
MAX_ENDS = 50
_CRASHED = (signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV)
_CRASHES = frozenset(f"signal {one.value}" for one in _CRASHED)
"""Ends that say nothing of the script: the machine code of some library failed."""
_KILLED = f"signal {signal.SIGKILL.value}"
"""What the machine does where its memory runs out; the limits of the sandbox and of the run say what they are."""
_TEXT = frozenset({".txt", ".log", ".json", ".jsonl", ".md", ".csv", ".py", ".pyc", ".yaml", ".toml"})
"""Files that tell of a run; everything else may be the artifact, but for what a compiler reads and makes."""
_COMPILED = frozenset({".c", ".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".ninja", ".d", ".o", ".so"})
_LIMITS = {
    "cpu": "more than {done.cpu_seconds:.0f} s of processor time",
    "timeout": "no end after {done.seconds:.0f} s, {done.cpu_seconds:.0f} s of them at work",
}
"""Endings by which the server says that a limit was passed, in words."""
_SANDBOX_LIMITS = {
    Ended.MEMORY: "memory", Ended.CPU: "CPU time", Ended.WALL: "time", Ended.PROCESSES: "processes",
    Ended.DISK: "space", Ended.OUTPUT: "output",
}  # fmt: skip
_SPOILS = frozenset({TamperKind.FORGED, TamperKind.REPLACED})
"""After these, what the run says of itself is worth nothing."""
_PLACES = (("volumes/", "/"), (".tmp/", "/tmp/"), ("", "~/"))  # noqa: S108  the sandbox's own
"""Where files lie below the sandbox's home outside of the repository, and how the submission calls these places."""


@dataclass(frozen=True)
class Outcome:
    """One attempt, understood."""

    facts: CpuRunFacts
    raised: RunFailure | None
    message: str
    """Words of the exception, uncut: what decides about another rung."""
    blocks: tuple[tuple[Block, ...], ...] = ()
    """Of each step and rank, with how often each ran."""
    over: bool = False
    """Whether the sandbox has ended, so that nothing else can be run in it."""
    rows: Rows | None = None
    lessons: Lessons = NO_LESSONS
    """All that was added up for the losses of the final score, where the run was asked to keep it."""


def understood(
    done: Done, facts: SubmissionFacts, rung: Rung, files: Mapping[str, bytes], scored: Scored = NOTHING_SCORED
) -> Outcome:
    """Facts of one run; `scored` are the validation streams that it may have read."""
    reports = [parse_report(rank.said.report) for rank in done.ranks]
    failure, message = _failure(done, reports[done.first], files, _declared(facts))
    told = [report or parse_report(rank.said.so_far) for report, rank in zip(reports, done.ranks, strict=True)]
    report = told[0]
    lines = done.ranks[0].printed.decode(errors="replace").splitlines()
    outside = CpuRunFacts(
        failure=failure,
        printed=tuple(snippet(line) for line in lines[-MAX_PRINTED_LINES:]),
        alone=done.alone,
        checks=checks_of(done, reports),
        tampering=tampering_of(done),
    )
    spoilt = next((one for one in outside.tampering if one.kind in _SPOILS), None)
    if spoilt is not None:
        remedy = "Leave what observes the program alone: nothing that the run says of itself counts after that."
        message = f"the program {spoilt.words}"
        failure = RunFailure(
            fault=Fault.SUBMISSION, exception="tampering", message=message, at=spoilt.at, remedy=remedy
        )
        outside = outside.model_copy(update={"failure": failure})
    if not isinstance(report, Report) or spoilt is not None:
        files_alone = outside.model_copy(update={"files": _files(done, Report(ended=""))[:MAX_FILES]})
        return Outcome(files_alone, failure, message, over=done.sandbox is not None)
    totals = _totals(report)
    others = tuple(_other(rank, done.ranks[rank], told[rank]) for rank in range(1, len(done.ranks)))
    ranks = [one for one in told if isinstance(one, Report)]
    further = ranks[1:] if len(ranks) == len(told) else []
    log = read_log("run.log", done.ranks[0].printed).facts
    summed = together([totals, *(other.totals for other in others)]) if others else ()
    scores = tuple(match for run in log.runs for match in matched(run.scores, totals, lines, summed))
    final = scored.result(log.runs[-1]) if log.runs else None
    written = _files(done, *ranks)
    evaluated = final is not None and any(score.val_bpb == final.val_bpb for score in scores)
    reached = _reached(report, written, evaluated=evaluated)
    lost = (fault for one in ranks if one.stream is not None for fault in one.stream.faults)
    found = outside.model_copy(update={
        "reached": tuple(reached),
        "so_far": reports[0] is None,
        "steps": report.steps,
        "files": written[:MAX_FILES],
        "totals": totals[:MAX_TOTALS],
        "scores": scores,
        "weighed": weighed(ranks, log.runs, files, f"{HOME}/{SUBMISSION}"),
        **scored.facts(report, scores, log.runs[-1] if log.runs else None, further),
        "processes": tuple(snippet(process) for process in report.processes[:20]),
        "others": others,
        "fidelity": Fidelity(
            overrides=rung.overrides,
            edits=tuple(rung.directives[i] for i in report.followed if 0 <= i < len(rung.directives)),
            stand_ins=tuple(Replaced(name=n, exact=e, reason=snippet(why)) for n, e, why in report.stand_ins[:100]),
            unfollowed=tuple(dict.fromkeys(map(snippet, lost))),
        ),
    })  # fmt: skip
    last = [score for score in scores if final is not None and score.val_bpb == final.val_bpb][-1:]
    added = rows_scored(report, last[0], further) if last and report.rows else ()
    return Outcome(
        found,
        failure,
        message,
        tuple(one.blocks for one in ranks),
        over=done.sandbox is not None,
        rows=in_a_row([rows for _, rows in added]) if added else None,
        lessons=lessons_of([(rank.lessons, rows) for rank, rows in added]),
    )


def whole(steps: Sequence[Outcome]) -> Outcome:
    """The outcome of several steps of one attempt: that of the last, with the blocks and the doubts of all of them."""
    last = steps[-1]
    if len(steps) == 1:
        return last
    broken = (check for step in steps[:-1] for check in step.facts.checks if not check.held)
    tampering = (one for step in steps for one in step.facts.tampering)
    doubts = {
        "checks": (*last.facts.checks, *dict.fromkeys(broken)),
        "tampering": tuple(dict.fromkeys(tampering)),
    }
    blocks = tuple(one for step in steps for one in step.blocks)
    return replace(last, facts=last.facts.model_copy(update=doubts), blocks=blocks)


def _failure(
    done: Done, report: Report | Broken | None, files: Mapping[str, bytes], declared: list[str]
) -> tuple[RunFailure | None, str]:
    """Why a run did not come to its end, if so, and the uncut words; `report` is that of the rank that failed first."""
    first = done.ranks[done.first]
    if done.sandbox is not None:
        failure = sandbox_ended(done.sandbox)
    elif isinstance(report, Broken):
        words = snippet(report.harness[-2_000:])
        remedy = "Please report it."
        failure = RunFailure(fault=Fault.HARNESS, exception="harness", message=words, remedy=remedy, internal=True)
    elif report is not None and report.failure is not None:
        failure = blamed(report.failure, files, declared)
    elif first.status in _LIMITS:
        failure = RunFailure(fault=Fault.LIMIT, exception=first.status, message=_LIMITS[first.status].format(done=done))
        if len(done.ranks) > 1:
            still = [str(rank) for rank, one in enumerate(done.ranks) if one.status == first.status]
            failure = failure.model_copy(update={"message": f"{failure.message}; not ended: rank {', '.join(still)}"})
    elif report is None and first.said.report:
        words = "what the run reported has not the form of a report"
        failure = RunFailure(fault=Fault.HARNESS, exception="report", message=words, remedy="Please report it.")
    elif report is None and first.status in _CRASHES:
        words = snippet(first.printed.decode(errors="replace")[-400:])
        remedy = "A library crashed in machine code; what follows was not examined."
        failure = RunFailure(fault=Fault.HARNESS, exception=first.status, message=words, remedy=remedy)
    elif report is None and first.status == _KILLED:
        words = "it was killed without a report, by none of the limits"
        remedy = "The machine may have run out of memory, or the program may have killed itself: run it again."
        failure = RunFailure(fault=Fault.UNKNOWN, exception=first.status, message=words, remedy=remedy)
    elif report is None:  # nobody else is there to send it a signal
        words = snippet(first.printed.decode(errors="replace")[-400:])
        failure = RunFailure(fault=Fault.SUBMISSION, exception=first.status, message=words)
    else:
        return None, ""
    words = report.failure.message if isinstance(report, Report) and report.failure is not None else failure.message
    if done.first:
        failure = failure.model_copy(update={"message": f"rank {done.first}: {failure.message}"})
    return failure, words


def sandbox_ended(error: SessionEnded) -> RunFailure:
    """The failure that the end of a sandbox is."""
    limit = _SANDBOX_LIMITS.get(error.ending.why)
    if limit is not None:
        message = f"The run was ended because it used more {limit} than it was given."
        return RunFailure(fault=Fault.LIMIT, exception=str(error.ending.why), message=message)
    return RunFailure(fault=Fault.MACHINE, exception=str(error.ending.why), message=str(error)[:400])


def _other(rank: int, one: Rank, report: Report | Broken | None) -> OtherRank:
    """What is kept of a rank that is not the first."""
    known = report if isinstance(report, Report) else None
    return OtherRank(
        rank=rank,
        ended=one.status,
        steps=known.steps if known is not None else 0,
        totals=_totals(known)[:MAX_TOTALS] if known is not None else (),
    )


def _declared(facts: SubmissionFacts) -> list[str]:
    """Names of the packages that the requirements ask for."""
    return [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in facts.requirements]


def _totals(report: Report) -> tuple[Total, ...]:
    return tuple(
        Total(
            at=At(path=one.path, line=one.line, layer=one.layer),
            target=one.target,
            function=one.function,
            additions=one.additions,
            values=one.ends[-MAX_ENDS:],
        )
        for one in report.sums
    )


def _files(done: Done, report: Report, *others: Report) -> tuple[WrittenFile, ...]:
    """What the run left. Any rank may have read it again; when, is told in the order of the first rank alone."""
    again = {str(PurePosixPath(path)) for one in (report, *others) for path in one.read}
    read = {str(PurePosixPath(path)): when for path, when in report.read.items()}
    return tuple(
        WrittenFile(
            path=_name(path),
            size=size,
            sha256=digest,
            reloaded=f"{HOME}/{path}" in again,
            written=report.written.get(f"{HOME}/{path}"),
            read=read.get(f"{HOME}/{path}"),
        )
        for path, size, digest in sorted(done.files, key=lambda file: -file[1])
        if PurePosixPath(path).suffix not in _TEXT | _COMPILED
    )


def _name(path: str) -> str:
    """The name of a file below the sandbox's home, from the submission's folder."""
    if path.startswith(f"{REPOSITORY}/"):
        return posixpath.relpath(path, SUBMISSION)
    place, shown = next((place, shown) for place, shown in _PLACES if path.startswith(place))
    return shown + path.removeprefix(place)


def _reached(report: Report, files: Sequence[WrittenFile], *, evaluated: bool) -> list[RunStage]:
    """The stages that the run went through."""
    artifacts = [file for file in files if file.size >= MIN_ARTIFACT]
    seen = {
        RunStage.DECODED: bool(report.blocks),
        RunStage.IMPORTED: "imported" in report.marks,
        RunStage.TRAINED: report.steps > 0 and report.backwards > 0,
        RunStage.WRITTEN: bool(artifacts),
        RunStage.RELOADED: any(file.reloaded for file in artifacts),
        RunStage.EVALUATED: evaluated,
    }
    return [stage for stage, there in seen.items() if there]
