"""Schedules: they fall to their end with whichever clock ends first."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_model.config import OptimConfig, ScheduleConfig
from reference_model.optim.schedule import Progress, lr_scale, muon_momentum, share_done

STEPS = ScheduleConfig(iterations=100, max_wallclock_seconds=0, warmdown_iters=40)


def test_warmdown_by_steps() -> None:
    """Constant, then a line to zero over the last 40 steps."""
    assert [lr_scale(STEPS, Progress(step, 0.0)) for step in (0, 60, 80, 100)] == [1.0, 1.0, 0.5, 0.0]


def test_warmdown_ends_with_the_time() -> None:
    """At a second a step and a limit of 50 seconds, the decay of 40 steps begins at step 10."""
    config = ScheduleConfig(iterations=100, max_wallclock_seconds=50, warmdown_iters=40)
    assert lr_scale(config, Progress(10, 10.0)) == 1.0
    assert lr_scale(config, Progress(30, 30.0)) == pytest.approx(0.5)
    assert lr_scale(config, Progress(50, 50.0)) == 0.0


def test_cosine_is_half_way_in_the_middle() -> None:
    """Half a cosine over the run."""
    config = ScheduleConfig(iterations=100, max_wallclock_seconds=0, schedule="cosine")
    assert lr_scale(config, Progress(50, 0.0)) == pytest.approx(0.5)


@given(
    st.sampled_from(["warmdown", "cosine"]),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from([0.0, 30.0]),
    st.sampled_from([0.0, 0.1]),
)
def test_it_never_rises_and_ends_at_the_least(schedule: str, frac: float, limit: float, least: float) -> None:
    """At an even pace, from one down to `min_lr`."""
    config = ScheduleConfig(
        iterations=60,
        max_wallclock_seconds=limit,
        warmdown_iters=20,
        schedule=schedule,
        warmdown_frac=frac,
        min_lr=least,
    )
    last = 60 if not limit else 30
    scales = [lr_scale(config, Progress(step, float(step))) for step in range(last + 1)]
    assert scales[0] == pytest.approx(1.0)
    assert all(a >= b - 1e-12 for a, b in pairwise(scales))
    assert scales[-1] == pytest.approx(least)
    assert share_done(config, Progress(last, float(last))) == 1.0


def test_momentum_rises_in_a_line() -> None:
    """From start to end, then it stays."""
    config = OptimConfig(muon_momentum=0.95, muon_momentum_start=0.85, muon_momentum_steps=100)
    assert [muon_momentum(config, step) for step in (0, 50, 100, 900)] == pytest.approx([0.85, 0.9, 0.95, 0.95])
