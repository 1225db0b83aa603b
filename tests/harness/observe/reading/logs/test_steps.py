"""Step lines of all dialects, the line that stops training, and the curve."""

from itertools import pairwise

import pytest

from harness.observe.reading.logs.lines import Line
from harness.observe.reading.logs.steps import MAX_POINTS, Step, curve, read_step, read_stop


def line(text: str, number: int = 1) -> Line:
    """`text` as a line."""
    return Line(number, text, text.lower())


@pytest.mark.parametrize(
    ("text", "dialect", "expected"),
    [
        (
            "step:50/20000 train_loss:2.5 train_time:6000ms step_avg:120ms",
            "baseline",
            (50, 20000, 2.5, None, None, 6.0),
        ),
        (
            "step:60/20000 val_loss:2.06 val_bpb:1.21 train_time:600038ms",
            "baseline",
            (60, 20000, None, 2.06, 1.21, 600.038),
        ),
        ("5/300 train_loss: 9.0 train_time: 4.2m tok/s: 7730924", "refactored", (5, 300, 9.0, None, None, 252.0)),
        ("300/300 val_loss: 2.35 val_bpb: 1.07", "refactored", (300, 300, None, 2.35, 1.07, None)),
        ("s:7/300 vl:6.9 bpb:4.1 tt:10ms sa:0.01ms", "short", (7, 300, None, 6.9, 4.1, 0.01)),
        ("Step 500/5000 | Loss 5.09 | LR 9.76e-04 | Time 53s", None, (500, 5000, 5.09, None, None, 53.0)),
        ("step  1000 | val_loss 2.22 | val_bpb 1.12", None, (1000, None, None, 2.22, 1.12, None)),
        ("step:4622 val_loss:2.05 val_bpb:1.21", "baseline", (4622, None, None, 2.05, 1.21, None)),
    ],
)
def test_step_lines(text: str, dialect: str | None, expected: tuple[object, ...]) -> None:
    """Step, plan, losses and clock come out in one form, whatever the dialect."""
    step = read_step(line(text))
    assert step is not None
    assert step.dialect == dialect
    assert step[:6] == expected
    assert not step.broken


@pytest.mark.parametrize(
    "text",
    [
        "warmup_step:1/20",
        "loop_warmup_step: 1/20",
        "swa:start step:5550",
        "late_qat:enabled step:6751 scale:0.0998",
        "782/782 loss:1.79 bpb:1.08 running_loss:1.79",
        "  step done ep=1 bs=0 loss=2.0755",
        "step:200 shared0_alpha:mean=0.441",
        "stopping_early: wallclock_cap train_time:600061ms step:13764/20000",
    ],
)
def test_other_counters_are_no_training_steps(text: str) -> None:
    """Warm-up, evaluation batches and telemetry do not make a curve."""
    assert read_step(line(text)) is None


def test_a_loss_that_is_not_finite_is_noted() -> None:
    """`nan` is no number, but it is news."""
    step = read_step(line("step:9/20 train_loss:nan train_time:5ms"))
    assert step is not None
    assert step.train_loss is None
    assert step.broken


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stopping_early: wallclock_cap train_time:600061ms step:13764/20000", (13764, 20000, 600.061)),
        ("stopping_early: wallclock_cap train_time: 590009ms step: 5962/20000", (5962, 20000, 590.009)),
        ("Stopping early at step 1858 (wallclock limit)", (1858, None, None)),
        ("Wallclock limit reached (590s), will stop after this step", (None, None, None)),
    ],
)
def test_the_end_of_training(text: str, expected: tuple[object, ...]) -> None:
    """The line that stops training gives step, plan and clock as far as it prints them."""
    stop = read_stop(line(text))
    assert stop is not None
    assert stop[:3] == expected


def test_a_long_curve_is_thinned_evenly() -> None:
    """First and last point stay, and no more than the limit."""
    steps = [Step(n, None, 1.0, None, None, None, False, None, line("", n + 1)) for n in range(10_000)]
    points = curve(steps)
    assert len(points) == MAX_POINTS
    assert (points[0].step, points[-1].step) == (0, 9_999)
    gaps = {b.step - a.step for a, b in pairwise(points)}
    assert gaps <= {16, 17}
