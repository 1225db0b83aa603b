"""The examining child: what it finds comes back, what it costs is limited, and only its parent rules the sandbox."""

import os
from collections.abc import Callable
from typing import Any, cast

import pytest

from harness.model.cpu_run import Begun, CpuRunFacts, Fault
from harness.observe.cpu_run import examiner
from harness.observe.cpu_run.driver import Keep
from harness.observe.cpu_run.examiner import Examined, ExaminerError, examined
from harness.observe.cpu_run.session import Session
from harness.observe.moment import Moment, Show, silent
from harness.observe.sandbox.provider import Ended, Ending


class Sandbox:
    """A sandbox that notes what it is asked for."""

    stdin = stdout = None
    stderr = b"last words"

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.ending: Ending | None = None

    def allow(self, wall_seconds: float) -> None:
        """Note the seconds."""
        self.asked.append(wall_seconds)

    def poll(self) -> Ending | None:
        """How it ended, if it did."""
        return self.ending

    def wait(self, seconds: float | None = None) -> Ending:
        """It never ends by itself."""
        if self.ending is None:
            raise TimeoutError
        return self.ending

    def kill(self, why: Ended = Ended.KILLED_BY_HOST, message: str = "") -> Ending:
        """It ends as asked."""
        self.ending = Ending(why, message=message)
        return self.ending


class Talk:
    """A session of which only the sandbox is there."""

    def __init__(self) -> None:
        self.sandbox: Any = Sandbox()
        self.used = False


def run(
    work: Callable[[Session, Show, Keep], CpuRunFacts], show: Show = silent, keep: Keep = lambda _: None
) -> Examined:
    """What comes of `work`, and the pieces of `talk` that it used."""
    return examined(work, cast(Session, Talk()), show, keep)


def test_facts_moments_and_parts_come_back() -> None:
    """From another process, in order."""
    moments: list[Moment] = []
    parts: list[Begun] = []

    def work(session: Session, show: Show, keep: Keep) -> CpuRunFacts:
        show(Moment("planning", "said"))
        keep(Begun(run=CpuRunFacts(steps=1), rung=2))
        session.used = True
        return CpuRunFacts(steps=os.getpid())

    found = run(work, moments.append, parts.append)
    assert found.facts.steps != os.getpid()
    assert not found.untouched
    assert moments == [Moment("planning", "said")]
    assert [part.rung for part in parts] == [2]


def test_the_sandbox_is_ruled_by_the_parent() -> None:
    """Time, words, waiting and the end are asked for over the pipe."""
    talk = Talk()
    sandbox = talk.sandbox

    def work(session: Session, show: Show, keep: Keep) -> CpuRunFacts:
        remote = session.sandbox
        remote.allow(7.0)
        assert remote.poll() is None
        assert remote.stderr == b"last words"
        with pytest.raises(TimeoutError):
            remote.wait(0.1)
        ending = remote.kill(Ended.DISK, "full")
        assert (ending.why, ending.message) == (Ended.DISK, "full")
        assert remote.wait(0.1) == ending
        return CpuRunFacts()

    assert examined(work, cast(Session, talk), silent, lambda _: None).untouched
    assert sandbox.asked == [7.0]
    assert sandbox.ending == Ending(Ended.DISK, message="full")


def test_memory_is_limited_and_what_was_found_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child dies, not the harness; the run is ended by a limit, with what was known before."""
    monkeypatch.setattr(examiner, "MEMORY_BYTES", 200 << 20)

    def work(session: Session, show: Show, keep: Keep) -> CpuRunFacts:
        keep(Begun(run=CpuRunFacts(steps=5), rung=1))
        return CpuRunFacts(steps=len(bytearray(400 << 20)))

    found = run(work).facts
    assert found.steps == 5
    assert found.failure is not None
    assert found.failure.fault is Fault.LIMIT
    assert "200 MiB of memory" in found.failure.message


def test_processor_time_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that takes for ever to read ends the child."""
    monkeypatch.setattr(examiner, "CPU_SECONDS", 1)

    def work(session: Session, show: Show, keep: Keep) -> CpuRunFacts:
        while True:
            pass

    failure = run(work).facts.failure
    assert failure is not None
    assert (failure.fault, "1 s of CPU time" in failure.message) == (Fault.LIMIT, True)


def test_a_fault_of_ours_is_told_as_ours() -> None:
    """With its traceback."""

    def work(session: Session, show: Show, keep: Keep) -> CpuRunFacts:
        raise KeyError("no such thing")

    with pytest.raises(ExaminerError, match="no such thing"):
        run(work)


def test_the_child_has_no_environment_and_writes_no_large_file(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hostile text could reach is little."""
    monkeypatch.setattr(examiner, "FILE_BYTES", 1_000)

    def work(session: Session, show: Show, keep: Keep) -> CpuRunFacts:
        assert not os.environ
        with (tmp_path / "x").open("wb", buffering=0) as stream:
            stream.write(b"x" * 1_000)
            with pytest.raises(OSError, match="large"):
                stream.write(b"x")
        return CpuRunFacts()

    assert run(work).facts == CpuRunFacts()
