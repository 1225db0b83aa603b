"""The process inside the sandbox that has torch loaded and forks a child for every run.

It talks to the host over its standard input and output, which no child inherits. When a child has ended, whatever it
left running is killed before anything on disk is looked at: sizes, hashes, exit status and time are measured here,
outside the interpreter that the submission ran in. A submission shares this process's user and could kill it; the host
then sees the end of the stream, and says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import resource
import select
import shutil
import signal
import stat
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from harness.observe.cpu_run.frames import receive, send

MAX_REPORT = 32 << 20
MAX_SAID = 8 << 20
"""Bytes that a run may print; what is beyond is counted and dropped."""
MAX_LISTED = 2_000
MAX_HASHED = 256 << 20
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36
_TICK = 0.05
real, _sleep = time.monotonic, time.sleep  # taken before time is made virtual for the children


class Server:
    """Files of one submission, and its runs one after the other."""

    def __init__(self, requests: BinaryIO, answers: BinaryIO, home: Path, volumes: Sequence[str] = ()) -> None:
        self.requests, self.answers, self.home, self.volumes = requests, answers, home, volumes
        self.files: dict[str, tuple[bytes, int]] = {}
        self.links: dict[str, str] = {}

    def serve(self) -> None:
        """Answer until the host closes the stream."""
        while (frame := receive(self.requests)) is not None:
            header, blob = frame
            if header["do"] == "put":
                self.files[header["path"]] = (blob, header.get("mode", 0o644))
            elif header["do"] == "link":
                self.links[header["path"]] = header["target"]
            elif header["do"] == "run":
                self._run(header)
            elif header["do"] == "get":
                send(self.answers, {"event": "file"}, _content(self.home / "run", header["path"], header["limit"]))

    def _run(self, job: Mapping[str, Any]) -> None:
        root = self._laid_out(fresh=job.get("fresh", True))
        before = _listing(self.home)
        report, report_end = os.pipe()
        said, said_end = os.pipe()
        started = real()
        child = os.fork()
        if not child:
            os.close(report)
            os.close(said)
            _child(job, root, report_end, said_end)
        os.close(report_end)
        os.close(said_end)
        heard = _Ears(report, said, self.answers)
        status, usage = _wait(child, heard, started + float(job["seconds"]))
        seconds = real() - started
        alone = _end_descendants()
        heard.finish()
        after = _listing(self.home)
        files = [
            {"path": path, "bytes": size, "sha256": _digest(self.home / path) if size <= MAX_HASHED else None}
            for path, (size, changed) in after.items()
            if before.get(path) != (size, changed)
        ][:MAX_LISTED]
        ended = {
            "event": "ended", "status": status, "seconds": round(seconds, 3), "files": files,
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3) if usage else None,
            "peak_mb": round(usage.ru_maxrss / 1024, 1) if usage else None, "dropped": heard.dropped,
            "alone": alone,
        }  # fmt: skip
        send(self.answers, ended, heard.report)

    def _laid_out(self, *, fresh: bool) -> Path:
        """A fresh copy of the submission: what an earlier run left behind or changed is gone. Or the one that is there:
        steps of one entry work on what those before them left.
        """
        folder = self.home / "run"
        root = folder / "submission"
        if not fresh:
            return root
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(self.home / "volumes", ignore_errors=True)
        for kept in (".tmp", ".shm"):  # links of the sandbox lead there
            for left in (self.home / kept).glob("*"):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() and not left.is_symlink() else left.unlink()
        for volume in self.volumes:
            (self.home / f"volumes{volume}").mkdir(parents=True)
        for path, (data, mode) in self.files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            target.chmod(mode)
        for path, source in self.links.items():
            target = Path(path) if path.startswith("/") else root / path
            with contextlib.suppress(OSError):  # outside of what can be written to, or a file of the submission's own
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(source)
        root.mkdir(parents=True, exist_ok=True)
        return root


class _Ears:
    """Reads what the child says while it runs."""

    def __init__(self, report: int, said: int, answers: BinaryIO) -> None:
        self.pipes = {report: bytearray(), said: bytearray()}
        self._report, self._said, self._answers = report, said, answers
        self.report = b""
        self.passed = self.dropped = 0

    def listen(self, seconds: float) -> bool:
        """Wait for words at most so long; whether a pipe is still open."""
        if not self.pipes:
            _sleep(seconds)
            return False
        for pipe in select.select(list(self.pipes), [], [], seconds)[0]:
            data = os.read(pipe, 1 << 16)
            if not data:
                self._closed(pipe)
            elif pipe == self._said:
                self._pass_on(data)
            elif len(self.pipes[pipe]) < MAX_REPORT:
                self.pipes[pipe] += data
        return bool(self.pipes)

    def finish(self) -> None:
        """Take what is left; nobody holds the other ends any more."""
        while self.pipes and self.listen(0):
            if not select.select(list(self.pipes), [], [], 0)[0]:
                break
        for pipe in list(self.pipes):
            self._closed(pipe)

    def _closed(self, pipe: int) -> None:
        held = self.pipes.pop(pipe)
        os.close(pipe)
        if pipe == self._report:
            self.report = bytes(held)

    def _pass_on(self, data: bytes) -> None:
        kept = data[: max(0, MAX_SAID - self.passed)]
        self.passed += len(kept)
        self.dropped += len(data) - len(kept)
        if kept:
            send(self._answers, {"event": "said"}, kept)


def _wait(child: int, heard: _Ears, deadline: float) -> tuple[str, resource.struct_rusage | None]:
    """Wait for the child: (`exit N`, `signal N` or `timeout`, what it used)."""
    while True:
        heard.listen(_TICK)
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return (f"exit {code}" if code >= 0 else f"signal {-code}"), usage
        if real() > deadline:
            os.kill(child, signal.SIGKILL)
            _, _, usage = os.wait4(child, 0)
            return "timeout", usage


def _child(job: Mapping[str, Any], root: Path, report_end: int, said_end: int) -> NoReturn:
    """Become the run. The report is written last, whatever happened before."""
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (said_end, 1), (said_end, 2)):
        os.dup2(source, target)
    keep = os.dup2(report_end, 200)
    os.closerange(3, keep)
    os.closerange(keep + 1, 4096)
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115  the streams live as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1, errors="replace", closefd=False)  # noqa: SIM115  as above
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, errors="replace", closefd=False)  # noqa: SIM115  as above
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]  # what scripts write to directly
    from harness.observe.cpu_run.guest.run import run

    try:
        found = run(job, root)
    except BaseException:  # noqa: BLE001  a fault of ours; the host tells it from faults of the submission
        found = {"harness": traceback.format_exc(limit=-12)}
    try:
        sys.stdout.flush()
        data = json.dumps(found).encode()
        view = memoryview(data)
        while view:
            view = view[os.write(keep, view) :]
    finally:
        os._exit(0 if found.get("ended") in {"end", "exit 0"} else 1)


def _end_descendants(seconds: float = 5.0) -> bool:
    """Kill, by id, everything that descends from this process; whether nothing is left.

    As a subreaper it inherits every orphan below it, so nothing leaves the tree by daemonising. What forks faster than
    it is killed stays, and the host ends the whole sandbox.
    """
    deadline = real() + seconds
    while real() < deadline:
        for child in _descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not _descendants(os.getpid()):
            return True
        _sleep(0.005)
    return False


def _descendants(root: int) -> list[int]:
    """Processes below `root`, dead ones that nobody has reaped among them."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name may hold anything, so the fields are counted from its last bracket.
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, pending = [], [root]
    while pending:
        for child in parents.get(pending.pop(), []):
            found.append(child)
            pending.append(child)
    return found


def _listing(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every regular file below `root`; no link is followed."""
    found: dict[str, tuple[int, int]] = {}
    for folder, folders, names in os.walk(root, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            try:
                status = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                found[str(path.relative_to(root))] = (status.st_size, status.st_mtime_ns)
            if len(found) >= 10 * MAX_LISTED:
                return found
    return found


def _digest(path: Path) -> str | None:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _content(folder: Path, path: str, limit: int) -> bytes:
    """First bytes of a regular file that the run left; empty where there is none."""
    try:
        with os.fdopen(os.open(folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            return stream.read(limit)
    except OSError:
        return b""


def main(home: Path, volumes: list[str]) -> None:
    """Load everything, then serve. Standard output is kept for the host: what a library prints goes to stderr."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0)  # no process of the same user may trace this one
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    started = real()
    from harness.observe.cpu_run.guest.run import prepare

    prepare(home)
    send(answers, {"event": "ready", "seconds": round(real() - started, 3)})
    Server(requests, answers, home, volumes).serve()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
