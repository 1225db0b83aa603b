"""A running sandbox and the thread that watches it: it starts it, measures it, and ends it for a reason.

The thread lives as long as the sandbox, which matters: the kernel ties "die with your parent" to the thread that
started a process. Resource limits of the kernel are the second line. They hold between two looks and if the host is
too busy to look: a process cannot map more private memory than `RLIMIT_DATA`, nor the sandbox hold more tasks than
`RLIMIT_NPROC`.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO

from harness.observe.sandbox.provider import Ended, Ending, Limits
from harness.observe.sandbox.tree import Tree, Usage

POLL = 0.05
"""Seconds between two looks."""
_EXACT_POLL = 0.5
"""Seconds between two looks that measure the memory exactly, for the peak and for what was swapped out."""
_LOOKING, _LOOKING_EXACTLY = 4, 20
"""A look at many processes takes long. So many times as long as it took, there is none."""
_START = 20.0
"""Seconds in which a sandbox must stand."""
_END = 10.0
"""Seconds in which a killed tree must be gone; the kernel takes milliseconds unless a disk hangs."""
_NICENESS = 5
_FIRST_TO_GO = "1000"
"""For /proc/*/oom_score_adj: when the machine runs out of memory, the kernel takes the sandbox, not the host."""


@dataclass(frozen=True)
class Launch:
    """A command line that makes a sandbox, and the ends of what it talks through until the command runs.

    `descriptors` are the child's, `report` brings a JSON object with `child-pid`, `gate` speaks with `gate.py`.
    """

    argv: Sequence[str]
    descriptors: Sequence[int]
    report: int
    gate: socket.socket
    writable: str


class Watched:
    """A sandbox (see `provider.Sandboxed`), started by `launch`, within `limits`."""

    def __init__(self, launch: Launch, limits: Limits) -> None:
        self._launch, self._limits = launch, limits
        self._lock = threading.Lock()
        self._request: tuple[Ended, str] | None = None
        self._deadline = float("inf")
        self._ending: Ending | None = None
        self._ended, self._stands = threading.Event(), threading.Event()
        self._errors = bytearray()
        self._wake_read, self._wake_write = os.pipe()
        their_input, ours_in = os.pipe()
        ours_out, their_output = os.pipe()
        self._error_read, their_error = os.pipe()
        os.set_blocking(self._error_read, False)
        self._theirs = (their_input, their_output, their_error)
        self.stdin: IO[bytes] = open(ours_in, "wb", buffering=0)  # noqa: SIM115, PTH123  closed by __exit__
        self.stdout: IO[bytes] = open(ours_out, "rb", buffering=0)  # noqa: SIM115, PTH123
        self._thread = threading.Thread(target=self._live, name="sandbox", daemon=True)
        self._thread.start()
        self._stands.wait()

    @property
    def stderr(self) -> bytes:
        """What has come so far on standard error."""
        return bytes(self._errors)

    def poll(self) -> Ending | None:
        """The ending, or None."""
        return self._ending

    def wait(self, seconds: float | None = None) -> Ending:
        """The ending. Raises TimeoutError."""
        self._ended.wait(seconds)
        if self._ending is None:
            raise TimeoutError(f"the sandbox still runs after {seconds} s")
        return self._ending

    def kill(self, why: Ended = Ended.KILLED_BY_HOST, message: str = "") -> Ending:
        """End it, with this reason unless there already is one."""
        with self._lock:
            if self._ending is None and self._request is None:
                self._request = (why, message)
                os.write(self._wake_write, b"k")
        return self.wait()

    def allow(self, wall_seconds: float) -> None:
        """Move the end of its wall time to so many seconds from now."""
        self._deadline = time.monotonic() + wall_seconds

    def __enter__(self) -> Watched:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self.stdin.close()
        self.stdout.close()
        self._thread.join()

    def _live(self) -> None:
        """Body of the thread."""
        body = _Body(self._launch, self._limits, self._theirs)
        try:
            message = body.begin()
            if message is None:
                self._deadline = body.began + self._limits.wall_seconds
                self._stands.set()
                why = self._watch(body)
            else:
                why = (Ended.FAILED_TO_START, message)
        except Exception as error:  # noqa: BLE001  whatever it is, the sandbox has to go and its user to know
            why = (Ended.FAILED_TO_START, f"{type(error).__name__}: {error}")
        try:
            status = body.end()
        except Exception as error:  # noqa: BLE001  nobody may be left waiting for an ending
            status, why = None, (Ended.FAILED_TO_START, f"{type(error).__name__}: {error}")
        if not self._drain() and why is None:
            why = (Ended.OUTPUT, self._too_much())
        why = why or body.overflow
        ending = body.ending(why, status)
        if ending.why is Ended.FAILED_TO_START and self._errors:
            said = bytes(self._errors[-2000:]).decode(errors="replace").strip()
            ending = Ending(ending.why, None, ending.seconds, message=f"{ending.message}: {said}")
        with self._lock:
            self._ending = ending
            for descriptor in (self._wake_read, self._wake_write, self._error_read):
                os.close(descriptor)
        self._stands.set()
        self._ended.set()

    def _watch(self, body: _Body) -> tuple[Ended, str] | None:
        """Look until the command has ended by itself (None) or has to be ended."""
        poller = select.poll()
        for descriptor in (body.process, self._wake_read, self._error_read):
            poller.register(descriptor, select.POLLIN)
        next_look = next_exact = 0.0
        while True:
            ready = dict(poller.poll(max(0.0, next_look - time.monotonic()) * 1000))
            if body.process in ready:
                return None
            if self._wake_read in ready:
                return self._request
            if self._error_read in ready:
                if not self._drain():
                    return Ended.OUTPUT, self._too_much()
                if ready[self._error_read] & select.POLLHUP:
                    poller.unregister(self._error_read)
            if (now := time.monotonic()) >= next_look:
                if now > self._deadline:
                    return Ended.WALL, f"more than {now - body.began:.1f} s of wall time"
                exact = now >= next_exact
                if why := body.look(exact=exact):
                    return why
                took = time.monotonic() - now
                next_look = now + max(POLL, _LOOKING * took)
                if exact:
                    next_exact = now + max(_EXACT_POLL, _LOOKING_EXACTLY * took)

    def _drain(self) -> bool:
        """Take what has come on standard error. False when it is more than allowed."""
        for _ in range(64):  # then the limits are looked at again
            try:
                data = os.read(self._error_read, 1 << 16)
            except BlockingIOError:
                return True
            if not data:
                return True
            room = self._limits.output_bytes - len(self._errors)
            self._errors += data[:room]
            if len(data) > room:
                return False
        return True

    def _too_much(self) -> str:
        return f"more than {self._limits.output_bytes} bytes on standard error"


class _Body:
    """The processes of one sandbox, handled by the watching thread alone."""

    def __init__(self, launch: Launch, limits: Limits, stdio: tuple[int, int, int]) -> None:
        self._launch, self._limits, self._stdio = launch, limits, stdio
        self._monitor: subprocess.Popen[bytes] | None = None
        self._tree: Tree | None = None
        self.process = -1
        self.began = time.monotonic()
        self.overflow: tuple[Ended, str] | None = None
        """The limit that what it has written passes, known after `end`."""
        self._peak = 0
        self._cpu = 0.0

    def begin(self) -> str | None:
        """Start the sandbox and let the command run. None when it runs, else why not. Raises OSError."""
        try:
            self._monitor = subprocess.Popen(  # noqa: S603  the command line is ours
                self._launch.argv,
                stdin=self._stdio[0],
                stdout=self._stdio[1],
                stderr=self._stdio[2],
                pass_fds=tuple(self._launch.descriptors),
                env={},
                cwd="/",
            )
        finally:
            for descriptor in (*self._stdio, *self._launch.descriptors):
                os.close(descriptor)
        child = _child(self._launch.report)
        gate = self._launch.gate
        gate.settimeout(_START)
        if child is None:
            return "no sandbox was made"
        self.process = os.pidfd_open(child)
        if gate.recv(1) != b"r":
            return "the sandbox was not made completely"
        self._tree = Tree(child, self._launch.writable)
        os.setpriority(os.PRIO_PROCESS, child, _NICENESS)
        with open(f"/proc/{child}/oom_score_adj", "w") as score:  # noqa: PTH123  not a file one would join paths to
            score.write(_FIRST_TO_GO)
        gate.sendall(b"g")
        self.began = time.monotonic()
        message = gate.recv(1024)
        return message.decode(errors="replace") if message else None

    def look(self, *, exact: bool) -> tuple[Ended, str] | None:
        """Measure; the limit that was passed, if one was."""
        assert self._tree is not None  # noqa: S101  begin() has made it
        usage = self._tree.measure(self._limits.memory_bytes, exact=exact)
        self._cpu = usage.cpu_seconds
        if usage.exact:
            self._peak = max(self._peak, usage.memory_bytes)
        return passed(usage, self._limits)

    def end(self) -> int | None:
        """End all processes and wait until they are gone. The exit status of the monitor, which is the command's."""
        if self.process >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.process, signal.SIGKILL)
            gone = select.poll()
            gone.register(self.process, select.POLLIN)
            gone.poll(_END * 1000)
            os.close(self.process)
        if self._tree is not None:
            # A disk may fill and its writer give up between two looks; the file system is still ours to ask.
            disk, files = self._tree.written()
            self._peak = max(self._peak, disk)
            self.overflow = passed(Usage(disk_bytes=disk, files=files), self._limits)
            self._tree.close()
        os.close(self._launch.report)
        self._launch.gate.close()
        if self._monitor is None:
            return None
        if self.process < 0:
            self._monitor.kill()
        _, status, usage = os.wait4(self._monitor.pid, 0)
        self._monitor.returncode = os.waitstatus_to_exitcode(status)
        self._cpu = max(self._cpu, usage.ru_utime + usage.ru_stime)
        if usage.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
            # Below that it may be this process's own peak, which a fork inherits.
            self._peak = max(self._peak, usage.ru_maxrss << 10)
        return self._monitor.returncode

    def ending(self, why: tuple[Ended, str] | None, status: int | None) -> Ending:
        """Reason and figures."""
        reason, message = why or (Ended.EXITED, "")
        code = None
        if why is None and status is not None:
            # 128 and more is how the monitor says that a signal ended the command; a command that exits so says it too.
            reason, code = (Ended.EXITED, status) if 0 <= status <= 128 else (Ended.SIGNALLED, abs(status) % 128)
            if code in {signal.SIGKILL, signal.SIGXCPU} and self._cpu >= self._limits.cpu_seconds:
                reason, code, message = Ended.CPU, None, f"more than {self._limits.cpu_seconds:g} s of CPU time"
        return Ending(reason, code, round(time.monotonic() - self.began, 3), round(self._cpu, 3), self._peak, message)


def passed(usage: Usage, limits: Limits) -> tuple[Ended, str] | None:
    """The first limit that `usage` passes, and the figure, or None."""
    for why, used, limit, what in (
        (Ended.PROCESSES, usage.processes, limits.processes, "tasks"),
        (Ended.DISK, usage.disk_bytes, limits.disk_bytes, "bytes in the writable directory"),
        (Ended.DISK, usage.files, limits.files, "files in the writable directory"),
        (Ended.MEMORY, usage.memory_bytes, limits.memory_bytes, "bytes of memory"),
        (Ended.MEMORY, usage.sockets, limits.sockets, "sockets with their buffers"),
        (Ended.CPU, usage.cpu_seconds, limits.cpu_seconds, "s of CPU time"),
    ):
        if used > limit:
            return why, f"{round(used, 1)} {what}, {limit} allowed"
    return None


def _child(report: int) -> int | None:
    """The host's number of process 1, as the monitor reports it."""
    text, until = b"", time.monotonic() + _START
    poller = select.poll()
    poller.register(report, select.POLLIN)
    while b"}" not in text:
        if not poller.poll(max(0.0, until - time.monotonic()) * 1000) or not (data := os.read(report, 4096)):
            return None
        text += data
    return int(json.loads(text)["child-pid"])
