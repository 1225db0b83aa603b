"""Reports of children and the blame for failures: any bytes are taken, none are believed beyond their form."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.cpu_run import Fault
from harness.observe.cpu_run.blame import blamed
from harness.observe.cpu_run.report import Broken, Raised, Report, Stack, parse_report

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything(data: bytes) -> None:
    """Whatever a child writes is a report or none."""
    assert parse_report(data) is None or isinstance(parse_report(data), (Report, Broken))


def test_forms() -> None:
    """A report, a fault of ours, and what is neither: unknown fields, words that are too long."""
    assert parse_report(b'{"ended": "end"}') == Report(ended="end")
    assert parse_report(b'{"harness": "Traceback"}') == Broken(harness="Traceback")
    assert parse_report(b'{"ended": "end", "verdict": "clean"}') is None
    assert parse_report(json.dumps({"ended": "e" * 401}).encode()) is None
    assert parse_report(b'{"ended": "end", "steps": 1e999}') is None


def raised(exception: str, message: str = "", name: str = "", whose: str = "submission", **more: bool) -> Raised:
    """An exception that passed through line 7 of the script and ended in a frame of `whose`."""
    frames = (Stack(path="train_gpt.py", line=7, function="main", whose="submission"),)
    last = Stack(path="there.py", line=99, function="inner", whose=whose)
    return Raised(exception=exception, message=message, name=name, frames=(*frames, last), **more)


@pytest.mark.parametrize(
    ("error", "fault", "module"),
    [
        (raised("ModuleNotFoundError", "No module named 'modal'", "modal"), Fault.SUBMISSION, "modal"),
        (raised("ModuleNotFoundError", "No module named 'helpers'", "helpers"), Fault.SUBMISSION, "helpers"),
        (raised("ModuleNotFoundError", "No module named 'tkinter'", "tkinter"), Fault.HARNESS, "tkinter"),
        (raised("NotSupported", unsupported=True, whose="harness"), Fault.HARNESS, None),
        (raised("MemoryError", whose="library"), Fault.LIMIT, None),
        (raised("URLError", "<urlopen error Temporary failure in name resolution>"), Fault.SUBMISSION, None),
        (raised("TypeError", whose="harness"), Fault.HARNESS, None),
        (raised("ImportError", "cannot import name 'graphs' from 'torch._C'", "torch._C"), Fault.HARNESS, None),
        (raised("ImportError", "cannot import name 'GPT'", "train_gpt"), Fault.SUBMISSION, "train_gpt"),
        (raised("RuntimeError", "shape mismatch", whose="library"), Fault.HARNESS, None),
        (raised("RuntimeError", "required FLA deps are missing from the environment"), Fault.SUBMISSION, None),
        (raised("ModuleNotFoundError", "kernels.py requires the `fla` package."), Fault.SUBMISSION, None),
        (raised("RuntimeError", "required deps are missing", whose="library"), Fault.HARNESS, None),
        (raised("RuntimeError", "the module is on the wrong device"), Fault.HARNESS, None),
        (raised("RuntimeError", "Parent directory out does not exist.", whose="library"), Fault.SUBMISSION, None),
        (raised("RuntimeError", "Parent directory /mnt/x does not exist.", whose="library"), Fault.HARNESS, None),
    ],
)
def test_blame(error: Raised, fault: Fault, module: str | None) -> None:
    """Missing packages and the missing network lie with the submission; stand-ins, sizes and limits with us."""
    failure = blamed(error, {"train_gpt.py": b""})
    assert (failure.fault, failure.module) == (fault, module)
    assert failure.remedy
    assert failure.at is not None
    assert (failure.at.path, failure.at.line) == ("train_gpt.py", 7)


def test_file_in_the_wrong_place() -> None:
    """A module that is in the folder, elsewhere, gets its own remedy."""
    failure = blamed(raised("ModuleNotFoundError", name="helpers"), frozenset({"train_gpt.py", "src/helpers.py"}))
    assert "beside the launched file" in failure.remedy
