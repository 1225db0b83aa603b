"""A behaviour: a hostile program, what must hold of it, and what all of these programs begin with.

A program that tries to reach something ends with status 0 and says what it reached in lines that begin with `reached`:
none may. A program that uses too much must be ended for that reason. Where the host plays a part, the program learns of
it through its environment (`self_check.Host`).
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.observe.sandbox.provider import Ended, Limits

MIB = 1 << 20
TIGHT = Limits(
    wall_seconds=60,
    cpu_seconds=20,
    memory_bytes=256 * MIB,
    processes=32,
    file_bytes=128 * MIB,
    disk_bytes=64 * MIB,
    files=5_000,
    output_bytes=MIB,
)
"""So little that a program which uses too much is soon found out."""


@dataclass(frozen=True)
class Behaviour:
    """A program, what must hold of it, and how it must end."""

    name: str
    holds: str
    program: str
    ends: Ended = Ended.EXITED
    code: int = 0
    """Status with which it must end, if it ends by itself."""
    limits: Limits = TIGHT
    says: str | None = None
    """All that may be on standard output, where that matters; else only that nothing was reached."""


PRELUDE = """
import ctypes, errno, os, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def attempt(what, deed, *arguments):
    try:
        result = deed(*arguments)
    except (Exception, SystemExit):
        return
    print("reached:", what, repr(result)[:100], flush=True)

def call(name, *arguments):
    # A system call by number, through no library that could refuse first.
    if libc.syscall(NUMBERS[name][MACHINE], *arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

def denied(name, *arguments, by=(errno.EPERM, errno.ENOSYS)):
    # Denied by the filter, not by chance (a bad argument, a missing capability is as good as none).
    libc.syscall.restype = ctypes.c_long
    ctypes.set_errno(0)
    if libc.syscall(NUMBERS[name][MACHINE], *arguments) >= 0 or ctypes.get_errno() not in by:
        print("reached:", name, errno.errorcode.get(ctypes.get_errno()), flush=True)

def everywhere(top="/"):
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/usr")]
        yield from (os.path.join(folder, name) for name in files)
"""
"""What every program may use."""
