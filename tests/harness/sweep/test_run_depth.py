"""A sweep that runs submissions, as a user has it: real workers, real sandboxes, real kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests_support.processes import command_line, descendants, left
from tests_support.repository import RepositoryBuilder, folder
from tests_support.sandbox import needs_sandbox

from harness.model.cpu_run import CpuRunFacts, Fault, RunFailure
from harness.model.review import Depth, Review
from harness.observe.sandbox.bubblewrap import Bubblewrap
from harness.sweep.index import IndexRun, Journal
from harness.sweep.job import Setup, Worker
from harness.sweep.plan import Key, PlanError
from harness.sweep.sweep import plan_sweep

QUICK = "import torch\nprint('here')\n"
LONG = "import torch\nprint('here', flush=True)\nfor number in range(40_000_000):\n    pass\n"
"""About a second of processor time, which a busy machine stretches."""


def sweep(repository: Path, output: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    """Start `golf sweep --depth run`."""
    command = [sys.executable, "-m", "harness.cli", "sweep", str(repository), "--output", str(output), "--jobs", "2"]
    return subprocess.Popen(
        [*command, "--depth", "run", *options],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | environment,
    )


def index(output: Path) -> dict[str, Any]:
    """The index of a finished sweep."""
    found: dict[str, Any] = json.loads((output / "index.json").read_text())
    return found


def running(process: subprocess.Popen[str]) -> tuple[int, set[tuple[int, str]]]:
    """A worker that runs a submission at this moment, and everything below it."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        for worker, _ in descendants(process.pid):
            below = descendants(worker)
            servers = [number for number, _ in below if "guest.server" in command_line(number).partition(" -- ")[0]]
            if "spawn_main" in command_line(worker) and any(descendants(server) for server in servers):
                return worker, below
        time.sleep(0.05)
    raise TimeoutError("nothing was run")


@needs_sandbox
def test_killed_and_resumed(builder: RepositoryBuilder, tmp_path: Path) -> None:
    """A worker that is killed takes its sandboxes with it and its work is done by another; so does a killed sweep, and
    the next one goes on. No process, mount or temporary file is left, and every run is in the index.
    """
    for number in (1, 2, 3):
        script = LONG if number < 3 else QUICK
        name = f"records/track_10min_16mb/2026-03-20_P{number}"
        builder.pull_request(number, folder(name, train_gpt_py=f"{script}# {number}\n"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    output = tmp_path / "out"
    mounts = Path("/proc/mounts").read_text()
    first = sweep(builder.path, output, TMPDIR=str(temporary))
    worker, below = running(first)
    os.kill(worker, signal.SIGKILL)
    assert not left(below)
    time.sleep(1.0)
    _, _ = running(first)
    everything = descendants(first.pid)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    assert not left(everything)
    second = sweep(builder.path, output, TMPDIR=str(temporary))
    _, err = second.communicate(timeout=280)
    assert second.returncode == 0, err
    found = index(output)
    assert (found["depth"], found["runs"], found["errors"]) == ("run", 3, 0)
    assert found["reached"]["imported"] == 3
    assert all(len(row["runs"]) == 1 for row in found["rows"])
    assert Path("/proc/mounts").read_text() == mounts
    assert not [path for path in temporary.iterdir() if not path.name.startswith("pymp-")]


@needs_sandbox
def test_interrupted(builder: RepositoryBuilder, tmp_path: Path) -> None:
    """Ctrl-C ends a sweep at once, in words, with nothing left of it."""
    builder.pull_request(1, folder("records/track_10min_16mb/2026-03-20_P1", train_gpt_py=LONG))
    process = sweep(builder.path, tmp_path / "out")
    running(process)
    everything = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "goes on from there" in err
    assert "Traceback" not in err
    assert not left(everything)


def test_depths_keep_apart(builder: RepositoryBuilder, tmp_path: Path) -> None:
    """A folder that holds the sweep of one depth is refused to the other, with the remedy, and stays as it is."""
    builder.pull_request(1, folder("records/track_10min_16mb/2026-03-20_P1"))
    output = tmp_path / "out"
    command = [sys.executable, "-m", "harness.cli", "sweep", str(builder.path), "--output", str(output)]
    subprocess.run(command, check=True, capture_output=True)
    before = (output / "1.json").read_bytes()
    refused = subprocess.run([*command, "--depth", "run"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert (output / "1.json").read_bytes() == before
    if Bubblewrap().unavailable() is None:
        assert "another folder" in refused.stderr


def test_keys(builder: RepositoryBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both depths share what was read; reviews differ, and those of runs change with the code that runs."""
    builder.pull_request(1, folder("records/track_10min_16mb/2026-03-20_P1"))
    monkeypatch.setattr("harness.sweep.sweep.refusal", lambda: None)

    def key(depth: Depth) -> Key:
        return plan_sweep(builder.path, "all", tmp_path / depth, tmp_path / "store", depth=depth).keys[1]

    static, run = key(Depth.STATIC), key(Depth.RUN)
    assert static.observed == run.observed
    assert static.judged != run.judged
    monkeypatch.setattr("harness.sweep.sweep.run_digest", lambda: "other")
    assert key(Depth.STATIC) == static
    assert key(Depth.RUN).judged not in {static.judged, run.judged}


def test_refused(builder: RepositoryBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be run there is no sweep of runs, but the reason and what helps."""
    monkeypatch.setattr("harness.sweep.sweep.refusal", lambda: "bwrap is not installed; install it")
    with pytest.raises(PlanError, match="bwrap is not installed; install it; or sweep at depth static"):
        plan_sweep(builder.path, "all", tmp_path / "out", tmp_path / "store", depth=Depth.RUN)
    assert not (tmp_path / "out").exists()


class Answering:
    """A runner with one answer."""

    world_size, proof = 1, False

    def __init__(self, answer: CpuRunFacts | Exception) -> None:
        self.answer = answer

    def run(self, *_: object) -> CpuRunFacts:
        """The answer."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "error", "settled"),
    [
        (CpuRunFacts(), None, True),
        (RuntimeError("ours"), "RuntimeError: ours", False),
        (CpuRunFacts(refused="no bwrap"), "no bwrap", False),
        (CpuRunFacts(failure=RunFailure(fault=Fault.MACHINE, exception="", message="")), None, False),
        (CpuRunFacts(failure=RunFailure(fault=Fault.UNKNOWN, exception="", message="")), None, False),
        (CpuRunFacts(failure=RunFailure(fault=Fault.SUBMISSION, exception="", message="")), None, True),
    ],
)
def test_what_is_done_again(
    builder: RepositoryBuilder, tmp_path: Path, answer: CpuRunFacts | Exception, error: str | None, settled: bool
) -> None:
    """A failure of harness or machine in one run costs neither its review nor the sweep, and the next sweep runs it
    again; a failure of the submission is a result.
    """
    builder.pull_request(1, folder("records/track_10min_16mb/2026-03-20_P1"))
    output = tmp_path / "out"
    output.mkdir()
    worker = Worker(Setup(builder.path, tmp_path / "store", output, depth=Depth.RUN))
    worker.__dict__["runner"] = Answering(answer)
    row = worker.review(1, Key("a" * 32, "b" * 32))
    worker.reader.close()
    assert (row.error is None) == (error is None)
    assert error is None or error in (row.error or "")
    assert row.settled is settled
    assert row.depth is Depth.RUN
    review = Review.model_validate_json((output / "1.json").read_bytes())
    assert review.harness.depth is Depth.RUN
    assert review.submissions[0].runs, "what was read is reviewed"
    journal = Journal(output)
    journal.add(row)
    journal.close()
    assert Journal(output).rows()[1] == row


def test_index_of_a_run() -> None:
    """Costs are those of all attempts; a run that nothing ended has no fault."""
    run = CpuRunFacts.model_validate(
        {
            "attempts": [
                {"rung": "64", "seconds": 1, "ended": "exit 1", "peak_mb": 9},
                {"rung": "96", "seconds": 2.5, "cpu_seconds": 2, "ended": "exit 0"},
            ]
        }
    )
    assert IndexRun.of("here", run) == IndexRun(folder="here", seconds=3.5, cpu_seconds=2, peak_mb=9)
