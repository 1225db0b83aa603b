"""The benchmark of speed: operations by the formula, and numbers that are those of the scripts' own logs."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reference_model.presets import PRESETS

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import throughput

FAKE = """
import os
for step in range(1, int(os.environ["ITERATIONS"]) + 1):
    print(f"step:{step}/9 train_loss:3.0000 train_time:{1000 + 500 * step}ms step_avg:9.00ms")
print("val_loader:shards pattern=x tokens:6000")
print("peak memory allocated: 321 MiB reserved: 400 MiB")
print("final_int8_zlib_roundtrip val_loss:3.0000 val_bpb:1.5000 eval_time:2000ms")
print("final_int8_zlib_roundtrip_exact val_loss:3.00000000 val_bpb:1.50000000")
"""


@pytest.mark.parametrize(
    ("name", "changes", "millions"),
    [
        ("naive_baseline", {}, 131),
        ("pr371", {"xsa_last_n": 0}, 228),
        ("score_first_1493", {"loop_at": 1.0}, 285),
        ("score_first_1493", {"loop_at": 0.0}, 426),
    ],
)
def test_operations_are_those_of_the_published_figures(name: str, changes: dict[str, object], millions: float) -> None:
    """6 (weights + V D) + 6 L D T a token: what the competition's stacks are compared by, to two in a hundred."""
    config = PRESETS[name]
    model = replace(config.model, **changes)  # type: ignore[arg-type]  # fields by name
    found = throughput.flops_per_token(model, config.data.train_seq_len, training=True)
    assert found / 1e6 == pytest.approx(millions, rel=0.02)
    assert found == 3 * throughput.flops_per_token(model, config.data.train_seq_len, training=False)


def test_a_window_leaves_fewer_scores() -> None:
    """Attention to 192 tokens costs less than to all of 256, and not less than its weights."""
    model = PRESETS["pr1254"].model
    windowed, full = (
        throughput.flops_per_token(replace(model, attention_window=window), 256, training=False) for window in (192, 0)
    )
    assert windowed < full
    assert full - windowed == pytest.approx(11 * 4 * 416 * sum(range(1, 65)) / 256)


def test_a_preset_beside_another_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The preset really runs, at a small size; the other's numbers are those that it prints: 32 tokens in 0.5 s."""
    other = tmp_path / "other.py"
    other.write_text(FAKE)
    sizes = {"MODEL_DIM": 32, "NUM_LAYERS": 1, "TRAIN_SEQ_LEN": 32, "TRAIN_BATCH_TOKENS": 32, "OMP_NUM_THREADS": 1}
    for variable, value in sizes.items():
        monkeypatch.setenv(variable, str(value))
    given = ["throughput", "--steps", "4", "--val-tokens", "600", "--peak", "1", "--against", str(other)]
    monkeypatch.setattr(sys, "argv", given)
    throughput.main()
    said = capsys.readouterr().out
    assert "tiny_cpu at 32 tokens a step; peak 1.000 TFLOP/s, given" in said
    assert "tokens/s  (plain)" in said
    theirs = said[said.index(f"{other}: ") :].split("\n")
    assert theirs[0].endswith("0 parameters, 321 MiB")
    assert "          64 tokens/s    0.0 % of the peak" in theirs[1]
    assert "       3,000 tokens/s" in theirs[2]
    assert "times the speed of" in said


def test_a_script_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    """And so is one that prints nothing that could be read."""
    script = tmp_path / "broken.py"
    script.write_text("raise SystemExit('no data')")
    with pytest.raises(RuntimeError, match="ended with 1: no data"):
        throughput.measured(script, tmp_path / "a", {}, 1, 32)
    script.write_text("print('step:1/1 train_loss:3.0 train_time:5ms')")
    with pytest.raises(RuntimeError, match="give it more --steps"):
        throughput.measured(script, tmp_path / "b", {}, 1, 32)
