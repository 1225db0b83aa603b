"""One run from job to report, and what is loaded once for all runs."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from harness.model.plan import Directive
from harness.observe.cpu_run.guest import clock, cuda, fidelity, stand_ins
from harness.observe.cpu_run.guest.runtime import Runtime

MAX_FRAMES = 12
PROGRAMS = "bin"
"""Folder of the programs that scripts start and a machine without a GPU lacks."""


def prepare(home: Path) -> None:
    """Load and patch everything that every run needs; called once, before the first fork."""
    torch.set_num_threads(1)
    programs = home / PROGRAMS
    programs.mkdir(exist_ok=True)
    (programs / "nvidia-smi").write_text(cuda.runtime.nvidia_smi_program())
    (programs / "nvidia-smi").chmod(0o755)
    cuda.install_all()
    stand_ins.install()
    gc.freeze()


def run(job: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Run the steps of a job in this process; everything seen, as JSON."""
    runtime = Runtime(root, clock.real, [Directive.model_validate(one) for one in job.get("directives", ())])
    began = clock.real()
    ended, failure = "end", None
    try:
        stand_ins.provide_built(root)
        if job.get("modal"):
            stand_ins.provide_modal()
        runtime.become(_environment(job, root), job["arguments"], root / job.get("folder", ""))
        if "function" in job:
            runtime.call(job["script"], job["function"], job.get("keywords", {}))
        else:
            runtime.main(job["script"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        ended = f"exit {code}"
        if code:
            failure = _told(error, runtime)
    except BaseException as error:  # noqa: BLE001  whatever the submission raises is what we are here to see
        ended, failure = "exception", _told(error, runtime)
        traceback.print_exc()
    report = runtime.recorder.report()
    report |= {
        "ended": ended,
        "failure": failure,
        "began": began,
        "finished": clock.real(),
        "followed": [i for i, one in enumerate(runtime.rewriter.directives) if one in runtime.rewriter.followed],
        "stand_ins": [
            [one.name, one.exact, one.reason] for one in fidelity.all_known() if one.name in fidelity.taken()
        ],
    }
    return report


def _environment(job: Mapping[str, Any], root: Path) -> dict[str, str]:
    """The job's own variables, and those of a machine on which somebody has logged in."""
    home = root.parent.parent
    common = {
        "PATH": f"{home / PROGRAMS}:{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "USER": "user",
    }
    return {**common, "LANG": "C.UTF-8", "TMPDIR": "/tmp", **job["environment"]}  # noqa: S108  the sandbox's own


def _told(error: BaseException, runtime: Runtime) -> dict[str, Any]:
    """An exception: its kind and words, and the frames it went through, those of the submission by their own paths."""
    frames = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        place = runtime.place_of(code.co_filename)
        ours = place is None and "harness/observe/cpu_run/guest" in code.co_filename.replace("\\", "/")
        frames.append({
            "path": place[0] if place else code.co_filename[-120:], "layer": place[1] if place else 0,
            "line": trace.tb_lineno, "function": code.co_name,
            "whose": "submission" if place is not None else "harness" if ours else "library",
        })  # fmt: skip
        trace = trace.tb_next
    return {
        "exception": type(error).__name__,
        "message": str(error)[:2_000],
        "name": str(getattr(error, "name", None) or ""),
        "frames": frames[-MAX_FRAMES:],
        "unsupported": isinstance(error, fidelity.NotSupported),
        "cause": type(error.__cause__ or error.__context__).__name__ if error.__cause__ or error.__context__ else None,
        "python": ".".join(map(str, sys.version_info[:2])),
    }
