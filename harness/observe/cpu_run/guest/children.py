"""The processes of one run: forked together, heard while they run, waited for, measured from outside.

A run has one process, or several ranks that share its folder and talk to each other as under torchrun. Their processor
time is counted together with that of everything they start. Three things end a run: its processor time, which does not
hang on what else the machine does; doing nothing for long, because it sleeps or its ranks wait for each other; and wall
time as the last resort. A rank that fails ends the others, as torchrun does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

MAX_REPORT = 32 << 20
MAX_SAID = 8 << 20
"""Bytes that a rank may print; what is beyond is counted and dropped."""
_PR_SET_DUMPABLE = 4
_TICK, _LOOK = 0.05, 0.25
_GRACE = 5.0
"""Seconds that the other ranks have to notice that one failed."""
_IDLE = 60.0
"""Seconds in which a run must use some processor time ..."""
_WORK = 0.2
"""... namely so many seconds of it."""
_CLOCK_TICK = os.sysconf("SC_CLK_TCK")
real, _sleep = time.monotonic, time.sleep  # taken before time is made virtual for the children

Environment = Mapping[str, str]


class Child:
    """One rank: its process, what it says, how it ended."""

    def __init__(
        self, rank: int, job: Mapping[str, Any], root: Path, heard: Callable[[bytes], None],
        so_far: Callable[[bytes], None],
    ) -> None:  # fmt: skip
        """Fork it. `heard` gets what it prints, up to MAX_SAID bytes; `so_far` what it has seen, whenever it tells."""
        self.rank, self._heard, self._so_far = rank, heard, so_far
        self._prefix = bytes(job["word"]) + b" so_far "
        self._looked_through = 0
        """Bytes of the report pipe in which nothing is left that goes to `so_far`."""
        self._report, report_end = os.pipe()
        self._said, said_end = os.pipe()
        self.began = real()
        self.process = os.fork()
        if not self.process:
            _become_run(job, root, report_end, said_end)
        os.close(report_end)
        os.close(said_end)
        self.pipes = {self._report: bytearray(), self._said: bytearray()}
        self.report = b""
        self.dropped = self._passed = 0
        self.status = ""
        """`exit N`, `signal N`, `cpu`, `timeout`, or `stopped` because another rank had failed; empty while it runs."""
        self.usage: resource.struct_rusage | None = None
        self.seconds = 0.0

    @property
    def cpu_seconds(self) -> float | None:
        """Its own and that of children it waited for; None while it runs."""
        return self.usage.ru_utime + self.usage.ru_stime if self.usage is not None else None

    @property
    def failed(self) -> bool:
        """Whether it has ended, and not well."""
        return self.status not in {"", "exit 0"}

    def hear(self, pipe: int) -> None:
        """Take what has come on one of its pipes."""
        data = os.read(pipe, 1 << 16)
        if not data:
            self._closed(pipe)
        elif pipe == self._said:
            kept = data[: max(0, MAX_SAID - self._passed)]
            self._passed += len(kept)
            self.dropped += len(data) - len(kept)
            if kept:
                self._heard(kept)
        elif len(self.pipes[pipe]) < MAX_REPORT:
            self.pipes[pipe] += data
            if b"\n" in data:
                self._hand_on(self.pipes[pipe])

    def check(self) -> None:
        """Note its end, if it has ended by itself."""
        done, status, usage = os.wait4(self.process, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            self._over(f"exit {code}" if code >= 0 else f"signal {-code}", usage)

    def end(self, status: str) -> None:
        """End it for this reason."""
        os.kill(self.process, signal.SIGKILL)
        _, _, usage = os.wait4(self.process, 0)
        self._over(status, usage)

    def finish(self) -> None:
        """Take what is left; nobody holds the other ends any more."""
        while self.pipes and (ready := select.select(list(self.pipes), [], [], 0)[0]):
            for pipe in ready:
                self.hear(pipe)
        for pipe in list(self.pipes):
            self._closed(pipe)

    def _hand_on(self, told: bytearray) -> None:
        """Take the whole lines of what was seen so far out of what was told: the next one replaces them, and they need
        not wait for an end.
        """
        end = told.rfind(b"\n") + 1
        kept = bytearray()
        for line in bytes(told[self._looked_through : end]).splitlines(keepends=True):
            if line.startswith(self._prefix):
                self._so_far(line.removeprefix(self._prefix))
            else:
                kept += line
        told[self._looked_through : end] = kept
        self._looked_through += len(kept)

    def _over(self, status: str, usage: resource.struct_rusage) -> None:
        self.status, self.usage, self.seconds = status, usage, real() - self.began

    def _closed(self, pipe: int) -> None:
        held = self.pipes.pop(pipe)
        os.close(pipe)
        if pipe == self._report:
            self.report = bytes(held)


class Budget:
    """What all processes of a run may use together."""

    def __init__(self, cpu_seconds: float, wall_seconds: float, idle_seconds: float = _IDLE) -> None:
        self._limit, self._idle = cpu_seconds, idle_seconds
        self._deadline = real() + wall_seconds
        self._seen: dict[tuple[int, bytes], float] = {}
        self._worked = (real(), 0.0)
        self.used = 0.0

    def passed(self, ended: float) -> str | None:
        """The status of what has to be ended now: `cpu` or `timeout`. `ended`: seconds of ranks that have ended."""
        now = real()
        self.used = max(self.used, self._measured(ended))
        if self.used > self._limit:
            return "cpu"
        if self.used >= self._worked[1] + _WORK:
            self._worked = (now, self.used)
        return "timeout" if now > self._deadline or now - self._worked[0] > self._idle else None

    def _measured(self, ended: float) -> float:
        """Processor time so far. A parent that ignores its children's end never adds theirs to its own: they count by
        what was seen of them.
        """
        together = 0.0
        for process in descendants(os.getpid()):
            fields = _fields(process)
            if len(fields) > 19:
                own, waited = (sum(map(int, fields[at : at + 2])) / _CLOCK_TICK for at in (11, 13))
                together += own + waited
                self._seen[process, fields[19]] = own  # a number is used again, with another time of birth
        return max(ended + together, sum(self._seen.values()))


def wait(children: Sequence[Child], budget: Budget) -> None:
    """Hear the children until all have ended, or one of them or the budget ends the others."""
    failed = next_look = None
    while running := [child for child in children if not child.status]:
        pipes = {pipe: child for child in children for pipe in child.pipes}
        if not pipes:
            _sleep(_TICK)
        for pipe in select.select(list(pipes), [], [], _TICK)[0] if pipes else ():
            pipes[pipe].hear(pipe)
        for child in running:
            child.check()
        now = real()
        if failed is None and any(child.failed for child in children):
            failed = now
        why = "stopped" if failed is not None and now > failed + _GRACE else None
        if why is None and (next_look is None or now >= next_look):
            next_look = now + _LOOK
            why = budget.passed(sum(child.cpu_seconds or 0.0 for child in children))
        if why is not None:
            for child in children:
                if not child.status:
                    child.end(why)
    budget.passed(sum(child.cpu_seconds or 0.0 for child in children))


def end_descendants(seconds: float = 5.0) -> bool:
    """Kill, by id, everything that descends from this process; whether nothing is left.

    As a subreaper it inherits every orphan below it, so nothing leaves the tree by daemonising. What forks faster than
    it is killed stays, and the host ends the whole sandbox.
    """
    deadline = real() + seconds
    while real() < deadline:
        for child in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not descendants(os.getpid()):
            return True
        _sleep(0.005)
    return False


def descendants(root: int) -> list[int]:
    """Processes below `root`, dead ones that nobody has reaped among them."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and len(fields := _fields(int(entry.name))) > 1:
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, pending = [], [root]
    while pending:
        for child in parents.get(pending.pop(), []):
            found.append(child)
            pending.append(child)
    return found


def _fields(process: int) -> list[bytes]:
    """What /proc says of a process, from its state on; nothing where it is gone."""
    try:
        # The name may hold anything, so the fields are counted from its last bracket.
        return Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def let_trace(*, allowed: bool) -> None:
    """Whether processes of the same user may trace this one, and read its memory."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, int(allowed))


def _become_run(job: Mapping[str, Any], root: Path, report_end: int, said_end: int) -> NoReturn:
    """Become the run. The report is written last, whatever happened before."""
    os.setsid()
    let_trace(allowed=True)  # as any program may be
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (said_end, 1), (said_end, 2)):
        os.dup2(source, target)
    keep = os.dup2(report_end, 200, inheritable=False)
    os.closerange(3, keep)
    os.closerange(keep + 1, 4096)
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115  the streams live as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1, errors="replace", closefd=False)  # noqa: SIM115  as above
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, errors="replace", closefd=False)  # noqa: SIM115  as above
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]  # what scripts write to directly
    from harness.observe.cpu_run.guest.run import run_and_report

    run_and_report(job, root, keep)
