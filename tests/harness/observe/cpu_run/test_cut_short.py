"""Runs that a limit ends, in a real sandbox: what they had told until then is kept, and convicts nothing by absence."""

from __future__ import annotations

import pytest
from tests_support.cases import facts_of
from tests_support.sandbox import needs_sandbox

from harness.model.cpu_run import CpuRunFacts, Fault, RunStage
from harness.model.plan import Rung, RunLimits
from harness.observe.cpu_run.outcome import Outcome, understood
from harness.observe.cpu_run.session import Session
from harness.observe.sandbox.bubblewrap import Bubblewrap
from harness.observe.sandbox.provider import Limits

pytestmark = needs_sandbox

TRAINS = """
import math, torch
layer = torch.nn.Linear(4, 4)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
layer(torch.ones(4)).sum().backward()
optimizer.step()
def evaluate():
    loss_sum = byte_count = 0.0
    for number in range(10):
        loss_sum += 1.5
        byte_count += 2
    return loss_sum / math.log(2) / byte_count
print(f"step:1/9 val_loss:1.5 val_bpb:{evaluate():.8f}", flush=True)
torch.save(layer.state_dict(), "model.pt")
"""
WORKS = """
def works(seconds):
    import time
    began = time.thread_time()
    while time.thread_time() - began < seconds:
        for _ in range(2_000): number = 1
works(6)
"""


def run(session: Session, script: str, limits: RunLimits) -> Outcome:
    """What a script comes to within limits."""
    session.put("main.py", script.encode())
    job = {"script": "main.py", "arguments": ["main.py"], "environment": {}}
    done = session.run(job, limits)
    return understood(done, facts_of({"main.py": script}), Rung(name="64"), {"main.py": script.encode()})


def seen(facts: CpuRunFacts) -> None:
    """What the part of the run that came to its end did is known, and acquits of nothing."""
    assert facts.so_far
    assert facts.steps == 1
    assert {RunStage.DECODED, RunStage.IMPORTED, RunStage.TRAINED} <= set(facts.reached)
    assert {total.target: total.values for total in facts.totals}["loss_sum"] == (15.0,)
    assert [round(score.val_bpb, 3) for score in facts.scores] == [1.082]
    assert not facts.trusted
    assert facts.tampering == ()


def test_processor_time(session: Session) -> None:
    """A run that the server ends for its processor time keeps what it had told."""
    outcome = run(session, TRAINS + WORKS + "works(1_000)\n", RunLimits(cpu_seconds=9, wall_seconds=200))
    assert outcome.raised is not None
    assert (outcome.raised.fault, outcome.raised.exception) == (Fault.LIMIT, "cpu")
    assert not outcome.over
    seen(outcome.facts)
    assert RunStage.WRITTEN in outcome.facts.reached, "files are looked at from outside"


def test_memory() -> None:
    """Where the whole sandbox is ended, with all that was in it, what had been told is outside already."""
    hog = "held = []\nwhile True:\n    held.append(b'x' * (8 << 20))\n    works(0.03)\n"
    limits = Limits(wall_seconds=300, cpu_seconds=300, memory_bytes=2 << 30, processes=256)
    with Session(Bubblewrap(), limits) as session:
        outcome = run(session, TRAINS + WORKS + hog, RunLimits(cpu_seconds=60, wall_seconds=200))
    assert outcome.raised is not None
    assert (outcome.raised.fault, outcome.raised.exception, outcome.over) == (Fault.LIMIT, "memory", True)
    seen(outcome.facts)


def test_to_its_end(session: Session) -> None:
    """A run that ends by itself is told of as a whole, whatever it had told before."""
    facts = run(session, TRAINS + WORKS, RunLimits(cpu_seconds=60, wall_seconds=200)).facts
    assert not facts.so_far
    assert facts.failure is None
    assert facts.trusted, facts.doubts()


@pytest.mark.parametrize(("number", "fault"), [(9, Fault.UNKNOWN), (15, Fault.SUBMISSION), (11, Fault.HARNESS)])
def test_killed(session: Session, number: int, fault: Fault) -> None:
    """The machine kills as a program kills itself, so neither is accused; other signals no machine sends."""
    outcome = run(session, f"import os\nos.kill(os.getpid(), {number})\n", RunLimits(cpu_seconds=60, wall_seconds=200))
    assert outcome.raised is not None
    assert (outcome.raised.fault, outcome.raised.exception) == (fault, f"signal {number}")
    assert not outcome.facts.trusted
