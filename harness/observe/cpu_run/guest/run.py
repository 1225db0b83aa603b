"""One run from job to report, and what is loaded once for all runs."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import torch

from harness.model.plan import Directive
from harness.observe.cpu_run.guest import (
    clock,
    cuda,
    disguise,
    fidelity,
    seal,
    sharpening,
    stand_ins,
    tampering,
    unpacking,
)
from harness.observe.cpu_run.guest.lanes import ALPHABET
from harness.observe.cpu_run.guest.positions import tracker
from harness.observe.cpu_run.guest.runtime import Runtime
from harness.observe.cpu_run.guest.sources import SOURCES
from harness.observe.cpu_run.home import SUBMISSION

MAX_FRAMES = 12
MAX_MESSAGE, MAX_NAME, MAX_PATH = 2_000, 200, 4_000
"""Characters of an exception, and of a path, that are told."""
GUEST = str(Path(__file__).parent)
_ELASTIC = {
    "GROUP_WORLD_SIZE": "1", "ROLE_NAME": "default", "TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_RESTART_COUNT": "0",
    "TORCHELASTIC_MAX_RESTARTS": "0", "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1", "OMP_NUM_THREADS": "1",
}  # fmt: skip
"""What torchrun sets beside ranks and addresses, but for the store of its agent, which is not there to be asked."""
PROGRAMS = "bin"
"""Folder of the programs that scripts start and a machine without a GPU lacks."""


def prepare(home: Path) -> None:
    """Load and patch everything that every run needs; called once, before the first fork."""
    torch.set_num_threads(1)
    stand_ins.provide_programs(home / PROGRAMS)
    cuda.install_all()
    stand_ins.install()
    stand_ins.provide_loading()
    unpacking.install()
    gc.freeze()


def run_and_report(job: Mapping[str, Any], root: Path, descriptor: int) -> NoReturn:
    """Run the job in this process and end it. The report goes to the descriptor last, whatever happened before."""
    given = dict(job)
    word = given.pop("word")
    tell = seal.seal(descriptor, word.decode())
    word.clear()  # frames below ours still hold it
    leave, process = os._exit, os.getpid()
    try:
        run = Run(given, root, tell, descriptor)
    except BaseException:  # noqa: BLE001  a fault of ours; the host tells it from faults of the submission
        try:
            tell(seal.REPORT, {"harness": traceback.format_exc(limit=-12)})
        finally:
            leave(1)

    def finish(ended: str, failure: dict[str, Any] | None) -> NoReturn:
        """Report and end. A process that the submission forked has nothing to report."""
        try:
            if os.getpid() == process:
                try:
                    found = run.report(ended, failure)
                except BaseException:  # noqa: BLE001  as above
                    found = {"harness": traceback.format_exc(limit=-12)}
                tell(seal.REPORT, found)
            sys.stdout.flush()  # whatever the submission put there
            sys.stderr.flush()
        finally:
            leave(int(ended.removeprefix("exit ")) if ended.startswith("exit ") else int(ended != "end"))

    def left(status: int) -> NoReturn:
        """`os._exit` as the submission sees it: the process ends at once, but not without a report."""
        code = status & 255
        if os.getpid() != process:
            leave(code)
        finish(f"exit {code}", _told(SystemExit(f"os._exit({code})"), run.runtime) if code else None)

    def unfinished() -> None:
        if os.getpid() == process:
            with contextlib.suppress(Exception):  # a thread of the submission may be changing what is read here
                tell(seal.SO_FAR, run.seen("", None))

    os._exit = left
    run.runtime.recorder.so_far = unfinished
    finish(*run.submission())


class Run:
    """One run of a job: what is set up before the submission starts, and what is told when it has ended."""

    def __init__(self, job: Mapping[str, Any], root: Path, tell: seal.Tell, descriptor: int) -> None:
        self._job = job
        directives = [Directive.model_validate(one) for one in job.get("directives", ())]
        self.runtime = Runtime(root, clock.real, directives, tracker(job.get("streams", ())))
        SOURCES.active = ALPHABET.active = bool(job.get("rows"))
        ALPHABET.asked = dict(job.get("asked", ()))
        self._began = clock.real()
        if job.get("ranks", 1) > 1:
            cuda.use_processes()
        stand_ins.provide_built(root)
        if job.get("modal"):
            stand_ins.provide_modal()
        self.runtime.become(_environment(job, root), job["arguments"], root / job.get("folder", ""))
        disguise.hide(job["arguments"][0])
        sharpening.install(self.runtime.recorder.files, job.get("sharpness", 1.0))
        self._watch = tampering.Watch(self.runtime, tell, descriptor)
        self._watch.install()

    def submission(self) -> tuple[str, dict[str, Any] | None]:
        """Run it to its end: how it ended (`end`, `exit N`, `exception`), and the exception."""
        job = self._job
        try:
            if "function" in job:
                self.runtime.call(job["script"], job["function"], job.get("keywords", {}))
            elif job.get("loads"):
                self.runtime.load(job["script"])
            else:
                self.runtime.main(job["script"])
        except SystemExit as error:
            code = error.code
            status = int(code) & 255 if isinstance(code, int) else int(code is not None)
            return f"exit {status}", _told(error, self.runtime) if status else None
        except BaseException as error:  # noqa: BLE001  whatever the submission raises is what we are here to see
            with contextlib.suppress(BaseException):  # its own streams, its own words
                traceback.print_exc()
            return "exception", _told(error, self.runtime)
        return "end", None

    def report(self, ended: str, failure: dict[str, Any] | None) -> dict[str, Any]:
        """Everything seen, as JSON. What was tampered with is told before: it may be what is asked next."""
        self._watch.finish()
        return self.seen(ended, failure)

    def seen(self, ended: str, failure: dict[str, Any] | None) -> dict[str, Any]:
        """Everything seen until now, as JSON."""
        runtime = self.runtime
        found = runtime.recorder.report()
        for name in ("written", "read"):
            found[name] = {path: order for path, order in found[name].items() if len(path) <= MAX_PATH}
        return found | {
            "ended": ended,
            "failure": failure,
            "began": self._began,
            "finished": clock.real(),
            "followed": [i for i, one in enumerate(runtime.rewriter.directives) if one in runtime.rewriter.followed],
            "stand_ins": [
                [one.name, one.exact, one.reason] for one in fidelity.all_known() if one.name in fidelity.taken()
            ],
        }


def _environment(job: Mapping[str, Any], root: Path) -> dict[str, str]:
    """The job's own variables, and those of a machine on which somebody has logged in."""
    home = root.parents[SUBMISSION.count("/")]
    common = {
        "PATH": f"{home / PROGRAMS}:{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "USER": "user",
    }
    if "WORLD_SIZE" in job["environment"]:
        common |= _ELASTIC | {"ROLE_WORLD_SIZE": job["environment"]["WORLD_SIZE"]}
    rank = {name: str(job["rank"]) for name in ("RANK", "LOCAL_RANK", "ROLE_RANK")} if job.get("ranks", 1) > 1 else {}
    return {**common, "LANG": "C.UTF-8", "TMPDIR": "/tmp", **job["environment"], **rank}  # noqa: S108  the sandbox's own


def _told(error: BaseException, runtime: Runtime) -> dict[str, Any]:
    """An exception: its kind and words, and the frames it went through, those of the submission by their own paths."""
    frames = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        place = runtime.place_of(code.co_filename)
        ours = place is None and code.co_filename.startswith(GUEST)
        frames.append({
            "path": place[0] if place else code.co_filename[-120:], "layer": place[1] if place else 0,
            "line": trace.tb_lineno, "function": code.co_name[:MAX_NAME],
            "whose": "submission" if place is not None else "harness" if ours else "library",
        })  # fmt: skip
        trace = trace.tb_next
    return {
        "exception": _text(lambda: type(error).__name__, MAX_NAME),
        "message": _text(lambda: str(error), MAX_MESSAGE),
        "name": _text(lambda: getattr(error, "name", None) or "", MAX_NAME),
        "frames": frames[-MAX_FRAMES:],
        "unsupported": issubclass(type(error), fidelity.NotSupported),
    }


def _text(words: Callable[[], object], most: int) -> str:
    """Words of an exception, which the submission may have written itself: they may raise, or be no words."""
    try:
        found = words()
        return str.__getitem__(found if isinstance(found, str) else str(found), slice(0, most))
    except BaseException:  # noqa: BLE001  as said
        return ""
