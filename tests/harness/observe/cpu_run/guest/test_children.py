"""What ends a run, and which of its processes is the cause: measured from outside, in a real sandbox."""

from __future__ import annotations

import textwrap
import time

import pytest
from tests_support.sandbox import needs_sandbox

from harness.model.plan import RunLimits
from harness.observe.cpu_run.guest.children import Budget
from harness.observe.cpu_run.session import Done, Session


def run(session: Session, script: str, limits: RunLimits, ranks: int = 1) -> Done:
    """A script within limits, in so many processes."""
    session.put("main.py", textwrap.dedent(script).encode())
    job = {"script": "main.py", "arguments": ["main.py"], "environment": {"MASTER_ADDR": "127.0.0.1"}, "ranks": ranks}
    return session.run(job, limits)


@needs_sandbox
@pytest.mark.parametrize("where", ["", "if os.fork(): os.wait()\n"], ids=["itself", "a child"])
def test_processor_time(session: Session, where: str) -> None:
    """A run that works without end is ended by its processor time, its children's counted, whatever the wall says."""
    done = run(session, f"import os\n{where}while True: pass\n", RunLimits(cpu_seconds=3, wall_seconds=300))
    assert done.status == "cpu"
    assert 3 < done.cpu_seconds < 6
    assert done.alone


@needs_sandbox
def test_wall_time(session: Session) -> None:
    """A run that sleeps is ended by wall time, and the ending says so."""
    done = run(session, "import select\nselect.select([], [], [], 300)\n", RunLimits(cpu_seconds=60, wall_seconds=3))
    assert done.status == "timeout"
    assert done.seconds < 60


@needs_sandbox
def test_a_rank_that_fails_ends_the_others(session: Session) -> None:
    """The rank that failed is the cause; the other, which would wait for ever, is stopped."""
    script = """
    import os, select
    if os.environ["RANK"] == "1":
        raise ValueError("no")
    select.select([], [], [], 300)
    """
    done = run(session, script, RunLimits(cpu_seconds=60, wall_seconds=120), ranks=2)
    assert [rank.status for rank in done.ranks] == ["stopped", "exit 1"]
    assert (done.first, done.status) == (1, "exit 1")
    assert b"ValueError" in done.ranks[1].printed
    assert b"ValueError" not in done.ranks[0].printed


@needs_sandbox
def test_a_rank_that_hangs_is_named(session: Session) -> None:
    """Where one rank has ended and the other waits for it, the one that waits is the one that has not ended."""
    script = """
    import os, torch, torch.distributed as dist
    dist.init_process_group("nccl")
    if os.environ["RANK"] == "0":
        dist.all_reduce(torch.ones(1))
        print("rank 0 goes")
    else:
        dist.all_reduce(torch.ones(1))
        import select
        select.select([], [], [], 300)
    """
    session.put("main.py", textwrap.dedent(script).encode())
    launched = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", "WORLD_SIZE": "2"}
    job = {"script": "main.py", "arguments": ["main.py"], "environment": launched, "ranks": 2}
    done = session.run(job, RunLimits(cpu_seconds=60, wall_seconds=20))
    assert [rank.status for rank in done.ranks] == ["exit 0", "timeout"]
    assert done.first == 1


def test_idleness() -> None:
    """A run that does nothing for long is ended before its wall time; one that works is not."""
    budget = Budget(cpu_seconds=60, wall_seconds=300, idle_seconds=0.3)
    assert budget.passed(0.0) is None
    time.sleep(0.5)
    assert budget.passed(5.0) is None
    time.sleep(0.5)
    assert budget.passed(5.0) == "timeout"
    assert budget.passed(61.0) == "cpu"
