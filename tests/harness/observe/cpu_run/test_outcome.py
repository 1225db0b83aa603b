"""What a run left, as facts."""

from __future__ import annotations

from tests_support.cases import facts_of

from harness.model.plan import Rung
from harness.observe.cpu_run.envelope import Envelope
from harness.observe.cpu_run.home import SUBMISSION
from harness.observe.cpu_run.outcome import understood
from harness.observe.cpu_run.session import Done, Rank


def test_compiled_code() -> None:
    """What a program writes for a compiler, and what that makes, is no artifact."""
    rank = Rank("exit 0", seconds=1.0, cpu_seconds=1.0, peak_mb=1.0, said=Envelope(), printed=b"")
    names = ("main.cpp", "build/kernel.so", "model.bin")
    files = tuple((f"{SUBMISSION}/{name}", 2_000, None) for name in names)
    done = Done((rank,), files, (), whole=True, cpu_seconds=1.0, alone=True)
    outcome = understood(done, facts_of({"train_gpt.py": ""}), Rung(name="64"), {})
    assert [file.path for file in outcome.facts.files] == ["model.bin"]
