"""Processes of this machine as /proc shows them: what a command has started, and whether it is gone."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path


def descendants(root: int) -> set[tuple[int, str]]:
    """(number, time of birth) of everything below `root`, whichever namespace it lives in."""
    parents: dict[int, list[tuple[int, str]]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                parents.setdefault(int(fields[1]), []).append((int(entry.name), fields[19].decode()))
    found: set[tuple[int, str]] = set()
    pending = [root]
    while pending:
        for child in parents.get(pending.pop(), []):
            found.add(child)
            pending.append(child[0])
    return found


def command_line(process: int) -> str:
    """The command line of a process; empty where it has gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def left(processes: set[tuple[int, str]], seconds: float = 15.0) -> set[int]:
    """Which of them still run after at most so many seconds."""
    deadline = time.monotonic() + seconds
    while alive := {number for number, born in processes if _alive(number, born)}:
        if time.monotonic() > deadline:
            return alive
        time.sleep(0.05)
    return set()


def _alive(number: int, born: str) -> bool:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{number}/stat").read_bytes().rpartition(b")")[2].split()
        return fields[19].decode() == born and fields[0] != b"Z"
    return False
