"""What a forked child gives up before it looks at anything that a submission holds.

It is a limit on what hostile input can cost, not a sandbox: nothing of the submission is executed in such a child.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import signal
import sys
from pathlib import Path

OUT_OF_MEMORY = 77
"""Exit status of a child that ran into its limit of memory."""
_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel kill this process when `parent` ends, however it ends. Where it has ended, so does this one."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def confine(parent: int, memory_bytes: int, file_bytes: int = 0, open_files: int = 64) -> None:
    """Give up what reading does not need, in a child of process `parent`, with which it dies.

    Memory counts addresses beyond those that the child starts with; `file_bytes` is the size of the largest file that
    it may write. Raising a limit again needs privileges that the hard limits deny.
    """
    die_with(parent)
    os.environ.clear()
    faulthandler.disable()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    space = memory_bytes + _address_space()
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def allow_cpu(seconds: int) -> None:
    """Let this process use `seconds` more CPU time than it has used so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(usage.ru_utime + usage.ru_stime) + seconds
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def ended(code: int | None, memory_bytes: int, cpu_seconds: int) -> str:
    """Why a confined child ended, in words, from its exit code."""
    if code == OUT_OF_MEMORY:
        return f"reading needed more than {memory_bytes >> 20} MiB of memory"
    if code is not None and -code in {signal.SIGXCPU, signal.SIGKILL}:
        return f"reading took more than {cpu_seconds} s of CPU time, or was killed"
    return f"the reader process ended with status {code}"


def _address_space() -> int:
    """Bytes of addresses that this process has mapped: what its parent had loaded is not the submission's doing."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
