"""Events: the kind of each line that tells the order of work."""

import pytest

from harness.observe.reading.logs import events
from harness.observe.reading.logs.events import read_event
from harness.observe.reading.logs.lines import Line


@pytest.mark.parametrize(
    ("text", "kind", "seconds"),
    [
        ("stopping_early: wallclock_cap train_time:600061ms step:13764/20000", "stopping_early", 600.061),
        ("Training complete in 538s", "training_end", 538.0),
        ("phase:train wall_ms:613779 steps:6997", "training_end", 613.779),
        ("warmup_step:1/20", "warmup", None),
        ("gptq:calibrating with training data...", "gptq_calibration", None),
        ("GPTQ:collected 67 Hessians in 4.9s", "gptq_calibration", 4.9),
        ("Quantized weights:", "quantize", None),
        ("Serialized model int8+zlib: 15814468 bytes", "serialize", None),
        ("prequant_ttt:done elapsed=102.7s", "prequant_ttt", 102.7),
        ("beginning TTT eval timer", "ttt_start", None),
        ("ttt_sliding:start chunks=1893 ttt_lr=0.002", "ttt_start", None),
        ("Phase 3: LoRA TTT Evaluation (rank=8, 1 GPUs)", "ttt_start", None),
        ("Phase 2: Standard Evaluation (no TTT)", "eval_start", None),
        ("ttt_sliding:done val_loss=1.88 val_bpb=1.11 elapsed=409.8s", "ttt_end", 409.8),
        ("slot_sliding:start windows=969088 stride=64", "slot", None),
        ("ngram_two_pass: starting Pass 2", "ngram", None),
        ("final_eval_mode:sliding_window stride:64", "sliding_eval", None),
        ("final_eval_mode:standard", "eval_start", None),
        ("artifact_production_wallclock: 825.352s (must be < 600.0)", "clock", 825.352),
        ("SIZE CHECK PASSED: 15.29 MB < 16.00 MB", "size_check", None),
        ("  Status:       ⚠️ OVER TIME", "over_time", None),
        ("Status: NEEDS_FIX", "needs_fix", None),
        ("Status: SUCCESS", "status", None),
        ("Traceback (most recent call last):", "traceback", None),
    ],
)
def test_kinds(text: str, kind: str, seconds: float | None) -> None:
    """Each line of work has one kind, and its duration where it prints one."""
    event = read_event(Line(7, text, text.lower()))
    assert event is not None
    assert (event.kind, event.seconds, event.line) == (kind, seconds, 7)


@pytest.mark.parametrize(
    "text",
    [
        "train_seq_len:1024 max_wallclock_seconds:600.000",
        "quantized_ttt_phased val_loss:2.32 val_bpb:1.06",
        "model_params:17059912",
        "W0412 codecache.py:1021] [0/6] Traceback (most recent call last):",
    ],
)
def test_other_lines_are_no_events(text: str) -> None:
    """Settings, scores and the warnings of libraries tell no order of work."""
    assert read_event(Line(1, text, text.lower())) is None


def test_the_kinds_are_documented() -> None:
    """The module's text lists the fixed words: judges rely on them."""
    assert events.__doc__ is not None
    assert all(f"`{kind.kind}`" in events.__doc__ for kind in events.KINDS.things)
