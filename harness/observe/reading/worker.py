"""The limited process in which the bytes of a submission are parsed.

A child is forked and confines itself (address space, CPU seconds, no new files, no processes, empty environment). It
announces each file before it reads it, so that when it dies or stalls the file is known: the child is replaced and the
job repeated without that file. The bytes that come back are JSON, validated here; nothing is ever unpickled from it.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import resource
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType

from harness.model.facts import Stage, StageStatus, SubmissionFacts, Unreadable
from harness.model.target import FolderEntry
from harness.observe.confinement import OUT_OF_MEMORY, allow_cpu, confine, ended
from harness.observe.intake.content import Content

MAX_RESULT = 64 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Settings of the C library's allocator, from its `malloc.h`."""


@dataclass(frozen=True)
class Limits:
    """Limits of one child. Seconds are per file (wall) and per submission (CPU)."""

    memory_bytes: int = 2 << 30
    """Of addresses, beyond those that the child starts with."""
    file_seconds: float = 30.0
    cpu_seconds: int = 90
    retries: int = 4
    lifetime: int = 16
    """Submissions that one child reads. Forking a new one is cheaper than to look for garbage, and leaves no trace."""


class ReaderError(Exception):
    """The child failed for a reason that lies with the harness; the message holds its traceback."""


class Reader:
    """A limited child process, started on first use and replaced when it dies. Use as a context manager."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, folder: FolderEntry, contents: Mapping[str, Content]) -> SubmissionFacts:
        """Facts of one submission. Files that break the child are left out and named in `unreadable`.

        Raises ReaderError when the harness itself is at fault.
        """
        skip: dict[str, str] = {}
        for _ in range(self.limits.retries + 1):
            result, culprit, reason = self._attempt(folder, contents, skip)
            if result is not None:
                return result
            if culprit is None or culprit in skip:
                break
            skip[culprit] = reason
        unreadable = tuple(Unreadable(path=path, reason=why) for path, why in skip.items())
        names = ", ".join(skip) or "no file in particular"
        stage = Stage(name="reading", status=StageStatus.FAILED, reason=f"the reader gave up; it broke on {names}")
        return SubmissionFacts(folder=folder, unreadable=unreadable, stages=(stage,))

    def close(self) -> None:
        """End the child."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._process = self._connection = None

    def _attempt(
        self, folder: FolderEntry, contents: Mapping[str, Content], skip: Mapping[str, str]
    ) -> tuple[SubmissionFacts | None, str | None, str]:
        """(facts, None, "") or (None, the file that was being read, why it ended)."""
        connection = self._start()
        culprit = None
        try:
            connection.send((folder.model_dump_json(), dict(contents), dict(skip)))
            while True:
                if not connection.poll(self.limits.file_seconds):
                    self.close()
                    return None, culprit, f"reading took longer than {self.limits.file_seconds:.0f} s"
                message = connection.recv_bytes(MAX_RESULT)
                if message[:1] == b"F":
                    culprit = message[1:].decode("utf-8", errors="replace")
                elif message[:1] in {b"R", b"L"}:
                    if message[:1] == b"L":
                        self.close()
                    return SubmissionFacts.model_validate_json(message[1:]), None, ""
                else:
                    raise ReaderError(message[1:].decode("utf-8", errors="replace"))
        except (EOFError, ConnectionError, OSError):
            reason = self._autopsy()
            self.close()
            return None, culprit, reason

    def _start(self) -> Connection:
        if self._process is None or self._connection is None or not self._process.is_alive():
            self.close()
            # Loaded, not run: children start with it in memory, and only they parse anything.
            import harness.observe.reading.submission  # noqa: F401

            context = multiprocessing.get_context("fork")
            ours, theirs = context.Pipe()
            sys.stdout.flush()
            sys.stderr.flush()
            process = context.Process(target=_serve, args=(theirs, ours, self.limits, os.getpid()), daemon=True)
            process.start()
            theirs.close()
            self._process, self._connection = process, ours
        return self._connection

    def _autopsy(self) -> str:
        """Why the child ended, in words."""
        if self._process is None:
            return "the reader was gone"
        self._process.join(5)
        return ended(self._process.exitcode, self.limits.memory_bytes, self.limits.cpu_seconds)


def _serve(connection: Connection, other_end: Connection, limits: Limits, parent: int) -> None:
    """Body of the child: read jobs from the pipe until it closes."""
    other_end.close()
    confine(parent, limits.memory_bytes)
    from harness.observe.reading.submission import read_submission

    gc.disable()  # it would take a tenth of the time; memory is bounded by the child's lifetime
    _keep_freed()
    jobs, born = 0, _peak_mb()  # a forked child starts with the peak of its parent
    while True:
        try:
            folder, contents, skip = connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        allow_cpu(limits.cpu_seconds)
        started, before = time.perf_counter(), _peak_mb()
        try:
            facts = read_submission(
                FolderEntry.model_validate_json(folder),
                contents,
                skip,
                lambda path: connection.send_bytes(b"F" + path.encode("utf-8", errors="replace")),
            )
            peak = _peak_mb()
            stage = Stage(
                name="reading",
                status=_worst(facts),
                seconds=round(time.perf_counter() - started, 4),
                peak_mb=peak if peak > before else None,
            )
            jobs += 1
            last = jobs >= limits.lifetime or (peak - born) * (1 << 20) > limits.memory_bytes / 4
            data = facts.model_copy(update={"stages": (stage, *facts.stages)}).model_dump_json().encode()
            connection.send_bytes((b"L" if last else b"R") + data)
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except (BrokenPipeError, ConnectionError):
            os._exit(0)
        except Exception:  # noqa: BLE001  the parent turns it into a harness error with this traceback
            connection.send_bytes(b"E" + traceback.format_exc(limit=-6).encode("utf-8", errors="replace")[-4_000:])


def _worst(facts: SubmissionFacts) -> StageStatus:
    found = {stage.status for stage in facts.stages}
    order = (StageStatus.ERROR, StageStatus.FAILED, StageStatus.PARTIAL)
    return next((status for status in order if status in found), StageStatus.DONE)


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def _keep_freed() -> None:
    """Have the allocator keep what is freed for the next submission: a sixth of all page faults are for such memory."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries than GNU's have no such thing
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, 256 << 20)
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
