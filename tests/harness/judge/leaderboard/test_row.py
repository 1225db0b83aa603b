"""Which runs make the score of a row."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_support.rows import log, row_case, run, score

from harness.judge.leaderboard.row import evidence, mean_and_deviation
from harness.model.logs import LogFacts

SCORES = st.lists(st.floats(0.9, 1.3).map(lambda value: round(value, 8)), min_size=1, max_size=6, unique=True)


def seeds(values: list[float]) -> list[LogFacts]:
    """One log a score, each under a seed of its own."""
    return [log(f"train_seed{i}.log", run(score("final", v), seed=i)) for i, v in enumerate(values)]


def counted(*logs: LogFacts) -> list[float | None]:
    """Scores of the runs that make the score."""
    return [one.score.val_bpb for one in evidence(row_case(*logs))]


@given(SCORES, st.randoms())
def test_every_seed_counts_once(values: list[float], order: object) -> None:
    """Copies of logs, in whatever order, change neither the runs nor their number."""
    logs = seeds(values)
    copies = [one.model_copy(update={"path": f"copy_{one.path}"}) for one in logs]
    both = logs + copies
    order.shuffle(both)  # type: ignore[attr-defined]
    assert sorted(counted(*both)) == sorted(values)  # type: ignore[type-var]


@given(SCORES)
def test_mean_and_deviation(values: list[float]) -> None:
    """The mean lies among the scores; the deviation is of the sample and absent for one run."""
    mean, deviation = mean_and_deviation(values)
    assert mean is not None
    assert min(values) - 1e-12 <= mean <= max(values) + 1e-12
    assert (deviation is None) == (len(values) == 1)
    if deviation is not None:
        assert deviation == pytest.approx(math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)))


@given(SCORES)
def test_label_is_common_to_all(values: list[float]) -> None:
    """A further evaluation of one seed alone, and progress lines after the result, never count."""
    logs = seeds(values)
    extra = run(score("final", values[0]), score("tried", 2.0), score("final", 1.9, diagnostic=True), seed=0)
    logs[0] = log(logs[0].path, extra)
    expected = values if len(values) > 1 else [2.0]
    assert sorted(counted(*logs)) == sorted(expected)  # type: ignore[type-var]


def test_exact_before_rounded() -> None:
    """Of one label printed twice the exact score counts, whichever stands last."""
    twice = run(score("final", 1.08123456, exact=True), score("final", 1.0812))
    assert counted(log("train.log", twice)) == [1.08123456]


def test_restarted_log() -> None:
    """A file that was started again under the same seed holds one run, the last."""
    assert counted(log("train.log", run(score("final", 1.2)), run(score("final", 1.1)))) == [1.1]


def test_one_log_of_several_seeds() -> None:
    """Seeds trained one after the other into one file are runs of their own."""
    runs = [run(score("final", 1.1 + i / 100), seed=i) for i in range(3)]
    assert counted(log("train.log", *runs)) == [1.1, 1.11, 1.12]


def test_summary_adds_nothing() -> None:
    """A log that repeats the scores of others is no further run; equal scores of two seeds are two runs."""
    logs = seeds([1.1, 1.2])
    summary = log("summary.log", run(score("final", 1.1), seed=None), run(score("final", 1.2), seed=0))
    assert counted(*logs, summary) == [1.1, 1.2, 1.2]
    assert counted(*logs, log("summary.log", run(score("final", 1.1), seed=None))) == [1.1, 1.2]


def test_root_before_sub_folders() -> None:
    """Ablations in sub-folders count only where the root holds no log."""
    inner = log("ablation/train.log", run(score("final", 1.0), seed=9))
    assert counted(*seeds([1.1]), inner) == [1.1]
    assert counted(inner) == [1.0]


def test_label_spelled_in_two_ways() -> None:
    """Final labels that differ by words of packing are one; a label with a further evaluation in it is another."""
    first = log("a.log", run(score("plain", 1.2), score("final_ttt_lora", 1.1), seed=1))
    second = log("b.log", run(score("plain", 1.3), score("final_int8_ttt_lora", 1.12), seed=2))
    assert counted(first, second) == [1.1, 1.12]
    other = log("b.log", run(score("plain", 1.3), score("final_sliding", 1.12), seed=2))
    assert counted(first, other) == [1.2, 1.3]


def test_reruns_of_one_seed() -> None:
    """Several logs of one seed and one configuration all count: they are measurements of the same thing."""
    logs = [log(f"v{i}.log", run(score("final", 1.1 + i / 100), seed=1337)) for i in range(3)]
    assert len(counted(*logs)) == 3


def test_no_score() -> None:
    """A log without any final score gives no run."""
    assert counted(log("train.log", run(score("step", 1.1, diagnostic=True)))) == []
