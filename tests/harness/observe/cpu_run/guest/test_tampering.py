"""What counts as a look at the observer. What is done about it is shown by hostile scripts that really run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.observe.cpu_run.guest.disguise import OURS
from harness.observe.cpu_run.guest.runtime import Runtime
from harness.observe.cpu_run.guest.tampering import ASKED, LOOKED, Watch

DESCRIPTOR = 200


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """A look-out for a submission in an empty folder, which listens to nothing."""
    return Watch(Runtime(tmp_path, lambda: 0.0), lambda kind, content: None, DESCRIPTOR)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("OURS/observe", LOOKED),
        ("/proc/1/mem", LOOKED),
        ("//proc/1/mem", LOOKED),
        ("///proc//1/./environ", LOOKED),
        ("1/mem", LOOKED),
        ("/proc/self/mem", LOOKED),
        ("/proc/OWN/fd/3", LOOKED),
        (b"/proc/self/fd", LOOKED),
        (DESCRIPTOR, LOOKED),
        ("/proc/self/cgroup", ASKED),
        ("//proc/1/status", ASKED),
        ("/.dockerenv", ASKED),
        ("/proc/self/status", None),
        ("/proc/cpuinfo", None),
        ("/proc/OWN", None),
        ("/.dockerenv2", None),
        ("/tmp/mem", None),
        (1, None),
        (None, None),
    ],
)
def test_paths(watch: Watch, path: object, kind: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is known by where it leads, however it is written; a process may look at its own counters."""
    monkeypatch.chdir("/proc")
    if isinstance(path, str):  # workers of one test run have to collect the same names
        path = path.replace("OWN", str(os.getpid())).replace("OURS", OURS)
    found = watch._opened((path,))
    assert (found and found[0]) == kind
