"""Submissions: a folder with script, README, metadata and true logs, that the harness's own reader takes."""

import datetime as dt
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from reference_model.presets import TINY_CPU
from reference_model.submission import UNPACK, Described, read_result, wrapped, write_submission

DESCRIBED = Described("Tiny", "Somebody", "somebody", "cpu_demo", dt.date(2026, 1, 2), "2 CPU cores", "golf bundle")
SHORT = replace(
    TINY_CPU,
    model=replace(TINY_CPU.model, model_dim=32, num_layers=1),
    data=replace(TINY_CPU.data, train_seq_len=32, train_batch_tokens=64, micro_batch_tokens=64),
    schedule=replace(TINY_CPU.schedule, iterations=2, warmdown_iters=1, val_loss_every=0),
)


@pytest.mark.parametrize("pack_code", [False, True])
def test_a_folder_with_a_run(tmp_path: Path, pack_code: bool) -> None:
    """The script is really run; log, artifact, README and submission.json agree to the digit and the byte."""
    folder = tmp_path / "2026-01-02_Tiny"
    (result,) = write_submission(SHORT, folder, DESCRIBED, (7,), pack_code=pack_code)
    names = {"train_gpt.py", "submission.json", "README.md", "train_seed7.log", "final_model.bin"}
    assert {path.name for path in folder.iterdir()} == names
    code, artifact = (folder / "train_gpt.py").stat().st_size, (folder / "final_model.bin").stat().st_size
    assert result.bytes_total == code + artifact
    metadata = json.loads((folder / "submission.json").read_text())
    assert (metadata["val_bpb"], metadata["bytes_total"], metadata["seeds"]) == (result.val_bpb, code + artifact, [7])
    log = (folder / "train_seed7.log").read_text()
    assert log.startswith((folder / "train_gpt.py").read_text())
    assert str(tmp_path) not in log
    readme = (folder / "README.md").read_text()
    assert f"{result.val_bpb:.8f}**, one seed, on 2 CPU cores" in readme
    assert "prepare --output data --vocab-size 1024" in readme
    assert (UNPACK in readme) is pack_code
    assert "val_bpb_std" not in metadata, "one seed has no spread"


def test_the_command_for_a_wrapped_script_shows_what_it_runs(tmp_path: Path) -> None:
    """What the README of such a folder says."""
    (tmp_path / "train_gpt.py").write_text(wrapped("FOUND = 42\n"))
    shown = subprocess.run(UNPACK, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "FOUND=42"


def test_without_seeds_nothing_is_claimed(tmp_path: Path) -> None:
    """No run, no number."""
    write_submission(SHORT, tmp_path / "x", DESCRIBED)
    metadata = json.loads((tmp_path / "x" / "submission.json").read_text())
    assert "val_bpb" not in metadata
    assert "val_bpb" not in (tmp_path / "x" / "README.md").read_text()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    """Nobody's work is overwritten."""
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        write_submission(SHORT, tmp_path, DESCRIBED)


def test_a_log_without_a_score_is_no_result() -> None:
    """A run that ended early gives no number."""
    with pytest.raises(RuntimeError, match="seed 3"):
        read_result(3, "step:1/2 train_loss:3.0\n")


def test_a_wrapped_script_is_small_and_unpacks_to_the_same_program() -> None:
    """One line that imports, decompresses and runs."""
    text = "def double(x):\n    '''Twice.'''\n    return 2 * x\nFOUND = double(21)\n"
    scope: dict[str, object] = {}
    exec(wrapped(text), scope)
    assert scope["FOUND"] == 42
