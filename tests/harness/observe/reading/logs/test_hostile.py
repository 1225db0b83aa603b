"""Hostile content: no exception, no hang, bounded output, finite numbers."""

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.observe.reading.logs import is_log, read_log

PIECES = st.sampled_from(
    [
        *("step:", "1/20 ", "step:5/20 ", "train_loss:", "val_loss:", "val_bpb:", "bpb", "nan", "inf", "-1.5", "1.0"),
        *("9" * 40, "seed:", "42", "seed: 42", "Total submission size", " int8+zlib", ": ", "12345 bytes", "docs:"),
        *("Serialized model", "Code size (compressed)", "Hyperparameters:", "  name: value", "args: {", '"a": 1, '),
        *("Traceback (most recent call last):", "ValueError: x", "=" * 80, "import os", "def f(x):", "class A:"),
        *('if __name__ == "__main__":', "train_time:", "600061ms", "5.3m", "stopping_early:", "NVIDIA H100", "%|"),
        *("|   0  NVIDIA A  ", "\x1b[31m", "\x1b", "\n", "\r", "\t", " ", "\0", "é", "\ufeff", "2026-01-01 00:00:00 "),
    ]
)


@given(st.lists(PIECES, max_size=60).map("".join), st.sampled_from(["utf-8", "utf-16", "latin-1"]))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_mixture_of_log_pieces_is_read(text: str, encoding: str) -> None:
    """Whatever stands beside whatever, facts come out as strict JSON, with lines inside the file."""
    log = read_log("a/train.log", text.encode(encoding, "replace")).facts
    json.loads(log.model_dump_json(), parse_constant=lambda name: pytest.fail(f"{name} in the facts"))
    for run in log.runs:
        assert 1 <= run.first_line <= run.last_line <= log.lines
        assert all(1 <= score.line <= log.lines for score in run.scores)


@given(st.binary(max_size=400), st.text(max_size=30))
@settings(deadline=None)
def test_any_bytes_are_read(data: bytes, path: str) -> None:
    """Neither function raises on any bytes or names."""
    is_log(path, data)
    read_log(path, data)


@pytest.mark.parametrize(
    "line",
    [
        "val_bpb" * 300,
        "bpb " * 500,
        "a" * 2000,
        "=" * 2000,
        " " * 1999 + "x",
        "calibrat" * 250,
        "ttt eval docs 1 " * 125,
        "total submission size " * 90,
        "serialized model code size " * 70,
        '{"config": ' * 180,
        "seed" * 500,
        "step " * 400,
        "NVIDIA A100 " * 160,
        "\x1b[" * 1000,
        "1:" * 1000,
    ],
    ids=lambda line: line[:12].strip() or "blank",
)
def test_no_line_is_expensive(line: str) -> None:
    """The longest line that patterns see takes milliseconds, whatever it repeats."""
    data = f"{line}\n".encode() * 50
    begin = time.process_time()
    read_log("train.log", data)
    assert time.process_time() - begin < 2.5


@pytest.mark.parametrize(
    "data",
    [
        b"\n" * 2_000_000,
        b"x" * 5_000_000,
        b"\r" * 1_000_000,
        b"import os\n" * 100_000,
        b"import os\nx\n" * 30_000,
        b"step:1/2 val_loss:1.0 val_bpb:1.0 train_time:1ms\n" * 20_000,
        b"final_q val_loss:1.0 val_bpb:1.0\n" * 20_000,
        b"seed:1\nstep:0/10 train_loss:1.0 train_time:1ms\nseed:2\n" * 10_000,
        b"Traceback (most recent call last):\n" * 20_000,
    ],
    ids=["lines", "line", "returns", "imports", "strays", "steps", "results", "seeds", "tracebacks"],
)
def test_bulk_is_bounded(data: bytes) -> None:
    """Megabytes of one thing are read in seconds and give facts of bounded size."""
    begin = time.process_time()
    log = read_log("train.log", data).facts
    assert time.process_time() - begin < 30
    assert len(log.model_dump_json()) < 2_000_000


def test_what_is_left_out_is_counted() -> None:
    """Scores and curve points beyond the limits are counted in `omitted`."""
    (run,) = read_log("train.log", b"step:1/2 val_loss:1.0 val_bpb:1.0 train_time:1ms\n" * 5_000).facts.runs
    assert run.omitted == 2 * 5_000 - len(run.scores) - len(run.curve)
