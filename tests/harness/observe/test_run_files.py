"""The files of a run: whole ones only, shipped weights too, programs before weights where there is too much."""

from pathlib import Path

import pytest

from harness.observe import observe
from harness.observe.intake.folder import read_folder


def found(folder: Path) -> dict[str, int]:
    """Sizes of the files that a run of the folder finds."""
    intake, source = read_folder(folder)
    return {path: len(data) for path, data in observe.run_files(intake.folders[0], source).items()}


def test_weights_reach_the_run(tmp_path: Path) -> None:
    """A binary file larger than what a reader looks at is there, unchanged."""
    (tmp_path / "train_gpt.py").write_text("print(1)\n")
    (tmp_path / "model.ptz").write_bytes(bytes(13 << 20))
    assert found(tmp_path) == {"train_gpt.py": 9, "model.ptz": 13 << 20}


def test_what_is_too_much_is_left_out_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is cut; texts come first, then the small."""
    monkeypatch.setattr(observe, "TOTAL_LIMIT", 3_000)
    monkeypatch.setattr(observe, "RUN_FILE_LIMIT", 2_000)
    for name, size in (("a.bin", 1_500), ("b.bin", 900), ("c.bin", 2_500), ("train_gpt.py", 1_000)):
        (tmp_path / name).write_bytes(b"#" * size)
    assert found(tmp_path) == {"train_gpt.py": 1_000, "b.bin": 900}
