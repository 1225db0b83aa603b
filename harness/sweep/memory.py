"""How many sandboxes a machine has the memory for."""

from __future__ import annotations

import contextlib
from pathlib import Path

from harness.model.plan import RunLimits
from harness.model.review import Depth
from harness.sweep.plan import PlanError

BESIDE = 1 << 30
"""Bytes that a worker needs beside the sandbox at work: itself, its reader, and the next sandbox with torch loaded."""
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_GIB = 1 << 30


def affordable(jobs: int, depth: Depth, machine: int | None = None) -> int:
    """At most `jobs`: so many workers as the machine has memory for when every sandbox uses all that it may.

    `machine`: its bytes (default: this machine's). Raises PlanError where there is not enough for one.
    """
    if depth is Depth.STATIC:
        return jobs
    have = machine if machine is not None else machine_bytes()
    each = RunLimits().memory_bytes + BESIDE
    if have < each:
        raise PlanError(
            f"a sweep at depth run needs {each / _GIB:.0f} GiB of memory for each job and this machine has "
            f"{have / _GIB:.1f}; use a larger one, or review single pull requests: golf review REPO --pr N --depth run"
        )
    return min(jobs, have // each)


def machine_bytes() -> int:
    """Memory of this machine, or of the control group that limits this process where that is less."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    total = next(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("MemTotal:"))
    for limit in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):
            total = min(total, int(limit.read_text(encoding="ascii")))
    return total
