"""The process inside the sandbox that has torch loaded and forks the children of every run.

It talks to the host over its standard input and output, which no child inherits. When a run has ended, whatever it
left running is killed before anything on disk is looked at: sizes, hashes, exit status and time are measured here,
outside the interpreter that the submission ran in. A submission shares this process's user and could kill it; the host
then sees the end of the stream, and says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from harness.observe.cpu_run.frames import receive, send
from harness.observe.cpu_run.guest.children import Budget, Child, end_descendants, let_trace, real, wait
from harness.observe.cpu_run.home import CLONE, REPOSITORY, SUBMISSION

MAX_LISTED = 2_000
"""Files that are told of, of those that changed and of the others."""
MAX_HASHED = 256 << 20
_PR_SET_CHILD_SUBREAPER = 36


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
            if header["do"] == "clear":
                self.files.clear()
                self.links.clear()
            elif header["do"] == "put":
                self.files[header["path"]] = (blob, header.get("mode", 0o644))
            elif header["do"] == "link":
                self.links[header["path"]] = header["target"]
            elif header["do"] == "run":
                self._run(header)

    def _run(self, job: dict[str, Any]) -> None:
        job["word"] = bytearray(job["word"].encode())  # a child takes it, and leaves nothing of it behind
        root = self._laid_out(fresh=job.get("fresh", True))
        before, _ = _listing(self.home)
        budget = Budget(job["cpu_seconds"], job["wall_seconds"])
        children = [self._child(job, root, rank) for rank in range(job.get("ranks", 1))]
        wait(children, budget)
        alone = end_descendants()
        for child in children:
            child.finish()
        after, whole = _listing(self.home)
        changed = [path for path, seen in after.items() if before.get(path) != seen]
        unchanged = [_shown(path) for path, seen in after.items() if before.get(path) == seen]
        whole = whole and max(len(changed), len(unchanged)) <= MAX_LISTED
        files = []
        for path in changed[:MAX_LISTED]:
            size = after[path][0]
            digest = _digest(self.home / path) if size <= MAX_HASHED else None
            files.append({"path": _shown(path), "bytes": size, "sha256": digest})
        for child in children:
            send(self.answers, {"event": "rank", **_measured(child)}, child.report)
        ended = {"event": "ended", "cpu_seconds": round(budget.used, 3), "alone": alone}
        found = {"changed": files, "unchanged": unchanged[:MAX_LISTED], "whole": whole}
        send(self.answers, ended, json.dumps(found).encode())

    def _child(self, job: Mapping[str, Any], root: Path, rank: int) -> Child:
        def heard(data: bytes) -> None:
            send(self.answers, {"event": "said", "rank": rank}, data)

        def so_far(data: bytes) -> None:
            send(self.answers, {"event": "so far", "rank": rank}, data)

        return Child(rank, {**job, "rank": rank}, root, heard, so_far)

    def _laid_out(self, *, fresh: bool) -> Path:
        """A fresh copy of the submission: what an earlier run left behind or changed is gone. Or the one that is there:
        steps of one entry work on what those before them left.
        """
        folder, root = self.home / REPOSITORY, self.home / SUBMISSION
        if not fresh:
            return root
        _remove(folder)
        _remove(self.home / "volumes")
        for kept in (".tmp", ".shm"):  # links of the sandbox lead there
            for left in (self.home / kept).glob("*"):
                _remove(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        for volume in self.volumes:
            place = self.home / f"volumes{volume}"
            place.mkdir(parents=True)
            (place / CLONE).symlink_to(folder)
        for path, (data, mode) in self.files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            target.chmod(mode)
        for path, source in self.links.items():
            # Scripts look from the folder or from the repository's root; an absolute path leaves both.
            for base in (root,) if path.startswith("..") else (root, folder):
                target = base / path
                with contextlib.suppress(OSError):  # outside of what can be written to, or there is such a file
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.symlink_to(source)
        root.mkdir(parents=True, exist_ok=True)
        return root


def _measured(child: Child) -> dict[str, Any]:
    """What was measured of a rank that has ended."""
    return {
        "rank": child.rank,
        "status": child.status,
        "seconds": round(child.seconds, 3),
        "cpu_seconds": round(child.cpu_seconds, 3) if child.cpu_seconds is not None else None,
        "peak_mb": round(child.usage.ru_maxrss / 1024, 1) if child.usage is not None else None,
        "dropped": child.dropped,
    }


def _listing(root: Path) -> tuple[dict[str, tuple[int, int]], bool]:
    """Size and time of change (which nobody can set) of every regular file below `root`, in the order of paths, and
    whether that is all: a folder may be closed, or lie too deep. No link is followed.
    """
    found: dict[str, tuple[int, int]] = {}
    pending, whole = [str(root)], True
    while pending and len(found) < 10 * MAX_LISTED:
        try:
            with os.scandir(pending.pop()) as entries:
                here = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            whole = False
            continue
        pending += [entry.path for entry in reversed(here) if entry.is_dir(follow_symlinks=False)]
        for entry in here:
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    found[os.path.relpath(entry.path, root)] = (status.st_size, status.st_ctime_ns)
    return found, whole and not pending


def _shown(path: str) -> str:
    """A path as text: names of files may be any bytes."""
    return os.fsencode(path).decode(errors="replace")


def _remove(folder: Path) -> None:
    """Remove a folder with all that is in it. It may be too deep for Python, or closed to its owner."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for program in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*program, "--", str(folder)], check=False, stderr=subprocess.DEVNULL)  # noqa: S603  ours


def _digest(path: Path) -> str | None:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def main(home: Path, volumes: list[str]) -> None:
    """Load everything, then serve. Standard output is kept for the host: what a library prints goes to stderr."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    let_trace(allowed=False)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    started = real()
    gc.disable()  # what is loaded for good is no garbage: looking for some takes a sixth of the time of loading
    from harness.observe.cpu_run.guest.run import prepare

    prepare(home)
    gc.enable()
    send(answers, {"event": "ready", "seconds": round(real() - started, 3)})
    Server(requests, answers, home, volumes).serve()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
