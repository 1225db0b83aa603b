"""What a run left, and what it told, as facts."""

from __future__ import annotations

from tests_support.cases import facts_of

from harness.model.cpu_run import Fault
from harness.model.plan import Rung
from harness.observe.cpu_run.envelope import Envelope
from harness.observe.cpu_run.home import SUBMISSION
from harness.observe.cpu_run.outcome import Outcome, understood
from harness.observe.cpu_run.session import Done, Rank


def outcome(*files: str, report: bytes | None = None) -> Outcome:
    """That of a run that left these files, of 2,000 bytes each, and reported so."""
    said = Envelope(reports=(report,) if report is not None else (), last=report is not None)
    rank = Rank("exit 0", seconds=1.0, cpu_seconds=1.0, peak_mb=1.0, said=said, printed=b"")
    left = tuple((f"{SUBMISSION}/{name}", 2_000, None) for name in files)
    done = Done((rank,), left, (), whole=True, cpu_seconds=1.0, alone=True)
    return understood(done, facts_of({"train_gpt.py": ""}), Rung(name="64"), {})


def test_compiled_code() -> None:
    """What a program writes for a compiler, and what that makes, is no artifact."""
    found = outcome("main.cpp", "build/kernel.so", "model.bin")
    assert [file.path for file in found.facts.files] == ["model.bin"]


def test_our_own_failure() -> None:
    """Where our code in the run failed, that is said, and nothing of the submission."""
    failure = outcome(report=b'{"harness": "Traceback: words"}').facts.failure
    assert failure is not None
    assert (failure.fault, failure.internal, failure.message) == (Fault.HARNESS, True, "Traceback: words")


def test_what_could_not_be_followed() -> None:
    """Operations that we failed to follow are told, each once."""
    found = outcome(report=b'{"ended": "end", "stream": {"number": 0, "size": 9, "faults": ["add: x", "add: x"]}}')
    assert found.facts.failure is None
    assert found.facts.fidelity.unfollowed == ("add: x",)
