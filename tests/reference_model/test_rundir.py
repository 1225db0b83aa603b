"""The folder of a run: what is kept comes back, and another run's folder is not taken."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reference_model.presets import PRESETS
from reference_model.rundir import RunDir, RunError


@pytest.mark.parametrize("name", PRESETS)
def test_a_configuration_comes_back(tmp_path: Path, name: str) -> None:
    """Every preset through JSON, unchanged."""
    config = replace(PRESETS[name], data=replace(PRESETS[name].data, data_path="/data/x"))
    assert RunDir(tmp_path).begin(config) == config
    assert RunDir(tmp_path).config() == config


def test_another_run_is_not_overwritten(tmp_path: Path) -> None:
    """The same configuration goes on; another is refused."""
    config = replace(PRESETS["naive_baseline"], seed=1)
    RunDir(tmp_path).begin(config)
    RunDir(tmp_path).begin(config)
    with pytest.raises(RunError, match="another configuration"):
        RunDir(tmp_path).begin(replace(config, seed=2))


def test_no_run(tmp_path: Path) -> None:
    """An empty folder says what to do."""
    with pytest.raises(RunError, match=r"reference_model\.train"):
        RunDir(tmp_path).config()
    assert RunDir(tmp_path).load("weights") is None


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    """Weights cut off at any place, and a configuration that is no JSON: the message names the file."""
    run = RunDir(tmp_path)
    run.save("weights", {"a": torch.arange(300)})
    data = (tmp_path / "weights.pt").read_bytes()
    for length in (0, 1, 100, len(data) - 1):
        (tmp_path / "weights.pt").write_bytes(data[:length])
        with pytest.raises(RunError, match=r"weights\.pt is damaged"):
            run.load("weights")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RunError, match=r"config\.json cannot be read"):
        run.config()
    (tmp_path / "config.json").write_text('{"depth": 3}')
    with pytest.raises(RunError, match="depth"):
        run.config()


def test_tensors_come_back(tmp_path: Path) -> None:
    """State of a checkpoint, read without running code."""
    run = RunDir(tmp_path)
    run.save("weights", {"a": torch.arange(3), "step": 4})
    state = run.load("weights")
    assert state is not None
    assert torch.equal(state["a"], torch.arange(3))
    assert state["step"] == 4


def test_the_embedded_text_is_prepared_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tiny_cpu needs nothing on disk."""
    monkeypatch.chdir(tmp_path)
    config = RunDir(tmp_path / "run").begin(PRESETS["tiny_cpu"])
    assert Path(config.data.tokenizer_path).is_file()
    assert len(list(Path(config.data.data_path).glob("fineweb_*.bin"))) == 2
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"config.json", "data"}


def test_a_folder_may_be_named_in_another_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was begun by a relative path goes on by an absolute one, and finds its data from anywhere."""
    monkeypatch.chdir(tmp_path)
    RunDir(Path("run")).begin(PRESETS["tiny_cpu"])
    monkeypatch.chdir("/")
    config = RunDir(tmp_path / "run").begin(PRESETS["tiny_cpu"])
    assert config == RunDir(tmp_path / "run").config()
    assert Path(config.data.tokenizer_path).is_file()


def test_a_kill_while_data_is_prepared_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a data set is never taken for a whole one."""
    monkeypatch.chdir(tmp_path)

    def killed(output: Path, vocab_size: int) -> None:
        (output / "datasets" / f"english_sp{vocab_size}").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr("reference_model.rundir.prepare", killed)
    with pytest.raises(KeyboardInterrupt):
        RunDir(tmp_path / "run").begin(PRESETS["tiny_cpu"])
    assert not (tmp_path / "run" / "data").exists()
