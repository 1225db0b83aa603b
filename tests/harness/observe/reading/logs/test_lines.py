"""Lines: numbering, bounds, and the prefixes that launchers put before them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.observe.reading.logs import lines
from harness.observe.reading.logs.lines import clean_lines, split_lines
from harness.observe.reading.logs.numbers import integer, real, seconds


def clean(text: str) -> str:
    """The text of the one line in `text`."""
    (line,) = clean_lines([(1, text)])
    return line.text


@pytest.mark.parametrize(
    "prefix",
    [
        "1776144156.999 ",
        "2026-04-30T20:17:12Z ",
        "[2026-03-23 04:03:20] INFO: ",
        "2026-03-23 04:03:20,123 ",
        "[05:05:53] ",
        "[Thu Apr 30 12:44:39 UTC 2026] ",
        "[rank0]: ",
        "[default7]:",
        "[2026-03-23 04:03:20] [rank3]: ",
        "training:  50%|#####     | 500/1000 [00:35<00:20, 24.04it/s, loss=1.9]",
        "ablation8x_r2_d704e768_w2200: ",
    ],
)
def test_prefixes_are_taken_off(prefix: str) -> None:
    """Time stamps, ranks, run names and progress bars are no part of what a line says."""
    assert clean(prefix + "step:1/20 train_loss:6.9") == "step:1/20 train_loss:6.9"


@pytest.mark.parametrize("text", ["12/20000 val_loss: 2.1", "  seed: 42", "[1] baseline", "final: val_bpb:1.2"])
def test_other_beginnings_stay(text: str) -> None:
    """Numbers, indentation and short words at the start belong to the line."""
    assert clean(text) == text


def test_colours_are_taken_off() -> None:
    """Terminal colours do not hide a number."""
    assert clean("\x1b[32mval_bpb:\x1b[0m1.2") == "val_bpb:1.2"


def test_stamped_lines_are_marked() -> None:
    """The stamped dialect is told by its lines."""
    (line,) = clean_lines([(3, "1776144156.999 total_eval_time:500.1s")])
    assert line.stamped
    assert line.number == 3


def test_the_middle_of_a_long_log_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start and end are read with their own line numbers, and the lines between are counted."""
    monkeypatch.setattr(lines, "MAX_LINES", 6)
    numbered, total, omitted = split_lines("".join(f"{n}\n" for n in range(1, 101)))
    assert numbered == [(1, "1"), (2, "2"), (3, "3"), (98, "98"), (99, "99"), (100, "100")]
    assert (total, omitted) == (100, 94)


@given(st.text(alphabet="ab\n", max_size=40), st.integers(2, 10))
def test_every_numbered_line_is_the_line_of_that_number(text: str, limit: int) -> None:
    """Whatever is left out, line numbers stay those of the file."""
    whole = text.split("\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "MAX_LINES", limit)
        numbered, total, omitted = split_lines(text)
    assert len(numbered) + omitted == total
    assert all(whole[number - 1] == line for number, line in numbered)


def test_long_lines_are_cut() -> None:
    """A line of megabytes costs no more than a long one."""
    assert len(clean("x" * 5_000_000)) == lines.MAX_LENGTH


@pytest.mark.parametrize(
    ("text", "value"),
    [("15,863,489", 15863489), ("1_000", 1000), ("²", None), ("", None), ("9" * 19, None), ("9" * 400, None)],
)
def test_integers(text: str, value: int | None) -> None:
    """Thousands separators are read; what no log counts is no integer."""
    assert integer(text) == value


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("600061", "ms", 600.061),
        ("5.3", "m", 318.0),
        ("2", "hours", 7200.0),
        ("1,018", None, 1018.0),
        ("1.2.3", "s", None),
    ],
)
def test_durations_become_seconds(text: str, unit: str | None, value: float | None) -> None:
    """All clocks are compared in seconds."""
    assert seconds(text, unit) == value


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "1e999", "x"])
def test_what_is_not_finite_is_no_number(text: str) -> None:
    """Facts forbid NaN and infinity."""
    assert real(text) is None
