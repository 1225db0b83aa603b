"""What a sandbox is to those who use it, whoever provides it.

A provider starts one command in a file system, process tree and network of its own and ends it when it passes a limit.
Two ways to use one: `run` for a command that only has to end, `Provider.start` for one that is talked to over pipes.
The command is process 1 of its sandbox: nothing inside can end it, orphans become its children, and all end with it.
It therefore has to wait for orphans itself, and signals of its own making that it has no handler for do nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

_CHUNK = 1 << 16


@dataclass(frozen=True)
class Limits:
    """What one sandbox may use, all of its processes together unless said otherwise."""

    wall_seconds: float = 120.0
    cpu_seconds: float = 240.0
    memory_bytes: int = 4 << 30
    """Memory of all processes plus what lies in the writable directory, which is memory too."""
    processes: int = 64
    """Tasks, that is: threads count."""
    file_bytes: int = 1 << 30
    """Size of one file; the write that would pass it fails (EFBIG), which by itself ends nothing."""
    disk_bytes: int = 1 << 30
    files: int = 50_000
    """Files, folders and links in the writable directory."""
    open_files: int = 512
    """Descriptors of one process."""
    sockets: int = 64
    """Their buffers are memory that belongs to no process; passing this ends the sandbox for its memory."""
    output_bytes: int = 4 << 20
    """Bytes on standard error; in `run` also on standard output."""


@dataclass(frozen=True)
class Command:
    """What to run. All it sees is the system's libraries, this Python installation and what is named here."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """The whole of it, but for a TMPDIR in the writable directory: nothing is inherited."""
    read_only: Mapping[Path, str] = field(default_factory=dict)
    """Files and folders of the host and the absolute path at which the command finds them. Nobody must be able to read
    them: where the harness runs as root, its sandboxes do not."""
    writable: str = "/scratch"
    """Absolute path of the one directory that can be written to: empty at first, in memory, gone with the sandbox.
    `/dev/shm` and, unless something is mounted below it, `/tmp` are folders of it."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Absolute path of a link that the command finds, and where it leads: into the writable directory, say. Left
    out where a mount lies below it."""
    directory: str | None = None
    """Where the command starts; the writable directory by default."""


class Ended(StrEnum):
    """Why a sandbox is no more."""

    EXITED = "exited"
    SIGNALLED = "signalled"
    WALL = "wall"
    CPU = "cpu"
    MEMORY = "memory"
    PROCESSES = "processes"
    DISK = "disk"
    OUTPUT = "output"
    KILLED_BY_HOST = "killed_by_host"
    FAILED_TO_START = "failed_to_start"


@dataclass(frozen=True)
class Ending:
    """How a sandbox ended, measured from outside."""

    why: Ended
    code: int | None = None
    """Exit status (`exited`) or number of the signal (`signalled`) of the command."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """User and system time of all processes that were waited for or seen alive."""
    peak_bytes: int = 0
    """Highest memory seen, in the sense of `Limits.memory_bytes`; what lasted less than a poll may be missing."""
    message: str = ""

    @property
    def succeeded(self) -> bool:
        """The command ended by itself with status 0."""
        return self.why is Ended.EXITED and self.code == 0


class SandboxUnavailableError(Exception):
    """The provider cannot isolate anything on this machine; the text names reason and remedy."""


class Sandboxed(Protocol):
    """A started sandbox. Leaving its context ends it, with everything in it and nothing else."""

    @property
    def stdin(self) -> IO[bytes]:
        """Unbuffered. Writing to a sandbox that has ended raises BrokenPipeError."""

    @property
    def stdout(self) -> IO[bytes]:
        """Unbuffered, for the caller to read; it ends with the sandbox. A flood is stopped by not reading it."""

    @property
    def stderr(self) -> bytes:
        """What has come so far on standard error, at most `Limits.output_bytes`."""

    def poll(self) -> Ending | None:
        """The ending, or None while it runs."""

    def wait(self, seconds: float | None = None) -> Ending:
        """The ending. Raises TimeoutError when it is not there after `seconds`."""

    def kill(self, why: Ended = Ended.KILLED_BY_HOST, message: str = "") -> Ending:
        """End it now, if it has not ended for another reason."""

    def allow(self, wall_seconds: float) -> None:
        """Let it run for so long from now: a sandbox that is started ahead of its use has waited for nothing."""

    def __enter__(self) -> Sandboxed:
        """The sandbox itself."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""


class Provider(Protocol):
    """A way to isolate."""

    @property
    def name(self) -> str:
        """Stands in reports."""

    def unavailable(self) -> str | None:
        """Why it cannot isolate on this machine, and what would help; None where it can."""

    def start(self, command: Command, limits: Limits) -> Sandboxed:
        """Start `command`. Raises SandboxUnavailableError; it never starts with less isolation instead.

        A command that is not found, or a mount that fails, is an ending (`failed_to_start`), not an exception.
        """


@dataclass(frozen=True)
class Ran:
    """A command that has been run to its end."""

    ending: Ending
    stdout: bytes
    stderr: bytes


def run(provider: Provider, command: Command, limits: Limits) -> Ran:
    """Run `command` to its end, with nothing on standard input."""
    output = bytearray()
    with provider.start(command, limits) as sandboxed:
        sandboxed.stdin.close()
        while chunk := sandboxed.stdout.read(_CHUNK):
            output += chunk
            if len(output) > limits.output_bytes:
                sandboxed.kill(Ended.OUTPUT, f"more than {limits.output_bytes} bytes on standard output")
                break
        ending = sandboxed.wait()
        return Ran(ending, bytes(output[: limits.output_bytes]), sandboxed.stderr)
