"""With whom a failure of a run lies, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from harness.model.base import At, snippet
from harness.model.cpu_run import Fault, RunFailure
from harness.observe.cpu_run.broken import broken_by
from harness.observe.cpu_run.missing import lacking_program, lacking_weights, missing_package, place_of_a_machine
from harness.observe.cpu_run.report import Raised, Stack
from harness.observe.reading.source.script import read_script

_FULL = "No space left on device"
_PACKAGES = re.compile(
    r"\b(dep|dependenc|package|librar|modul)\w*\b.{0,40}\b(missing|not (found|installed|available))\b"
    r"|\brequires? the .{0,30}\b(package|library|module)\b",
    re.IGNORECASE,
)
"""How programs say that a package is missing."""
_NO_FOLDER = re.compile(r"Parent directory ([^/\s].*) does not exist\.")
"""What torch says when it is to write below a folder, beside the script, that is not there."""
_NETWORK = ("Name or service not known", "Temporary failure in name resolution", "Network is unreachable",
            "Connection refused", "Max retries exceeded", "URLError")  # fmt: skip


def blamed(raised: Raised, files: Mapping[str, bytes], declared: Collection[str] = ()) -> RunFailure:
    """The failure that an exception stands for.

    `files` are the submission's own files, `declared` the packages that its requirements name.
    """
    own = [frame for frame in raised.frames if frame.whose == "submission" and frame.path in files]
    at = At(path=own[-1].path, line=own[-1].line, layer=own[-1].layer) if own else None
    fault, remedy, module = _fault(raised, files, declared)
    place = place_of_a_machine(raised, files) if fault is Fault.HARNESS else None
    if place is not None:
        fault, remedy = (
            Fault.SUBMISSION,
            f"{place} is a place of one machine: make it, or use the folder of the script.",
        )
    elif fault is Fault.HARNESS and (name := lacking_weights(raised, files)) is not None:
        fault, remedy = Fault.SUBMISSION, f"The folder does not hold {name}, and nothing in it makes it: ship it."
    elif fault is Fault.HARNESS and own and not raised.unsupported:
        broken = broken_by(raised, _texts(own[-1], files), own[-1].line)
        fault, remedy = (fault, remedy) if broken is None else (Fault.SUBMISSION, broken)
    return RunFailure(
        fault=fault,
        exception=snippet(raised.exception, 80),
        message=snippet(raised.message),
        at=at,
        module=module,
        remedy=remedy,
    )


def _texts(frame: Stack, files: Mapping[str, bytes]) -> Sequence[str]:
    """The text that a frame is of, last, behind those of the wrappers around it."""
    if not frame.path.endswith(".py"):
        return ()
    return read_script(frame.path, files[frame.path], files).texts[: None if frame.layer else 1]


def _fault(raised: Raised, files: Collection[str], declared: Collection[str]) -> tuple[Fault, str, str | None]:
    if raised.unsupported:
        return Fault.HARNESS, "This harness has no equivalent of it on a CPU; what follows was not examined.", None
    if raised.exception == "ModuleNotFoundError" and raised.name:
        return (*_missing(raised.name, files, declared), raised.name)
    if raised.exception == "ImportError" and raised.name and _is_own(raised.name, files):
        return Fault.SUBMISSION, f"Define in {raised.name} what is imported from it.", raised.name
    if raised.exception == "OSError" and _FULL in raised.message:
        return Fault.LIMIT, "The run needed more space than it was given.", None
    if raised.exception == "MemoryError":
        return Fault.LIMIT, "The run needed more memory than it was given.", None
    if any(word in raised.message or word in raised.exception for word in _NETWORK):
        remedy = "Put what the script downloads into the folder, or prepare it before the run: there is no network."
        return Fault.SUBMISSION, remedy, None
    folder = _NO_FOLDER.fullmatch(raised.message)
    if folder is not None and not any(path.startswith(f"{folder[1]}/") for path in files):
        remedy = f"Make the folder {folder[1]} before writing into it: nothing in the script does."
        return Fault.SUBMISSION, remedy, None
    own_words = bool(raised.frames) and raised.frames[-1].whose == "submission"
    if own_words and _PACKAGES.search(raised.message):
        return (*_said_missing(raised.message, declared), None)
    program = lacking_program(raised, files)
    if program is not None:
        return Fault.SUBMISSION, f"The folder does not hold {program}, which the script wants: ship it.", None
    innermost = raised.frames[-1].whose if raised.frames else "library"
    if innermost == "harness":
        return Fault.HARNESS, "A stand-in of this harness failed; what follows was not examined.", None
    return Fault.HARNESS, "The run at this size fails; what follows was not examined.", None


def _said_missing(message: str, declared: Collection[str]) -> tuple[Fault, str]:
    """Of packages that the program itself finds missing, in an exception of its own."""
    named = [name for name in declared if name and name.lower() in message.lower()]
    if named:
        return Fault.MACHINE, f"requirements.txt names {', '.join(named)}, which is not installed here."
    return Fault.SUBMISSION, "Ship what the program finds missing, or name it in requirements.txt."


def _missing(name: str, files: Collection[str], declared: Collection[str]) -> tuple[Fault, str]:
    """Of a module that was not found: one of the submission's own, or a package."""
    if _is_own(name, files):
        top = name.partition(".")[0]
        return Fault.SUBMISSION, f"{top} is in the folder but not where Python looks: put it beside the launched file."
    found = missing_package(name, declared)
    if found is None:
        return Fault.HARNESS, f"The sandbox lacks {name} of the standard library."
    return found.fault, found.sentence


def _is_own(name: str, files: Collection[str]) -> bool:
    """Whether a module of that name is in the folder, wherever."""
    top = name.partition(".")[0]
    return any(path.rpartition("/")[2] == f"{top}.py" or f"/{top}/" in f"/{path}" for path in files)
