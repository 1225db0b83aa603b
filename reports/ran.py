"""What the run on a CPU did, in few words: how far it got, whether to believe it, and what was not the real thing.

Every line is a label of ours and a text that may hold words of the submission; each format escapes it in its own way.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.coverage import Coverage
from harness.model.cpu_run import Fault, Fidelity, Ran, RunFailure, RunStage, WrittenFile
from harness.model.facts import Stage, StageStatus
from harness.model.review import CpuRunSummary, ReviewedSubmission
from reports.text import plain

WHOSE: dict[Fault, str] = {
    Fault.SUBMISSION: "the submission's",
    Fault.HARNESS: "this harness's",
    Fault.MACHINE: "this machine's",
    Fault.LIMIT: "nobody's: a limit was reached",
    Fault.UNKNOWN: "not known",
}
_NAMES_SHOWN = 6
_STAGE = "run: "


def ran(submission: ReviewedSubmission) -> Iterator[tuple[str, str]]:
    """(label, text) of everything that a reader of a run wants to know first; nothing where nothing was to be run."""
    run = submission.cpu_run
    if run is None:
        return
    if run.refused is not None:
        yield "Ran", f"not run: {run.refused}"
        return
    yield "Ran", _reached(run)
    if run.coverage is not None and (text := _scored(run.coverage)):
        yield "Scored", f"{text}, so far" if run.so_far else text
    if run.failure is not None:
        yield "Ended", _ended(run.failure)
        if run.failure.remedy:
            yield "Remedy", run.failure.remedy
    if submission.fidelity is not None:
        if submission.fidelity.features:
            yield "Features", _features(submission.fidelity)
        if text := _unreal(submission.fidelity):
            yield "Not real", text
    if run.doubts and run.reached:
        yield "Doubts", "; ".join(run.doubts)


def run_stages(submission: ReviewedSubmission) -> list[Stage]:
    """The stages that the run consisted of."""
    return [stage for stage in submission.stages if stage.name.startswith(_STAGE)]


def stages_line(submission: ReviewedSubmission) -> str:
    """These stages on one line; of one that did not end well also why."""
    return ", ".join(_stage(stage) for stage in run_stages(submission))


def size(count: int) -> str:
    """A number of bytes in three digits."""
    for unit, name in ((1_000_000, "MB"), (1_000, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}" if count < 999.5 * unit else f"{count / unit:,.0f} {name}"
    return f"{count} bytes"


def _stage(stage: Stage) -> str:
    memory = f", {stage.peak_mb:.0f} MB" if stage.peak_mb is not None else ""
    why = "" if stage.status is StageStatus.DONE else f" ({stage.status.value}: {plain(stage.reason or '', 120)})"
    return f"{stage.name.removeprefix(_STAGE)} {stage.seconds:.1f} s{memory}{why}"


def _reached(run: CpuRunSummary) -> str:
    """How far it got: the last things first where they imply those before."""
    got = set(run.reached)
    parts = []
    if RunStage.TRAINED in got:
        parts.append(f"trained {run.steps:,} step{'s' if run.steps != 1 else ''}")
    elif RunStage.IMPORTED in got:
        parts.append("got past its imports")
    elif RunStage.DECODED in got:
        parts.append("was unpacked and parsed")
    if RunStage.WRITTEN in got:
        parts.append(f"wrote {_files(run.files)}")
    if RunStage.RELOADED in got:
        parts.append("read it back")
    if RunStage.EVALUATED in got and run.scores:
        parts.append(f"printed {run.scores[-1].val_bpb:g}, which is what was summed")
    if not parts:
        return "nothing of the script was seen to run"
    costs = [f"{run.seconds:.1f} s"]
    costs += [f"{run.peak_mb:.0f} MB"] if run.peak_mb is not None else []
    costs += [f"width {run.size}" if run.size.isdecimal() else "original width"] if run.size else []
    costs += [f"{run.attempts} sizes tried"] if run.attempts > 1 else []
    costs += [f"{run.world_size} processes"] if run.world_size > 1 else []
    until = "until it was ended: " if run.so_far else ""
    return f"{until}{', '.join(parts)} ({', '.join(costs)})"


def _files(files: tuple[WrittenFile, ...]) -> str:
    """What was written: the file that was read back, else the largest."""
    main = max(files, key=lambda file: (file.reloaded, file.size), default=None)
    if main is None:
        return "files"
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{plain(main.path, 80)} ({size(main.size)}){more}"


def _scored(coverage: Coverage) -> str:
    """Which validation tokens and bytes entered the final score."""
    parts = []
    if coverage.losses is not None:
        parts.append(f"{coverage.losses.once:,} of {coverage.stream:,} tokens of the made stream once")
        parts += [f"{coverage.losses.several:,} more often"] if coverage.losses.several else []
        parts += [f"{coverage.missing:,} left out"] if coverage.missing else []
        parts += [f"{coverage.tail:,} after the last one"] if coverage.tail else []
    if coverage.bytes_true is not None and coverage.bytes_counted is not None:
        parts.append(f"{coverage.bytes_counted:,.0f} bytes counted, {coverage.bytes_true:,} there")
    return ", ".join(parts)


def _ended(failure: RunFailure) -> str:
    at = failure.at
    place = f" at {at.path}" + (f":{at.line}" if at.line is not None else "") if at is not None else ""
    what = ": ".join(part for part in (failure.exception, failure.message) if part)
    return f"early{place}, {what or 'without a word'} (the fault is {WHOSE[failure.fault]})"


def _features(fidelity: Fidelity) -> str:
    """Which of the features that the launch enables were seen to run."""
    found = {how: [one.feature.value for one in fidelity.features if one.ran is how] for how in Ran}
    said = {Ran.EXECUTED: "ran", Ran.NOT_EXECUTED: "did not run", Ran.UNKNOWN: "not known"}
    return "; ".join(f"{', '.join(names)} {said[how]}" for how, names in found.items() if names)


def _unreal(fidelity: Fidelity) -> str:
    """What was changed or stood in for."""
    set_ = sum(one.meaning is None for one in fidelity.overrides)
    edited = sum(one.meaning is None for one in fidelity.edits)
    shrunk = len(fidelity.overrides) + len(fidelity.edits) - set_ - edited
    counted = (
        (shrunk, "size", "sizes", "changed"),
        (set_, "other setting", "other settings", "changed"),
        (edited, "piece of source", "pieces of source", "rewritten"),
    )
    parts = [f"{count} {one if count == 1 else many} {done}" for count, one, many, done in counted if count]
    for exact, words in ((True, "stood in for exactly"), (False, "stood in for, which is not examined")):
        names = list(dict.fromkeys(one.name for one in fidelity.stand_ins if one.exact is exact))
        if names:
            more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
            parts.append(f"{', '.join(names[:_NAMES_SHOWN])}{more} {words}")
    return "; ".join(parts)
