"""The three command lines: from nothing to a score, through a kill, and what a user did wrong in one line."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest
import torch

from reference_model import evaluate, pack, train
from reference_model.commands import told

ROOT = Path(__file__).parents[2]
SIZES = {
    "VOCAB_SIZE": "512",
    "NUM_LAYERS": "2",
    "MODEL_DIM": "32",
    "TRAIN_SEQ_LEN": "32",
    "TRAIN_BATCH_TOKENS": "256",
    "MICRO_BATCH_TOKENS": "256",
    "VAL_LOSS_EVERY": "0",
    "DATA_PATH": "english_sp512",
    "EVAL_BATCH_SEQS": "64",
    "OMP_NUM_THREADS": "1",
}
"""A network that makes a hundred steps in seconds."""


def command(module: str, arguments: Sequence[object], **variables: str) -> subprocess.Popen[str]:
    """A process of one of the command lines."""
    return subprocess.Popen(
        [sys.executable, "-m", f"reference_model.{module}", *map(str, arguments)],
        env={**os.environ, **SIZES, "PYTHONPATH": str(ROOT), **variables},
        cwd="/",
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ran(module: str, arguments: Sequence[object], **variables: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    process = command(module, arguments, **variables)
    out, error = process.communicate(timeout=250)
    return process.returncode, out, error


class Told:
    """A command line in this process: as `told` runs it, with arguments and variables of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, module: ModuleType, arguments: Sequence[object], **variables: str) -> str:
        """What it says on standard error, which is one line, before it ends with exit code 2."""
        for name, value in {**SIZES, **variables}.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            told(module.main)
        out, error = self.capsys.readouterr()
        assert (end.value.code, error.count("\n")) == (2, 1), error
        assert "final_" not in out
        assert error.startswith("reference_model: ")
        return error


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """See `Told`."""
    return Told(monkeypatch, capsys)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained and packed."""
    folder = tmp_path_factory.mktemp("commands") / "run"
    code, out, error = ran("train", ["--preset", "tiny_cpu", "--run", folder], ITERATIONS="6")
    assert code == 0, error
    assert "step:6/6 val_loss:" in out
    assert "loss in nats per token over the steps" in error
    assert (folder / "logs" / "reference.txt").read_text() == out
    code, out, error = ran("pack", ["--run", folder])
    assert code == 0, error
    artifact = folder / "final_model.bin"
    assert out == f"{artifact}: {artifact.stat().st_size} bytes (int8, zlib)\n"
    return folder


def test_the_artifact_is_scored_from_disk(run: Path) -> None:
    """Without the weights the score is there all the same; the log goes on; the environment chooses the way."""
    (run / "weights.pt").rename(run / "hidden.pt")
    try:
        code, out, error = ran("evaluate", ["--run", run], EVALUATION="sliding", EVAL_STRIDE="32")
    finally:
        (run / "hidden.pt").rename(run / "weights.pt")
    assert code == 0, error
    assert re.fullmatch(
        r"final_sliding val_loss:.* eval_time:\d+ms\nfinal_sliding_exact val_loss:\S+ val_bpb:\S+\n", out
    )
    assert (run / "logs" / "reference.txt").read_text().endswith(out)


def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    """SIGKILL between two checkpoints, then the same command again: bit for bit, with EMA, and one log."""
    given = {"ITERATIONS": "150", "AVERAGING": "ema"}
    arguments = ["--preset", "tiny_cpu", "--checkpoint-every", "7", "--run"]
    assert ran("train", [*arguments, tmp_path / "whole"], **given)[0] == 0
    process = command("train", [*arguments, tmp_path / "killed"], **given)
    log = tmp_path / "killed" / "logs" / "reference.txt"
    deadline = time.monotonic() + 200
    while not (log.exists() and "step:20/150" in log.read_text()):
        assert time.monotonic() < deadline, "it never came to step 20"
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "weights.pt").exists()
    assert ran("train", [*arguments, tmp_path / "killed"], **given)[0] == 0
    resumed = re.search(r"^resumed at step (\d+)$", log.read_text(), re.MULTILINE)
    assert resumed is not None
    assert 0 < int(resumed[1]) < 150
    assert int(resumed[1]) % 7 == 0
    whole, again = (torch.load(tmp_path / name / "weights.pt", weights_only=True) for name in ("whole", "killed"))
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


@pytest.mark.parametrize(
    ("module", "arguments", "variables", "message"),
    [
        (train, ["--preset", "huge"], {}, r"there is no preset 'huge'; there are naive_baseline, .*tiny_cpu"),
        (train, [], {"DATA_PATH": "/nowhere"}, r"/nowhere/fineweb_val_\*\.bin: no such shard; set DATA_PATH"),
        (
            train,
            [],
            {"DATA_PATH": "/x", "TOKENIZER_PATH": "/no.model"},
            r"/no\.model: no tokenizer; set TOKENIZER_PATH",
        ),
        (train, [], {"MODEL_DIM": "wide"}, r"MODEL_DIM is 'wide'; give int"),
        (train, [], {"TRAIN_SEQ_LEN": "48"}, r"TRAIN_BATCH_TOKENS is 256; make it a multiple of TRAIN_SEQ_LEN, 48"),
        (train, [], {"VOCAB_SIZE": "300", "DATA_PATH": "english_sp300"}, r"no tokenizer of 300 pieces"),
        (
            train,
            [],
            {"AVERAGING": "swa", "WARMDOWN_ITERS": "0", "ITERATIONS": "1"},
            r"SWA has no snapshot: .*SWA_START",
        ),
        (pack, [], {}, r"holds no run: train one first"),
        (evaluate, [], {}, r"holds no run: train one first"),
    ],
    ids=["preset", "data", "tokenizer", "type", "sizes", "vocabulary", "swa", "pack", "evaluate"],
)
def test_wrong_usage_is_one_line(
    run: Path,
    tmp_path: Path,
    refused: Told,
    module: ModuleType,
    arguments: list[str],
    variables: dict[str, str],
    message: str,
) -> None:
    """Exit code 2, what is wrong and what to do; no traceback."""
    tokenizer = str(run / "data" / "tokenizers" / "english_512_bpe.model")
    error = refused(module, [*arguments, "--run", tmp_path / "run"], **{"TOKENIZER_PATH": tokenizer, **variables})
    assert re.search(message, error), error


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-100], lambda data: b"", lambda data: data[:50] + b"?" + data[51:]]
)
def test_a_damaged_artifact_is_one_line(run: Path, tmp_path: Path, refused: Told, damage) -> None:
    """Cut off, empty, or changed in one byte."""
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "final_model.bin").write_bytes(damage((run / "final_model.bin").read_bytes()))
    assert re.search(r"cut off or changed|too few", refused(evaluate, ["--run", copy]))


def test_an_artifact_of_another_network_is_one_line(run: Path, refused: Told) -> None:
    """A variable that changes the network does not fit the weights."""
    assert "the weights are those of another model" in refused(evaluate, ["--run", run], NUM_LAYERS="3")


def test_a_run_that_is_not_packed_or_not_trained_says_what_comes_first(
    run: Path, tmp_path: Path, refused: Told
) -> None:
    """Evaluation asks for packing, packing for training; a folder of another configuration is left alone."""
    (tmp_path / "config.json").write_bytes((run / "config.json").read_bytes())
    assert "pack it first" in refused(evaluate, ["--run", tmp_path])
    assert "training has not ended yet" in refused(pack, ["--run", tmp_path])
    assert "holds a run of another configuration" in refused(train, ["--run", tmp_path], ITERATIONS="7")


def test_a_command_that_does_not_exist_as_asked_shows_its_usage() -> None:
    """An option that there is not: exit code 2, by the parser."""
    code, _, error = ran("pack", ["--fast"])
    assert code == 2
    assert "unrecognized arguments: --fast" in error


def test_an_interrupted_command_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C is no error of ours: one line, exit code 130."""

    def interrupted(_: Sequence[str] | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        told(interrupted)
    assert end.value.code == 130
    assert capsys.readouterr().err.count("\n") == 1
