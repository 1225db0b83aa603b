"""The provider for Linux machines with bubblewrap (https://github.com/containers/bubblewrap) and user namespaces.

Every namespace is new, the environment empty, all capabilities gone, the user nobody, the system read-only. Even on the
host the processes belong to an unprivileged user: where the harness runs as root it gives that up first (`stage`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

from harness.observe.sandbox import filter as calls
from harness.observe.sandbox.provider import Command, Limits, Sandboxed, SandboxUnavailableError
from harness.observe.sandbox.watch import Launch, Watched

_HERE = Path(__file__).parent
_NOBODY = "65534"
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_DEVICES = ("null", "full", "random", "urandom")
"""No terminal, and no /dev/zero: mapped as shared it is anonymous shared memory, which belongs to no process."""
_NAMES = {
    "/etc/passwd": f"nobody:x:{_NOBODY}:{_NOBODY}:nobody:/:/bin/false\n",
    "/etc/group": f"nogroup:x:{_NOBODY}:\n",
    "/etc/hosts": "127.0.0.1 localhost node-0\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
"""Files that libraries ask for the name of the user and of this machine."""
_CACHE_OF_LIBRARIES = Path("/etc/ld.so.cache")
_TEMPORARY = "/tmp"  # noqa: S108  a path inside the sandbox
_MORE_TASKS, _MORE_CPU, _MORE_MEMORY, _MORE_DISK = 16, 10, 256 << 20, 16 << 20
"""How far the kernel's own limits lie above those of the watcher, which gives the reason when it comes first."""
_ADDRESSES = 64 << 30
"""torch reserves gigabytes of addresses that it never touches; this only bounds the page tables of one process."""
_INSTALL = "install it: apt-get install bubblewrap, dnf install bubblewrap, or the like; 0.8 or later"
_PERMIT = (
    "unprivileged user namespaces must be permitted: sysctl kernel.unprivileged_userns_clone=1 (Debian), "
    "kernel.apparmor_restrict_unprivileged_userns=0 or a profile for bwrap (Ubuntu 24.04), user.max_user_namespaces "
    "above 0; in a container its runtime must permit them too (docker: --security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined --security-opt systempaths=unconfined)"
)


class Bubblewrap:
    """Sandboxes made by `bwrap`."""

    name = "bubblewrap"

    def unavailable(self) -> str | None:
        """Reason and remedy, found by making a sandbox once; None where that works."""
        return _unavailable()

    def start(self, command: Command, limits: Limits) -> Sandboxed:
        """A sandbox in which `command` runs.

        Raises SandboxUnavailableError, ValueError (a path that cannot be), OSError (what is to be mounted is not there
        or not readable).
        """
        if reason := self.unavailable():
            raise SandboxUnavailableError(reason)
        return Watched(_launch(command, limits), limits)


@cache
def _unavailable() -> str | None:
    if sys.platform != "linux":
        return "bubblewrap needs Linux; run the harness in a Linux virtual machine"
    if not calls.supported():
        return f"there is no filter of system calls for {os.uname().machine}; x86-64 and AArch64 have one"
    if shutil.which("bwrap") is None:
        return f"bwrap is not installed; {_INSTALL}"
    if "--disable-userns" not in _help():
        return f"this bwrap is too old; {_INSTALL}"
    probe = Command((_python(), "-I", "-S", "-c", "pass"))
    limits = Limits(wall_seconds=30)
    with Watched(_launch(probe, limits), limits) as sandboxed:
        ending = sandboxed.wait()
    if ending.succeeded:
        return None
    return f"bwrap cannot make a sandbox ({ending.why}: {ending.message}); {_PERMIT}"


@cache
def _help() -> str:
    return subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False).stdout  # noqa: S607


def _python() -> str:
    """The interpreter itself, not a virtual environment's link to it."""
    return os.path.realpath(sys.executable)


def _launch(command: Command, limits: Limits) -> Launch:
    """Everything that makes the sandbox, opened. Raises OSError, ValueError."""
    with contextlib.ExitStack() as undo:
        report, their_report = os.pipe()
        ours, theirs = socket.socketpair()
        passed = [their_report, theirs.detach()]
        undo.callback(_close, passed)
        undo.callback(os.close, report)
        undo.callback(ours.close)
        view, sources = _view(command, limits, passed)
        filter_of_calls = _file(calls.program(), passed)
        line = [
            shutil.which("bwrap") or "bwrap",
            *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup"),
            *("--disable-userns", "--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"),
            *("--uid", _NOBODY, "--gid", _NOBODY, "--hostname", "node-0", "--clearenv"),
            *(word for name, value in _environment(command).items() for word in ("--setenv", name, value)),
            *view,
            *("--chdir", command.directory or command.writable),
            *("--seccomp", str(filter_of_calls), "--info-fd", str(their_report), "--"),
            *(_python(), "-I", "-S", "-c", (_HERE / "gate.py").read_text(), str(passed[1]), _kernel_limits(limits)),
            *command.argv,
        ]
        if os.geteuid() == 0:
            stage = (_HERE / "stage.py").read_text()
            line = [_python(), "-I", "-S", "-c", stage, "\n".join(sources), *line]
        undo.pop_all()
        return Launch(line, passed, report, ours, command.writable)


def _environment(command: Command) -> dict[str, str]:
    """The command's, and where temporary files go: /tmp itself may be taken, when the harness is installed below it."""
    return {"TMPDIR": f"{command.writable}/.tmp", **command.environment}


def _view(command: Command, limits: Limits, passed: list[int]) -> tuple[list[str], list[str]]:
    """Arguments for the file system that the command sees, and the host's paths in them."""
    mounts = {"/usr": "/usr"}
    links: list[str] = []
    for name in _SYSTEM:
        if Path(name).is_symlink():
            links += ["--symlink", str(Path(name).readlink()), name]
        elif Path(name).is_dir():
            mounts[name] = name
    if _CACHE_OF_LIBRARIES.exists():
        mounts[str(_CACHE_OF_LIBRARIES)] = str(_CACHE_OF_LIBRARIES)
    python = {sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix}
    python |= {os.path.realpath(prefix) for prefix in python}  # the interpreter is started by its real path
    mounts |= {prefix: prefix for prefix in sorted(python) if not Path(prefix).is_relative_to("/usr")}
    mounts |= {guest: str(host.resolve(strict=True)) for host, guest in command.read_only.items()}
    for path, target in command.links.items():
        if not any(Path(guest).is_relative_to(path) for guest in mounts):
            links += ["--symlink", target, path]
    for path in (*mounts, *mounts.values(), *command.links, command.writable, command.directory or "/"):
        if not path.startswith("/") or "\n" in path or ".." in Path(path).parts:
            raise ValueError(f"not a plain absolute path: {path!r}")
    if hidden := [path for path in mounts if Path(path).is_relative_to(command.writable)]:
        raise ValueError(f"the writable directory {command.writable} would hide {hidden[0]}")
    sources = list(mounts.values())
    staged = os.geteuid() == 0
    for host in sources if staged else ():
        if not Path(host).stat().st_mode & 0o004:
            raise PermissionError(f"{host} can be read by root only, which no sandbox is; chmod o+rX it")
    view = list(links)
    # Shorter paths first: a mount inside a mount has to come after it.
    for guest, host in sorted(mounts.items(), key=lambda item: len(Path(item[0]).parts)):
        view += ["--ro-bind", f"/tmp/{sources.index(host)}" if staged else host, guest]  # noqa: S108  see stage.py
    for path, text in _NAMES.items():
        view += ["--ro-bind-data", str(_file(text.encode(), passed)), path]
    view += ["--proc", "/proc", "--dir", "/dev"]
    for device in _DEVICES:
        view += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        view += ["--symlink", f"/proc/self/fd{target}", f"/dev/{name}"]
    view += ["--size", str(limits.disk_bytes + _MORE_DISK), "--tmpfs", command.writable]
    for folder in ("tmp", "shm"):
        view += ["--dir", f"{command.writable}/.{folder}"]
    view += ["--symlink", f"{command.writable}/.shm", "/dev/shm"]  # noqa: S108  a path inside the sandbox
    if not any(Path(guest).is_relative_to(_TEMPORARY) for guest in mounts):
        view += ["--symlink", f"{command.writable}/.tmp", _TEMPORARY]
    return [*view, "--remount-ro", "/proc", "--remount-ro", "/"], sources


def _kernel_limits(limits: Limits) -> str:
    """For gate.py."""
    values: dict[str, int | str] = {
        "RLIMIT_STACK": f"{8 << 20}:{64 << 20}",  # stacks are no part of RLIMIT_DATA
        "RLIMIT_DATA": limits.memory_bytes + _MORE_MEMORY,
        "RLIMIT_AS": limits.memory_bytes + _ADDRESSES,
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_CPU": int(limits.cpu_seconds) + _MORE_CPU,
        "RLIMIT_CORE": 1,  # not 0, which a host that pipes its core dumps to a program does not heed
        "RLIMIT_MEMLOCK": 1 << 16,
        "RLIMIT_SIGPENDING": 4096,
        "RLIMIT_MSGQUEUE": 0,
    }
    if _counts_by_namespace():
        values["RLIMIT_NPROC"] = limits.processes + _MORE_TASKS
    return ",".join(f"{name}={value}" for name, value in values.items())


def _counts_by_namespace() -> bool:
    """Whether RLIMIT_NPROC counts the tasks of one user namespace (Linux 5.14), not all of the user's on the host."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor)) >= (5, 14)


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _file(content: bytes, passed: list[int]) -> int:
    """A descriptor from which `content` can be read; the child inherits it."""
    descriptor = os.memfd_create("sandbox")
    passed.append(descriptor)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
