"""What a run says against what was measured: lines of ours and of others, checks that hold and that do not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.cpu_run import TamperKind
from harness.observe.cpu_run.checks import checks_of, tampering_of
from harness.observe.cpu_run.envelope import Envelope, opened
from harness.observe.cpu_run.home import HOME, SUBMISSION
from harness.observe.cpu_run.report import Broken, Report, parse_report
from harness.observe.cpu_run.session import Done, Rank

WORD = "0123456789abcdef"


def line(kind: str, content: object, word: str = WORD) -> bytes:
    """A line as `guest.seal` writes it."""
    return f"\n{word} {kind} {json.dumps(content)}\n".encode()


def report(**fields: Any) -> dict[str, Any]:
    """A report of an honest run of ten seconds."""
    return {"ended": "end", "began": 5.0, "finished": 15.0, "steps": 20, "marks": {"imported": 6.0}, **fields}


def done(said: bytes, **fields: Any) -> Done:
    """The run of one process that said this."""
    rank = Rank("exit 0", seconds=10.2, cpu_seconds=9.0, peak_mb=500.0, said=opened(said, WORD), printed=b"")
    whole = Done(
        ranks=(rank,), files=(), unchanged=(f"{SUBMISSION}/train_gpt.py",), whole=True, cpu_seconds=9.0, alone=True
    )
    own = {name: fields.pop(name) for name in list(fields) if name in Rank.__dataclass_fields__}
    return replace(whole, ranks=(replace(rank, **own),), **fields)


def broken(run: Done) -> list[str]:
    """Names of the checks that do not hold."""
    return [check.name for check in checks_of(run, reports(run)) if not check.held]


def reports(run: Done) -> list[Report | Broken | None]:
    """What the processes reported."""
    return [parse_report(rank.said.report) for rank in run.ranks]


@given(st.binary(max_size=300))
def test_anything_can_be_opened(data: bytes) -> None:
    """Whatever is written without the word is foreign, to the last byte that is not a line's end or a space."""
    found = opened(data, WORD)
    assert found.reports == found.seen == ()
    assert bool(found.foreign) == bool(data.strip())


def test_lines_are_told_apart() -> None:
    """Lines with the word are ours, even behind half a line of others; with another word, or without, they are not."""
    data = b"{half" + line("seen", 1) + line("report", 2, word="0" * 16) + line("report", 3) + line("more", 4)
    found = opened(data, WORD)
    assert (found.seen, found.reports) == ((b"1\n",), (b"3\n",))
    assert found.foreign == len(b"{half\n") + len(line("report", 2)) - 1 + len(line("more", 4)) - 1
    assert not found.last
    assert opened(line("report", 3), "").reports == ()
    assert opened(line("seen", 1) + line("report", 3)[:-2], WORD) == Envelope(seen=(b"1\n",)), "killed while it told"
    assert opened(line("report", 3) * 2, WORD).report == b""
    assert opened(line("seen", 1) + line("report", 3), WORD).last
    assert Envelope().report == b""


def test_honest_run() -> None:
    """Everything agrees."""
    run = done(line("report", report()))
    assert broken(run) == []
    assert tampering_of(run) == ()


@pytest.mark.parametrize(
    ("run", "names"),
    [
        (done(b""), ["report", "exit", "time"]),
        (done(line("report", report()) + b"more"), ["report"]),
        (done(line("report", report()) * 2), ["report", "exit", "time"]),
        (done(line("report", report()) + line("seen", {"kind": "looked", "words": "looks"})), ["report"]),
        (done(line("report", report()), status="exit 1"), ["exit"]),
        (done(line("report", report(ended="exit 3"))), ["exit"]),
        (done(line("report", report(finished=25.0))), ["time"]),
        (done(line("report", report(finished=4.0))), ["time"]),
        (done(line("report", report(marks={"imported": 1.0}))), ["time"]),
        (done(line("report", report(steps=10**7))), ["work"]),
        (done(line("report", report(read={f"{HOME}/{SUBMISSION}/train_gpt.py": 1}))), ["files"]),
        (done(line("report", report()), whole=False), ["whole"]),
        (done(line("report", report()), alone=False), ["alone"]),
    ],
)  # fmt: skip
def test_contradictions(run: Done, names: list[str]) -> None:
    """Each contradiction breaks its check."""
    assert broken(run) == names


def test_notices() -> None:
    """What was noticed becomes facts, once each, in the order of events; what is no notice was tampered with."""
    looked = {"kind": "looked", "words": "looks", "path": "train_gpt.py", "line": 3}
    replaced = {"kind": "replaced", "words": "x"}
    said = line("seen", looked) * 2 + line("seen", "x") + line("seen", replaced) + line("report", report())
    run = done(said)
    found = tampering_of(run)
    assert [one.kind for one in found] == [TamperKind.LOOKED, TamperKind.FORGED, TamperKind.REPLACED]
    assert found[0].at is not None
    assert found[0].at.line == 3
    forged = done(b"x" + line("report", report()))
    assert [one.kind for one in tampering_of(forged)] == [TamperKind.FORGED]
