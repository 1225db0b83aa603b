"""Hostile behaviours against the sandbox, one test each, and against weakened sandboxes, so that the check can fail."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable

import pytest

from harness.observe.sandbox import bubblewrap, self_check
from harness.observe.sandbox.behaviours.behaviour import Behaviour
from harness.observe.sandbox.bubblewrap import Bubblewrap
from harness.observe.sandbox.provider import Command, Limits
from harness.observe.sandbox.self_check import BEHAVIOURS
from harness.observe.sandbox.watch import Launch

BY_NAME = {behaviour.name: behaviour for behaviour in BEHAVIOURS}


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=BY_NAME)
def test_behaviour_holds(sandbox: Bubblewrap, behaviour: Behaviour) -> None:
    """What must hold of a hostile program holds, and it leaves nothing."""
    assert self_check.check_one(sandbox, behaviour).problem is None


def weaken(monkeypatch: pytest.MonkeyPatch, change: Callable[[list[str]], list[str]]) -> None:
    """Make all sandboxes with a changed command line of bwrap."""
    real = bubblewrap._launch

    def launch(command: Command, limits: Limits) -> Launch:
        made = real(command, limits)
        return dataclasses.replace(made, argv=change(list(made.argv)))

    monkeypatch.setattr(bubblewrap, "_launch", launch)


def without(option: str, values: int = 0) -> Callable[[list[str]], list[str]]:
    """The command line without an option and its values."""

    def change(argv: list[str]) -> list[str]:
        index = argv.index(option)
        return argv[:index] + argv[index + 1 + values :]

    return change


def with_writable_root(argv: list[str]) -> list[str]:
    """The command line without the last step, that makes the root of the file system read-only."""
    index = argv.index("/", argv.index("--remount-ro")) - 1
    return argv[:index] + argv[index + 2 :]


def with_host_name(argv: list[str]) -> list[str]:
    """The command line without a namespace of names, and so without a name of its own."""
    return without("--unshare-uts")(without("--hostname", 1)(argv))


def with_host_files(argv: list[str]) -> list[str]:
    """The command line with the host's whole file system at /home."""
    index = argv.index("/", argv.index("--remount-ro")) - 1
    return [*argv[:index], "--ro-bind", "/", "/home", *argv[index:]]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (without("--unshare-net"), ("network", "host_sockets")),
        (with_host_name, ("names",)),
        (without("--seccomp", 1), ("memory_of_nobody", "namespaces", "kernel", "keyring", "limits_raised", "mounts")),
        (with_writable_root, ("disk_elsewhere",)),
        (without("--remount-ro", 1), ("links_of_proc",)),
        (with_host_files, ("host_files",)),
    ],
    ids=["network", "names", "calls", "root", "proc", "files"],
)
def test_weakened_sandbox_is_noticed(
    sandbox: Bubblewrap,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[list[str]], list[str]],
    names: tuple[str, ...],
) -> None:
    """Each wall that is taken away makes the behaviours fail that it keeps out."""
    weaken(monkeypatch, change)
    held = [name for name in names if self_check.check_one(sandbox, BY_NAME[name]).problem is None]
    assert held == []


def test_server_that_can_be_looked_into_is_noticed(sandbox: Bubblewrap) -> None:
    """A server that does not forbid looks into its memory fails the check of the verdict channel."""
    real = BY_NAME["verdict_channel"]
    open_server = dataclasses.replace(real, program=real.program.replace("libc.prctl(4, 0)", ""))
    problem = self_check.check_one(sandbox, open_server).problem
    assert problem is not None
    assert "descriptors" in problem


def test_command_line_reports(sandbox: Bubblewrap) -> None:
    """The module prints a line for each behaviour and ends with 0 when all hold."""
    del sandbox
    done = subprocess.run(
        [sys.executable, "-m", "harness.observe.sandbox.self_check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("held ") == len(BEHAVIOURS)
