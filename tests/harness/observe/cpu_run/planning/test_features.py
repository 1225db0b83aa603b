"""Features that a launch enables, and how often a step reads the clock."""

import pytest

from harness.model.base import At, Scalar
from harness.model.launch import LaunchFacts, Setting
from harness.model.plan import Feature
from harness.observe.cpu_run.planning.features import expected
from harness.observe.cpu_run.planning.pace import readings_per_step
from harness.observe.reading.source.grammar import parse


def _enabled(**settings: Scalar) -> dict[Feature, bool]:
    made = tuple(
        Setting(name=name, env=name.upper(), default=None, value=value, declared=At(path="a.py", line=1))
        for name, value in settings.items()
    )
    found = expected(LaunchFacts(script="a.py", reason="name", settings=made))
    return {one.feature: one.enabled for one in found}


@pytest.mark.parametrize(
    ("settings", "feature", "enabled"),
    [
        ({"eval_stride": 64}, Feature.SLIDING, True),
        ({"eval_stride": 0}, Feature.SLIDING, False),
        ({"eval_stride": 64, "sliding_window_enabled": False}, Feature.SLIDING, False),
        ({"ttt_enabled": False, "ttt_epochs": 3}, Feature.TTT, False),
        ({"ttt_enabled": True, "ttt_epochs": 3}, Feature.TTT, True),
        ({"ttt_epochs": 3}, Feature.TTT, True),
        ({"ttt_lora_rank": 8}, Feature.TTT, True),
        ({"ttt_lora_rank": 0}, Feature.TTT, False),
        ({"slot_enabled": 1}, Feature.SLOT, True),
        ({"gptq_calib_batches": 64}, Feature.GPTQ, True),
        ({"gptq_batches": 64}, Feature.GPTQ, True),
        ({"qat_bits": 6}, Feature.QAT, True),
        ({"ema_decay": 0.997}, Feature.EMA, True),
        ({"swa_enabled": "false", "swa_every": 50}, Feature.SWA, False),
        ({"late_qat_threshold": 0.15}, Feature.QAT, True),
        ({"ngram_eval_order": 7}, Feature.NGRAM, True),
    ],
)
def test_switches_outrank_sizes(settings: dict[str, Scalar], feature: Feature, *, enabled: bool) -> None:
    """A switch decides; where there is none, a size above zero does."""
    assert _enabled(**settings)[feature] is enabled


def test_what_no_setting_names_is_not_expected() -> None:
    """Nothing is said of features without a setting."""
    assert _enabled(ttt_lr=0.1, model_dim=512) == {}


def test_readings_of_the_training_loop() -> None:
    """Readings that no condition guards count, in the largest loop that is no evaluation."""
    text = """
def eval_val():
    while True:
        time.time()
        time.time()
        time.time()
        time.time()
        time.time()
def main():
    for i in range(3):
        warm(time.time())
    while True:
        if step % 10 == 0 and time.perf_counter() > 3:
            print(time.perf_counter())
        loss.backward()
        elapsed = time.perf_counter() - t0
"""
    assert readings_per_step(parse(text)) == 2
    assert readings_per_step(parse("for i in range(3):\n    step()")) == 0
    assert readings_per_step(parse("while (:")) == 0
