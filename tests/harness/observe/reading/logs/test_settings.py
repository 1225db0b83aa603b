"""Settings: dumps, settings lines, JSON and calls; and what is telemetry instead."""

import pytest

from harness.observe.reading.logs.lines import clean_lines, split_lines
from harness.observe.reading.logs.settings import MAX_SETTINGS, MAX_VALUES, SettingsReader


def read(text: str, *, header: bool = True) -> dict[str, str]:
    """The settings of `text` by name."""
    reader = SettingsReader()
    for line in clean_lines(split_lines(text)[0]):
        reader.read(line, header=header)
    return {setting.name: setting.value for setting in reader.settings}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tie_embeddings:True embed_lr:0.05", {"tie_embeddings": "True", "embed_lr": "0.05"}),
        ("train_batch_tokens:524288 train_seq_len:1024", {"train_batch_tokens": "524288", "train_seq_len": "1024"}),
        ("seed: 42", {"seed": "42"}),
        ("recur_layers:[4, 5] recur_start_step:3000", {"recur_layers": "[4,5]", "recur_start_step": "3000"}),
        (
            "Hyperparameters:\n  data_dir: ./data set\n  artifact_dir: \n",
            {"data_dir": "./data set", "artifact_dir": ""},
        ),
        ('args: {"betas": [0.9, 0.95], "name": "a, b"}', {"betas": "[0.9, 0.95]", "name": "a, b"}),
        ("Hyperparameters(seed=42, path='a b', qat=True)", {"seed": "42", "path": "a b", "qat": "True"}),
        ("# env:MAX_WALLCLOCK_SECONDS=600.0", {"MAX_WALLCLOCK_SECONDS": "600.0"}),
        ("  SEED=314 \\", {"SEED": "314"}),
        ("+ export NUM_LOOPS=2", {"NUM_LOOPS": "2"}),
        ("warmup_step:1/20", {}),
        ("see https://example.org/a", {}),
        ("GPTQ:collecting Hessians from calibration data...", {}),
    ],
)
def test_settings_before_training(text: str, expected: dict[str, str]) -> None:
    """Every form in which scripts print their configuration is read."""
    assert read(text) == expected


def test_a_dump_ends_at_the_first_other_line() -> None:
    """Log lines behind a dump are not part of it."""
    assert read("Hyperparameters:\n  seed: 1\ntrained well enough: yes indeed it was\n  gptq (int6): blocks\n") == {
        "seed": "1"
    }


def test_after_the_start_only_phases_announce_settings() -> None:
    """Telemetry of training is no configuration; the start line of a later phase is."""
    assert read("swa_n:3 mem:20968", header=False) == {}
    assert read("ttt:start chunks=12 ttt_lr=0.002", header=False) == {"ttt": "start", "chunks": "12", "ttt_lr": "0.002"}


def test_telemetry_does_not_flood() -> None:
    """A name with ever new values is cut after a few; different names are cut at the limit and counted."""
    reader = SettingsReader()
    for line in clean_lines(split_lines("\n".join(f"c:{n} t:{n}s" for n in range(100)))[0]):
        reader.read(line, header=True)
    assert len(reader.settings) == 2 * MAX_VALUES
    for line in clean_lines(split_lines("\n".join(f"name{n}:1" for n in range(2 * MAX_SETTINGS)))[0]):
        reader.read(line, header=True)
    assert len(reader.settings) == MAX_SETTINGS
    assert reader.omitted == MAX_SETTINGS + 2 * MAX_VALUES
