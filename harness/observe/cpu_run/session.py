"""One sandbox with the server in it: files go in, runs are asked for, what they did comes back."""

from __future__ import annotations

import io
import json
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import harness
from harness.model.plan import RunLimits
from harness.observe.cpu_run.envelope import Envelope, opened
from harness.observe.cpu_run.frames import FrameError, receive, send
from harness.observe.cpu_run.home import HOME, INPUTS, LIBRARY, VOLUMES
from harness.observe.sandbox.provider import Command, Ended, Ending, Limits, Provider, Sandboxed

_KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(2 << 30)}
"""The C library keeps what is freed: logits come and go, and pages that are new each time take half as long again as
what is done with them. The peak is lower, too."""
MAX_PRINTED = 8 << 20


class SessionEnded(Exception):  # noqa: N818  an end, not always an error
    """The sandbox ended, or spoke no frames; `ending` tells why."""

    def __init__(self, ending: Ending, words: str) -> None:
        super().__init__(words)
        self.ending = ending


@dataclass(frozen=True)
class Rank:
    """One process of a run as the server saw it from outside the submission's interpreter."""

    status: str
    """`exit N`, `signal N`, `cpu`, `timeout`, or `stopped` because another rank had failed."""
    seconds: float
    cpu_seconds: float | None
    peak_mb: float | None
    said: Envelope
    """What the process said of itself, unchecked but for who wrote it."""
    printed: bytes


@dataclass(frozen=True)
class Done:
    """One run: its ranks, usually one, and what they did together."""

    ranks: tuple[Rank, ...]
    files: tuple[tuple[str, int, str | None], ...]
    """Path below the sandbox's home, size and SHA-256 of every file that is new or changed."""
    unchanged: tuple[str, ...]
    """Paths of files that are as they were before."""
    whole: bool
    """Whether every file could be looked at."""
    cpu_seconds: float
    """Of all processes of the run."""
    alone: bool
    sandbox: SessionEnded | None = None
    """How the sandbox ended, where that ended the run."""

    @property
    def first(self) -> int:
        """The rank that failed first, and so is the cause of what happened to the others; 0 where none did."""
        failed = [(one.seconds, rank) for rank, one in enumerate(self.ranks) if one.status not in {"exit 0", "stopped"}]
        return min(failed)[1] if failed else 0

    @property
    def status(self) -> str:
        """How the run ended: as the rank that failed first, or as rank 0."""
        return self.ranks[self.first].status

    @property
    def seconds(self) -> float:
        """Wall time."""
        return max(one.seconds for one in self.ranks)

    @property
    def peak_mb(self) -> float:
        """At most so much memory at once: the peaks of all ranks."""
        return round(sum(one.peak_mb or 0.0 for one in self.ranks), 1)


class Session:
    """A started server. Leaving its context ends the sandbox."""

    def __init__(self, provider: Provider, limits: Limits, inputs: Path | None = None) -> None:
        """Start it; `wait_ready` tells when torch is loaded, so that several can be started ahead of their use."""
        package = Path(harness.__file__).parent
        mounts = {package: f"{LIBRARY}/harness"} | ({inputs: INPUTS} if inputs is not None else {})
        command = Command(
            argv=(sys.executable, "-B", "-m", "harness.observe.cpu_run.guest.server", HOME, *VOLUMES),
            environment={
                "PYTHONPATH": LIBRARY,
                "PYTHONHASHSEED": "0",
                "OMP_NUM_THREADS": "1",
                "HOME": HOME,
                **_KEPT_MEMORY,
            },
            read_only=mounts,
            writable=HOME,
            links={path: f"{HOME}/volumes{path}" for path in VOLUMES},
        )
        self.sandbox: Sandboxed = provider.start(command, limits)
        self.used = False
        """Whether anything was sent into it, or taken from it."""
        self._answers = io.BufferedReader(cast(io.RawIOBase, self.sandbox.stdout))
        self._ready = False

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sandbox.__exit__(kind, value, trace)
        self._answers.close()

    def wait_ready(self) -> None:
        """Wait until the server has loaded everything. Raises SessionEnded."""
        self.used = True
        if not self._ready:
            self._receive()
            self._ready = True

    def waits(self, seconds: float) -> bool:
        """Whether it is still there; if so, it may wait so many seconds from now to be used."""
        self.sandbox.allow(seconds)
        return self.sandbox.poll() is None

    def clear(self) -> None:
        """Forget what was put and linked: the runs to come find nothing of it."""
        self._send({"do": "clear"})

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """A file of the submission; every run finds a fresh copy."""
        self._send({"do": "put", "path": path, "mode": mode}, data)

    def link(self, path: str, target: str) -> None:
        """A link that every run finds: inputs under the names that the submission asks for."""
        self._send({"do": "link", "path": path, "target": target})

    def run(self, job: Mapping[str, Any], limits: RunLimits, heard: Callable[[bytes], None] = lambda _: None) -> Done:
        """Run a job (see `guest.run`) within limits; `heard` gets what its first rank prints.

        Raises SessionEnded where the sandbox had ended before.
        """
        self.wait_ready()
        self.sandbox.allow(limits.wall_seconds + 30.0)
        ranks = int(job.get("ranks", 1))
        used = {"cpu_seconds": limits.cpu_seconds * ranks, "wall_seconds": limits.wall_seconds}
        word = secrets.token_hex(16)
        self._send({"do": "run", "word": word, **used, **job})
        printed = [bytearray() for _ in range(ranks)]
        so_far = [b""] * ranks
        ended: list[Rank] = []
        while True:
            try:
                header, blob = self._receive()
            except SessionEnded as error:
                said = (Envelope(so_far=one) for one in so_far)
                return _cut(error, ended, zip(said, map(bytes, printed), strict=True))
            if header.get("event") == "said":
                whole = printed[header["rank"]]
                whole += blob[: max(0, MAX_PRINTED - len(whole))]
                if not header["rank"]:
                    heard(blob)
            elif header.get("event") == "so far":
                so_far[header["rank"]] = blob
            elif header.get("event") == "rank":
                ended.append(
                    Rank(
                        status=str(header["status"]),
                        seconds=float(header["seconds"]),
                        cpu_seconds=header["cpu_seconds"],
                        peak_mb=header["peak_mb"],
                        said=replace(opened(blob, word), so_far=so_far[header["rank"]]),
                        printed=bytes(printed[header["rank"]]),
                    )
                )
            elif header.get("event") == "ended":
                found = json.loads(blob)
                return Done(
                    ranks=tuple(ended),
                    files=tuple((file["path"], file["bytes"], file["sha256"]) for file in found["changed"]),
                    unchanged=tuple(found["unchanged"]),
                    whole=bool(found["whole"]),
                    cpu_seconds=float(header["cpu_seconds"]),
                    alone=bool(header["alone"]),
                )

    def _send(self, header: Mapping[str, Any], blob: bytes = b"") -> None:
        self.used = True
        try:
            send(self.sandbox.stdin, header, blob)  # type: ignore[arg-type]  # a binary stream
        except BrokenPipeError as error:
            raise self._ended() from error

    def _receive(self) -> tuple[dict[str, Any], bytes]:
        try:
            frame = receive(self._answers)
        except FrameError as error:
            ending = self.sandbox.kill(Ended.KILLED_BY_HOST, str(error))
            raise SessionEnded(ending, f"the server in the sandbox spoke out of turn: {error}") from error
        if frame is None:
            raise self._ended()
        return frame

    def _ended(self) -> SessionEnded:
        ending = self.sandbox.wait(10.0)
        words = self.sandbox.stderr.decode(errors="replace")[-2_000:]
        return SessionEnded(ending, f"{ending.why}: {ending.message or words}".strip())


def _cut(error: SessionEnded, ended: Sequence[Rank], others: Iterable[tuple[Envelope, bytes]]) -> Done:
    """A run that its sandbox took with it: nothing was measured inside, and what each rank had told is all there is."""
    ending = error.ending
    peak = round(ending.peak_bytes / 2**20, 1)
    ranks = [
        Rank(str(ending.why), ending.seconds, ending.cpu_seconds if not rank else None, None if rank else peak, *told)
        for rank, told in enumerate(others)
    ]
    ranks[: len(ended)] = ended
    return Done(tuple(ranks), (), (), whole=False, cpu_seconds=ending.cpu_seconds, alone=True, sandbox=error)
