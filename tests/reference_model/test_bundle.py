"""Bundles: one script that is the package's own program, with the preset's numbers."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest

from reference_model.bundle import BundleError, Piece, _unique, bundle, modules, rendered
from reference_model.config import Config
from reference_model.corpus.prepare import prepare
from reference_model.data.shards import write_shard
from reference_model.model.gpt import GPT
from reference_model.presets import PRESETS, TINY_CPU

BLOCKED = "import sys; sys.modules.update(dict.fromkeys(['reference_model', 'harness']))\n"
"""Neither package can be imported after this."""


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_becomes_a_script(name: str) -> None:
    """It parses, names nothing that it does not define or import, and imports nothing of the package."""
    text = bundle(PRESETS[name], "A preset.")
    tree = ast.parse(text)
    assert not any(
        "reference_model" in ast.unparse(n) for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))
    )
    names = {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    assert {"main", "GPT", "Muon", "settings", "learn_stream"} <= names
    assert "from_environment" not in text


def test_settings_are_the_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rendered function gives the preset, and the environment changes it."""
    scope: dict[str, object] = {"os": os, "Config": Config}
    scope |= {type(part).__name__: type(part) for part in Config().sections()}
    for name, config in PRESETS.items():
        exec(rendered(config), scope)
        made = scope["settings"]()  # type: ignore[operator]  # just defined
        assert made == config, name
    monkeypatch.setenv("MODEL_DIM", "128")
    monkeypatch.setenv("SMEAR", "1")
    changed = scope["settings"]()  # type: ignore[operator]  # as above
    assert (changed.model.model_dim, changed.model.smear) == (128, True)
    assert len(fields(changed)) == len(fields(Config()))


def test_modules_come_after_what_they_import() -> None:
    """Entry last."""
    order = modules("entry")
    assert order[-1] == "entry"
    assert order.index("model.linear") > order.index("quant.grid")


def test_a_name_in_two_modules_is_refused() -> None:
    """One after the other, the second would replace the first in silence."""
    with pytest.raises(BundleError, match=r"x is defined in a\.py and in b\.py"):
        _unique([Piece("a", "", frozenset({"x"}), frozenset()), Piece("b", "", frozenset({"x"}), frozenset())])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer and the first tokens of the embedded text, enough for a few steps."""
    folder = tmp_path_factory.mktemp("data")
    paths = prepare(folder, 512)
    for split, length in (("train", 4_096), ("val", 700)):
        tokens = np.fromfile(paths[split], dtype="<u2", offset=1_024)[:length]
        write_shard(paths[split], tokens)
    return folder


def run(code: str, folder: Path, **environment: str) -> str:
    """What Python prints when it runs the code in a folder, with the package out of reach."""
    given = {name: value for name, value in os.environ.items() if name not in _VARIABLES} | environment
    command = [sys.executable, "-c", BLOCKED + code]
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


_VARIABLES = {part.name.upper() for section in (Config(), *Config().sections()) for part in fields(section)}


def tiny(data: Path) -> dict[str, str]:
    """Variables under which every preset runs in a second: names are those of the fields."""
    sizes = {
        "VOCAB_SIZE": 512,
        "MODEL_DIM": 64,
        "NUM_HEADS": 4,
        "NUM_KV_HEADS": 2,
        "BIGRAM_DIM": 16,
        "TRAIN_SEQ_LEN": 64,
        "TRAIN_BATCH_TOKENS": 128,
        "MICRO_BATCH_TOKENS": 64,
        "ITERATIONS": 3,
        "WARMUP_STEPS": 1,
        "VAL_BATCH_SIZE": 512,
        "GPTQ_BATCHES": 2,
        "EVAL_STRIDE": 32,
        "TTT_CHUNK_TOKENS": 64,
        "SWA_SNAPSHOTS": 1,
        "WARMDOWN_ITERS": 3,
    }
    return {name: str(value) for name, value in sizes.items()} | {
        "DATA_PATH": str(data / "datasets" / "english_sp512"),
        "TOKENIZER_PATH": str(data / "tokenizers" / "english_512_bpe.model"),
        "OMP_NUM_THREADS": "1",
    }


def test_every_script_runs_without_the_package(data: Path, tmp_path: Path) -> None:
    """Trained, packed, read back and scored, all from one file, whatever the preset."""
    for name, config in PRESETS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "train_gpt.py").write_text(bundle(config, name), encoding="utf-8")
    code = (
        "import os, runpy\n"
        f"for name in {list(PRESETS)}:\n"
        "    os.chdir(name)\n"
        "    print('preset', name)\n"
        "    runpy.run_path('train_gpt.py', run_name='__main__')\n"
        "    os.chdir('..')\n"
    )
    printed = run(code, tmp_path, **tiny(data)).split("preset ")[1:]
    assert [text.split()[0] for text in printed] == list(PRESETS)
    for text in printed:
        (score,) = re.findall(r"^final_\w+_exact val_loss:\S+ val_bpb:(\S+)$", text, re.MULTILINE)
        assert 1.0 < float(score) < 10.0, text  # nine bits a token at the start


def test_a_script_builds_the_preset(tmp_path: Path) -> None:
    """The network of each script has the parameters of its preset's, tensor by tensor."""
    for name, config in PRESETS.items():
        (tmp_path / f"{name}.py").write_text(bundle(config, name), encoding="utf-8")
    code = (
        "import json, runpy\n"
        "shapes = {}\n"
        f"for name in {list(PRESETS)}:\n"
        "    scope = runpy.run_path(f'{name}.py')\n"
        "    config = scope['settings']()\n"
        "    model = scope['GPT'](config.model, config.data.train_seq_len)\n"
        "    shapes[name] = [(key, list(p.shape)) for key, p in model.named_parameters()]\n"
        "print(json.dumps(shapes))\n"
    )
    plain = {"ORTHO_INIT": "0", "SPECTRAL_INIT": "0"}  # drawing matrices takes seconds, and changes no shape
    shapes = json.loads(run(code, tmp_path, **plain))
    for name, config in PRESETS.items():
        model = GPT(replace(config.model, ortho_init=False, spectral_init=False), config.data.train_seq_len)
        assert shapes[name] == [[key, list(p.shape)] for key, p in model.named_parameters()], name


def test_a_script_scores_as_the_command_does(data: Path, tmp_path: Path) -> None:
    """`python -m reference_model.evaluate` gives the artifact of a script the score that the script printed."""
    script, folder = tmp_path / "script", tmp_path / "run"
    script.mkdir()
    folder.mkdir()
    (script / "train_gpt.py").write_text(bundle(TINY_CPU, "Tiny."), encoding="utf-8")
    variables = tiny(data)
    printed = run("import runpy; runpy.run_path('train_gpt.py', run_name='__main__')", script, **variables)
    shutil.copy(script / "final_model.bin", folder)
    (folder / "config.json").write_text(json.dumps(asdict(TINY_CPU)), encoding="utf-8")
    evaluate = [sys.executable, "-m", "reference_model.evaluate", "--run", str(folder)]
    again = subprocess.run(evaluate, env=os.environ | variables, capture_output=True, text=True, check=True).stdout
    exact = r"^final_\w+_exact .*$"
    assert re.findall(exact, again, re.MULTILINE) == re.findall(exact, printed, re.MULTILINE) != []
