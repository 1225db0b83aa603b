"""Checks of a provider: it runs hostile programs and says what did not hold.

`python -m harness.observe.sandbox.self_check` prints a table and exits with 1 when something did not hold, with 2 when
nothing could be isolated here.
"""

from __future__ import annotations

import contextlib
import platform
import pwd
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.observe.sandbox import filter as calls
from harness.observe.sandbox.behaviours.behaviour import PRELUDE, Behaviour
from harness.observe.sandbox.behaviours.limits import LIMITS
from harness.observe.sandbox.behaviours.supervision import SUPERVISION
from harness.observe.sandbox.behaviours.walls import WALLS
from harness.observe.sandbox.bubblewrap import Bubblewrap
from harness.observe.sandbox.provider import Command, Ended, Provider, Ran, run

BEHAVIOURS: tuple[Behaviour, ...] = (*LIMITS, *WALLS, *SUPERVISION)
"""Everything that is tried, in the order of the report."""
_MOUNTED = "/mounted/folder"
_LATE = 10.0
"""Seconds after which a limit, passed at full speed, must have ended the sandbox; idle machines take a tenth."""
_MORE_CPU = 2.0
"""Seconds of processor time that may be used past the limit."""
_RESPONSE = 1.0
"""Seconds in which a sandbox that has ended must have left nothing."""


@dataclass(frozen=True)
class CheckResult:
    """A behaviour, what must hold, and what did not: None where all held."""

    name: str
    holds: str
    problem: str | None
    seconds: float


@dataclass(frozen=True)
class Host:
    """What the programs must not reach: a secret in a file, a listening socket, an abstract one. `mark` is for argv."""

    folder: Path
    port: int
    abstract: str
    mark: str

    def command(self, program: str) -> Command:
        """`program` with all that it needs to know to try."""
        numbers = f"NUMBERS = {calls.NUMBERS!r}\nMACHINE = {platform.machine()!r}\n"
        environment = {
            "PORT": str(self.port),
            "ADDRESSES": " ".join(_addresses()),
            "ABSTRACT": self.abstract,
            "SECRET": str(self.folder / "secret"),
            "HOMES": ":".join(_homes()),
            "MOUNTED": _MOUNTED,
            "MARK": self.mark,
        }
        argv = (sys.executable, "-I", "-c", numbers + PRELUDE + program)
        return Command(argv, environment, {self.folder / "mounted": _MOUNTED})


@contextlib.contextmanager
def host() -> Iterator[Host]:
    """Set the host's part up, reachable by any user of this machine."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mounted = folder / "mounted"
        mounted.mkdir()
        for path, text in ((folder / "secret", "secret"), (mounted / "file", "given")):
            path.write_text(text)
            path.chmod(0o666)
        (mounted / "link").symlink_to(folder / "secret")
        for path in (folder, mounted):
            path.chmod(0o777)
        listener = stack.enter_context(socket.socket())
        listener.bind(("", 0))
        listener.listen()
        name = f"sandbox-check-{uuid.uuid4().hex}"
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind("\0" + name)
        abstract.listen()
        yield Host(folder, listener.getsockname()[1], name, f"mark-{uuid.uuid4().hex}")


def check(provider: Provider, behaviours: Iterable[Behaviour] = BEHAVIOURS) -> tuple[CheckResult, ...]:
    """Try everything. Raises SandboxUnavailableError where the provider cannot isolate anything."""
    return tuple(check_one(provider, behaviour) for behaviour in behaviours)


def check_one(provider: Provider, behaviour: Behaviour) -> CheckResult:
    """Try one behaviour, and look for what it left."""
    with host() as there:
        mounts, before = _mounts(), time.monotonic()
        ran = run(provider, there.command(behaviour.program), behaviour.limits)
        seconds = time.monotonic() - before
        problem = _judge(behaviour, ran) or _left(there, mounts)
    return CheckResult(behaviour.name, behaviour.holds, problem, round(seconds, 2))


def _judge(behaviour: Behaviour, ran: Ran) -> str | None:
    """What the ending or the output shows not to hold."""
    ending, output = ran.ending, ran.stdout.decode(errors="replace")
    if ending.why is not behaviour.ends or (ending.why is Ended.EXITED and ending.code != behaviour.code):
        said = ran.stderr[-500:].decode(errors="replace")
        return f"ended with {ending.why} {ending.code} ({ending.message}), not {behaviour.ends}; {said}"
    if "reached" in output or (behaviour.says and output != behaviour.says):
        return output[:500]
    if max(len(ran.stdout), len(ran.stderr)) > behaviour.limits.output_bytes:
        return "more output than is allowed came through"
    if ending.why in {Ended.PROCESSES, Ended.MEMORY, Ended.DISK, Ended.OUTPUT} and ending.seconds > _LATE:
        return f"ended only after {ending.seconds} s"
    if ending.cpu_seconds > behaviour.limits.cpu_seconds + _MORE_CPU:
        return f"ended only after {ending.cpu_seconds} s of processor time"
    return None


def _left(there: Host, mounts: int) -> str | None:
    """What is left of it on the host."""
    until = time.monotonic() + _RESPONSE
    while processes := marked(there.mark):
        if time.monotonic() > until:
            return f"processes are left: {processes}"
        time.sleep(0.01)
    if _mounts() > mounts:
        return "mounts are left"
    found = {str(path.relative_to(there.folder)) for path in there.folder.rglob("*")}
    if found != {"secret", "mounted", "mounted/file", "mounted/link"}:
        return f"files are left: {sorted(found)}"
    if (there.folder / "secret").read_text() != "secret" or (there.folder / "mounted/file").read_text() != "given":
        return "files of the host were changed"
    return None


def marked(mark: str) -> list[int]:
    """Processes of this machine with the mark among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def _mounts() -> int:
    return len(Path("/proc/self/mountinfo").read_text().splitlines())


def _homes() -> list[str]:
    """Home directories of everybody on this machine, of the user of this process first."""
    return list(dict.fromkeys([str(Path.home()), *(user.pw_dir for user in pwd.getpwall())]))


def _addresses() -> list[str]:
    """The address with which this machine would call another, where it could. Nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        try:
            out.connect(("192.0.2.1", 9))  # kept for documentation, never in use
        except OSError:
            return []
        return [out.getsockname()[0]]


def main() -> int:
    """Check the provider of this machine and print what held."""
    provider = Bubblewrap()
    if reason := provider.unavailable():
        sys.stderr.write(f"{provider.name}: {reason}\n")
        return 2
    failed = 0
    for behaviour in BEHAVIOURS:
        result = check_one(provider, behaviour)
        failed += result.problem is not None
        mark = "held" if result.problem is None else "BROKE"
        sys.stdout.write(f"{mark:5}  {result.seconds:6.2f} s  {result.name:25} {result.holds}\n")
        if result.problem is not None:
            sys.stdout.write(f"       {result.problem}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(BEHAVIOURS) - failed} of {len(BEHAVIOURS)} held\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
