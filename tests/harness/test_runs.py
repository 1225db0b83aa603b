"""Runs through the store: what is finished is run once, what failed for a reason of ours is run again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests_support.repository import RepositoryBuilder, folder

from harness.facts import facts_of, with_runs
from harness.model.cpu_run import Attempt, Begun, CpuRunFacts, Fault, RunFailure, RunStage
from harness.model.facts import Facts, StageStatus, SubmissionFacts
from harness.observe.intake.pull_request import read_pull_request
from harness.observe.intake.repository import Repository
from harness.observe.moment import Moment, Show, last_line, silent
from harness.observe.reading.worker import Reader
from harness.store.store import Store

HERE = "records/track_10min_16mb/2026-03-20_Here"
THERE = "records/track_non_record_16mb/2026-03-21_There"
WHOLE = CpuRunFacts(
    reached=tuple(RunStage),
    attempts=(Attempt(rung="64", seconds=2.5, peak_mb=300.0, ended="exit 0"),),
    sandbox_seconds=1.5,
    inputs_seconds=0.5,
)


def failed(fault: Fault, *, internal: bool = False) -> CpuRunFacts:
    """A run that ended in a failure."""
    failure = RunFailure(fault=fault, exception="ValueError", message="words", internal=internal)
    return CpuRunFacts(failure=failure, attempts=(Attempt(rung="64", seconds=1, ended="exit 1", failure=failure),))


class Scripted:
    """A runner that answers what it is told to, and remembers what it was asked."""

    def __init__(self, *answers: CpuRunFacts | BaseException, world_size: int = 1) -> None:
        self.world_size, self.proof = world_size, False
        self.answers = list(answers)
        self.asked: list[Begun | None] = []

    def run(
        self,
        submission: SubmissionFacts,
        files: Mapping[str, bytes],
        show: Show = silent,
        keep: Callable[[Begun], None] = lambda _: None,
        begun: Begun | None = None,
    ) -> CpuRunFacts:
        """The next answer; a part is finished before it."""
        assert submission.launch is not None
        assert submission.launch.script in files
        show(Moment("running"))
        self.asked.append(begun)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            keep(Begun(run=WHOLE.model_copy(update={"steps": len(self.asked)}), rung=len(self.asked)))
            raise answer
        return answer


def run(builder: RepositoryBuilder, number: int, runner: Scripted, store: Store, show: Show = silent) -> Facts:
    """Facts of a pull request with its runs."""
    repository = Repository(builder.path)
    with Reader() as reader:
        facts, _ = facts_of(read_pull_request(repository, number), repository, reader, store)
    return with_runs(facts, repository, runner, store, show)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


def test_run_once(builder: RepositoryBuilder, store: Store) -> None:
    """A folder is run once, whichever pull request holds it; its stages stand behind those of reading, with costs."""
    builder.pull_request(1, folder(HERE))
    builder.pull_request(2, {f"{THERE}{path.removeprefix(HERE)}": text for path, text in folder(HERE).items()})
    runner = Scripted(WHOLE)
    moments: list[Moment] = []
    first = run(builder, 1, runner, store, moments.append).submissions[0]
    second = run(builder, 2, runner, store).submissions[0]
    assert first.cpu_run == second.cpu_run == WHOLE
    assert first.stages[-3:] == second.stages[-3:]
    assert [(s.name, s.status, s.seconds, s.peak_mb) for s in first.stages[-3:]] == [
        ("run: inputs", StageStatus.DONE, 0.5, None),
        ("run: sandbox", StageStatus.DONE, 1.5, None),
        ("run: size 64", StageStatus.DONE, 2.5, 300.0),
    ]
    assert first.stages[0].name == "reading"
    assert moments[-1] == Moment("running")


def test_world_size(builder: RepositoryBuilder, store: Store) -> None:
    """A run in two processes is another run than that in one."""
    builder.pull_request(1, folder(HERE))
    other = WHOLE.model_copy(update={"steps": 7})
    assert run(builder, 1, Scripted(WHOLE), store).submissions[0].cpu_run == WHOLE
    assert run(builder, 1, Scripted(other, world_size=2), store).submissions[0].cpu_run == other
    assert run(builder, 1, Scripted(), store).submissions[0].cpu_run == WHOLE


@pytest.mark.parametrize(
    "answer",
    [
        CpuRunFacts(refused="no sandbox"),
        failed(Fault.MACHINE),
        failed(Fault.UNKNOWN),
        failed(Fault.HARNESS, internal=True),
        WHOLE.model_copy(update={"attempts": failed(Fault.MACHINE).attempts}),
        RuntimeError("ours"),
    ],
)
def test_what_failed_here_is_not_kept(
    builder: RepositoryBuilder, store: Store, answer: CpuRunFacts | BaseException
) -> None:
    """A refusal, a failure of the machine and one of the harness say nothing of the submission: it is run again."""
    builder.pull_request(1, folder(HERE))
    runner = Scripted(answer, WHOLE)
    first = run(builder, 1, runner, store).submissions[0]
    assert first.cpu_run != WHOLE
    assert first.logs
    assert first.stages[-1].status is not StageStatus.DONE
    assert (first.stages[-1].status is StageStatus.ERROR) == isinstance(answer, Exception)
    assert run(builder, 1, runner, store).submissions[0].cpu_run == WHOLE


@pytest.mark.parametrize("answer", [failed(Fault.SUBMISSION), failed(Fault.LIMIT), failed(Fault.HARNESS)])
def test_what_the_submission_does_is_kept(builder: RepositoryBuilder, store: Store, answer: CpuRunFacts) -> None:
    """A failure that would come again is kept, with its words in the stage."""
    builder.pull_request(1, folder(HERE))
    runner = Scripted(answer)
    first = run(builder, 1, runner, store).submissions[0]
    assert run(builder, 1, runner, store).submissions[0] == first
    assert first.stages[-1].reason == "ValueError: words"


def test_cut_short(builder: RepositoryBuilder, store: Store) -> None:
    """What was finished when the program was ended is there; the next call goes on with it and finishes."""
    builder.pull_request(1, folder(HERE))
    runner = Scripted(KeyboardInterrupt(), WHOLE)
    with pytest.raises(KeyboardInterrupt):
        run(builder, 1, runner, store)
    assert run(builder, 1, runner, store).submissions[0].cpu_run == WHOLE
    assert runner.asked[0] is None
    assert runner.asked[1] is not None
    assert (runner.asked[1].rung, runner.asked[1].run.steps) == (1, 1)
    assert run(builder, 1, runner, store).submissions[0].cpu_run == WHOLE
    assert len(runner.asked) == 2


def test_last_line() -> None:
    """Of what is printed, the last line that says something, whatever its bytes."""
    assert last_line(b"step 1\nstep 2\n\n  ") == "step 2"
    assert last_line(b"\xff\xfe") == "��"
    assert last_line(b"\n \n") == ""
