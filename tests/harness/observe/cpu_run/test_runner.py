"""A runner: what it tells while it runs, what it keeps, and sandboxes that wait for their submission."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests_support.cases import facts_of
from tests_support.sandbox import needs_sandbox

from harness.model.cpu_run import Begun, CpuRunFacts
from harness.observe.cpu_run.runner import CpuRunner
from harness.observe.moment import Moment, Show, silent
from harness.observe.sandbox.bubblewrap import Bubblewrap
from harness.observe.sandbox.provider import Command, Limits, Sandboxed

pytestmark = needs_sandbox

WIDE = """
import os
import torch

class Hyperparameters:
    model_dim = int(os.environ.get("MODEL_DIM", 512))
    num_heads = int(os.environ.get("NUM_HEADS", 8))
    iterations = int(os.environ.get("ITERATIONS", 20000))

args = Hyperparameters()
print(f"model_dim:{args.model_dim}", flush=True)
torch.zeros(4, args.model_dim) @ torch.zeros(96, 4)
"""
"""Fits at one width only."""


class Counting(Bubblewrap):
    """Bubblewrap, with what it started."""

    def __init__(self) -> None:
        self.started: list[Sandboxed] = []

    def start(self, command: Command, limits: Limits) -> Sandboxed:
        """Start and remember."""
        self.started.append(super().start(command, limits))
        return self.started[-1]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs made once."""
    return tmp_path_factory.mktemp("inputs")


@pytest.fixture
def provider() -> Counting:
    """A provider that nobody has used."""
    return Counting()


@pytest.fixture
def runner(provider: Counting, inputs: Path) -> Iterator[CpuRunner]:
    """A runner of a sweep."""
    with CpuRunner(provider, inputs, warm=True) as found:
        yield found


def run(
    runner: CpuRunner,
    script: str | None,
    show: Show = silent,
    keep: Callable[[Begun], None] = lambda _: None,
    begun: Begun | None = None,
) -> CpuRunFacts:
    """The run of a folder with this script, or with none."""
    texts = {"README.md": "# Mine\n"} | ({"train_gpt.py": textwrap.dedent(script)} if script is not None else {})
    return runner.run(facts_of(texts), {path: text.encode() for path, text in texts.items()}, show, keep, begun)


def test_tells_and_keeps(runner: CpuRunner, provider: Counting) -> None:
    """Every size that is tried is told before it runs, with what the submission says; what was finished is handed out,
    and a run that goes on from there tries only the rest and ends the same.
    """
    moments: list[Moment] = []
    kept: list[Begun] = []
    whole = run(runner, WIDE, moments.append, kept.append)
    assert [attempt.rung for attempt in whole.attempts][:2] == ["64", "96"]
    doing = list(dict.fromkeys(moment.doing for moment in moments))
    assert doing[:4] == ["making the inputs", "starting the sandbox", "running at size 64", "running at size 96"]
    assert "model_dim:96" in {moment.said for moment in moments if moment.doing == "running at size 96"}
    assert [(one.rung, len(one.run.attempts)) for one in kept[:2]] == [(0, 0), (1, 1)]
    moments.clear()
    rest = run(runner, WIDE, moments.append, begun=kept[1])
    assert "running at size 64" not in {moment.doing for moment in moments}
    assert [attempt.rung for attempt in rest.attempts] == [attempt.rung for attempt in whole.attempts]
    assert (rest.reached, rest.failure, rest.printed) == (whole.reached, whole.failure, whole.printed)
    assert rest.fidelity == whole.fidelity
    assert whole.sandbox_seconds > 0


def test_one_sandbox_a_submission(runner: CpuRunner, provider: Counting) -> None:
    """The sandbox of a submission that cannot be run was not touched and serves the next; one that ran never does."""
    assert run(runner, None).failure is not None
    assert len(provider.started) == 1
    run(runner, "print('here')")
    assert provider.started[0].poll() is not None
    assert len(provider.started) == 2
    assert provider.started[1].poll() is None


def test_a_sandbox_that_ended_while_it_waited(runner: CpuRunner, provider: Counting) -> None:
    """It is replaced, and its end is laid to nobody."""
    run(runner, None)
    provider.started[0].kill()
    facts = run(runner, "print('here')")
    assert facts.failure is None
    assert facts.printed == ("here",)


def test_all_end_with_the_runner(provider: Counting, inputs: Path) -> None:
    """No sandbox outlives the runner, the one that waits included."""
    with CpuRunner(provider, inputs, warm=True) as runner:
        run(runner, "print('here')")
    assert all(one.poll() is not None for one in provider.started)
