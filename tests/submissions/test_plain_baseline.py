"""The plain baseline: the committed logs, artifact and numbers are what its script does on this machine."""

import hashlib
import importlib.util
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from reference_model.corpus import prepare as corpus
from reference_model.data.shards import read_shard

FOLDER = Path(__file__).parents[2] / "submissions" / "track_cpu_demo" / "2026-11-21_PlainBaseline"
SCRIPT = FOLDER / "train_gpt.py"
SUBMISSION = json.loads((FOLDER / "submission.json").read_text(encoding="utf-8"))
SEEDS = (42, 314, 999)
BAR = "\n" + "=" * 100 + "\n"


def committed_log(seed: int) -> str:
    """The committed log of a seed."""
    return (FOLDER / f"train_seed{seed}.log").read_text(encoding="utf-8")


def machine_independent(log: str) -> list[str]:
    """The lines of a log without clock times and versions."""
    log = re.sub(r"\b(train_time|step_avg|eval_time):[\d.]+ms", r"\1", log)
    return re.sub(r"^(Running (?:Python|PyTorch)) .*$", r"\1", log, flags=re.M).split("\n")


def logged(pattern: str, log: str) -> tuple[str, ...]:
    """The groups of the last match in a log."""
    return re.findall(pattern, log, flags=re.M)[-1]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepared corpus: tokenizer and shards."""
    folder = tmp_path_factory.mktemp("run") / "data"
    corpus.prepare(folder)
    return folder


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The training script as a module: its classes and functions, nothing run."""
    copy = shutil.copy(SCRIPT, tmp_path_factory.mktemp("script"))  # bytecode shall not land in the submission
    spec = importlib.util.spec_from_file_location("plain_baseline", copy)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.timeout(900)
def test_seed_42_is_reproduced(data: Path) -> None:
    """A run with freshly prepared data prints every digit of the committed log and writes the committed artifact."""
    settings = set(re.findall(r'os\.environ\.get\("(\w+)"', SCRIPT.read_text(encoding="utf-8")))
    environment = {name: value for name, value in os.environ.items() if name not in settings}
    # One thread, while the committed run had two: neither this nor the processor may show in the result.
    environment |= {"SEED": "42", "RUN_ID": "again", "OMP_NUM_THREADS": "1"}
    run = data.parent
    shutil.copy(SCRIPT, run)
    result = subprocess.run(
        [sys.executable, "train_gpt.py"], cwd=run, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    log = (run / "logs" / "again.txt").read_text(encoding="utf-8")
    assert machine_independent(log) == machine_independent(committed_log(42))
    name, printed = result.stdout.split("\n", 1)
    assert name == "logs/again.txt"
    assert printed == log.split(BAR, 2)[2]
    digest, committed = (
        hashlib.sha256((folder / "final_model.int8.ptz").read_bytes()).hexdigest() for folder in (run, FOLDER)
    )
    assert digest == committed


@pytest.mark.parametrize("seed", SEEDS)
def test_log_embeds_the_committed_script(seed: int) -> None:
    """The source at the top of every log is the committed script, byte for byte, and the seed is the file's."""
    log = committed_log(seed)
    assert log.split(BAR)[0].encode() == SCRIPT.read_bytes()
    assert logged(r"^seed:(\d+)$", log) == str(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_submission_json_agrees_with_the_log(seed: int) -> None:
    """Score, bytes, steps and times of a seed are those of its log; code and artifact add up to the total."""
    log, result = committed_log(seed), SUBMISSION["seed_results"][str(seed)]
    exact = logged(r"^final_int8_zlib_roundtrip_exact val_loss:(\S+) val_bpb:(\S+)$", log)
    assert (result["val_loss"], result["val_bpb"]) == tuple(map(float, exact))
    step, steps, train_ms = logged(r"^step:(\d+)/(\d+) val_loss:\S+ val_bpb:\S+ train_time:(\d+)ms", log)
    assert result["steps"] == int(step) == int(steps)
    assert result["train_time_s"] == int(train_ms) / 1000
    assert result["eval_time_s"] == int(logged(r"eval_time:(\d+)ms$", log)) / 1000
    model, code, total = (
        int(logged(rf"^{label}: (\d+)", log))
        for label in (r"Serialized model int8\+zlib", "Code size", r"Total submission size int8\+zlib")
    )
    assert code == SUBMISSION["bytes_code"] == SCRIPT.stat().st_size
    assert result["artifact_bytes"] == total == model + code
    if seed == 42:
        assert model == (FOLDER / "final_model.int8.ptz").stat().st_size


def test_submission_json_summarises_its_seeds() -> None:
    """The headline is the mean of three seeds, the spread their sample deviation, the size the largest of them."""
    results = list(SUBMISSION["seed_results"].values())
    bpb = [result["val_bpb"] for result in results]
    assert tuple(SUBMISSION["seeds"]) == SEEDS
    assert SUBMISSION["val_bpb"] == round(statistics.mean(bpb), 8)
    assert SUBMISSION["val_bpb_std"] == round(statistics.stdev(bpb), 8)
    assert SUBMISSION["val_loss"] == round(statistics.mean(result["val_loss"] for result in results), 8)
    assert SUBMISSION["bytes_total"] == max(result["artifact_bytes"] for result in results)


def test_readme_states_the_same_numbers() -> None:
    """Every score of submission.json stands in the README as it is."""
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for result in (SUBMISSION, *SUBMISSION["seed_results"].values()):
        assert f"{result['val_bpb']:.8f}" in readme
        assert f"{result['val_loss']:.8f}" in readme


def test_score_beats_a_unigram_model(data: Path) -> None:
    """The README's figure for token frequencies alone is right, and the model needs less than half of its bits."""
    dataset = data / "datasets" / "english_sp512"
    counts = np.bincount(read_shard(dataset / "fineweb_train_000000.bin"), minlength=512) + 1.0
    targets = read_shard(dataset / "fineweb_val_000000.bin")[1:]
    byte_count = sum(len(text.encode()) for text in corpus.split(list(corpus.documents()))[1])
    unigram_bpb = -np.log2(counts / counts.sum())[targets].sum() / byte_count
    assert f"{unigram_bpb:.4f}" in (FOLDER / "README.md").read_text(encoding="utf-8")
    assert SUBMISSION["val_bpb"] < unigram_bpb / 2


@pytest.mark.parametrize("seq_len", [128, 100, 39_000, 50_000])
def test_every_token_and_byte_is_scored_once(data: Path, script: ModuleType, seq_len: int) -> None:
    """Whatever the window, a uniform model scores ln V a token, over exactly the UTF-8 bytes of the documents."""
    tokenizer = data / "tokenizers" / "english_512_bpe.model"
    luts = script.build_sentencepiece_luts(script.spm.SentencePieceProcessor(model_file=str(tokenizer)), 512)
    tokens = script.load_tokens(str(data / "datasets" / "english_sp512" / "fineweb_val_*.bin"))
    settings = script.Hyperparameters()
    settings.train_seq_len = seq_len
    seen = []

    def uniform(inputs, targets, reduction: str):
        seen.append(targets.flatten())
        return torch.tensor(targets.numel() * math.log(512), dtype=torch.float64)

    val_loss, val_bpb = script.eval_val(settings, uniform, tokens, luts)
    byte_count = sum(len(text.encode()) for text in corpus.split(list(corpus.documents()))[1])
    assert torch.equal(torch.cat(seen), tokens[1:])
    assert val_loss == pytest.approx(math.log(512), rel=1e-12)
    assert val_bpb == pytest.approx(9 * (tokens.numel() - 1) / byte_count, rel=1e-12)


def test_artifact_is_read_back_as_packed(script: ModuleType) -> None:
    """Unpacking gives the packed arrays, codes lie within a step of the weights, and a cut-off artifact is refused."""
    torch.manual_seed(0)
    state = {"matrix": torch.randn(5, 7, dtype=torch.float64), "vector": torch.randn(4, dtype=torch.float64)}
    arrays = script.quantize(state)
    packed = script.pack(arrays)
    unpacked = script.unpack(packed)
    assert list(unpacked) == list(arrays)
    for name, array in arrays.items():
        assert unpacked[name].dtype == array.dtype
        assert np.array_equal(unpacked[name], array)
    restored = script.dequantize(unpacked)
    step = state["matrix"].abs().amax(dim=1, keepdim=True) / 127
    assert ((restored["matrix"] - state["matrix"]).abs() <= step).all()
    assert torch.allclose(restored["vector"], state["vector"], rtol=2**-11)
    with pytest.raises(ValueError, match=r"buffer|artifact"):
        script.unpack(packed[:-1])


def test_model_is_causal(script: ModuleType) -> None:
    """Changing a token changes no logit before it, in the committed artifact's model."""
    torch.set_default_dtype(torch.float64)
    try:
        model = script.GPT(script.Hyperparameters())
        blob = script.zlib.decompress((FOLDER / "final_model.int8.ptz").read_bytes())
        model.load_state_dict(script.dequantize(script.unpack(blob)))
        ids = torch.randint(4, 512, (2, 64), generator=torch.Generator().manual_seed(1))
        changed = ids.clone()
        changed[:, 40:] = 511 - changed[:, 40:]
        with torch.inference_mode():
            before, after = model.logits(ids), model.logits(changed)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.allclose(before[:, :40], after[:, :40], rtol=0, atol=1e-12)
    assert not torch.allclose(before[:, 40:], after[:, 40:], rtol=0, atol=1e-2)
