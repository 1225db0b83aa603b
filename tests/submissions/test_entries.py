"""Every submission of this repository: its numbers are those of its logs, and its run is reviewed clean."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from tests_support.sandbox import needs_sandbox

from harness.model.cpu_run import Ran, RunStage
from harness.model.review import Depth, Verdict
from harness.observe.target import Request
from harness.review import review_target
from harness.store.store import Store
from reference_model.corpus.prepare import prepare
from reference_model.submission import ARTIFACT, read_result

ROOT = Path(__file__).parents[2]
FEATURES: dict[str, set[str]] = {
    "2026-11-21_PlainBaseline": set(),
    "2026-11-21_CompetitionBaseline": set(),
    "2026-11-21_ScoreFirstSgd": {"sliding", "ttt", "gptq", "ema"},
    "2026-11-21_LoraDocuments": {"ttt", "qat"},
    "2026-11-21_HashEmbedding": {"sliding", "ttt"},
}
"""What the launch of each entry switches on."""
ENTRIES = sorted(path.parent for path in ROOT.glob("submissions/track_*/*/submission.json"))
BUNDLED = [folder for folder in ENTRIES if (folder / ARTIFACT).exists()]
"""Made by `golf bundle`; the others have tests of their own."""


def name_of(folder: Path) -> str:
    """The name that a test shows."""
    return folder.name


def test_every_entry_is_listed() -> None:
    """Nothing escapes the tests here: every entry states its features, every one but the first was bundled."""
    assert {folder.name for folder in ENTRIES} == set(FEATURES)
    assert len(BUNDLED) == len(FEATURES) - 1


@needs_sandbox
@pytest.mark.parametrize("folder", ENTRIES, ids=name_of)
def test_run_is_reviewed_clean(folder: Path, tmp_path: Path) -> None:
    """The whole program runs: trained, packed, read back, all features on, every token and byte scored once."""
    done = review_target(Request(str(folder)), Store(tmp_path), depth=Depth.RUN)
    assert done.review.compliance.verdict is Verdict.CLEAN, done.review.compliance
    (facts,) = done.facts.submissions
    run = facts.cpu_run
    assert run is not None
    assert run.refused is None
    assert run.failure is None
    assert set(run.reached) == set(RunStage)
    assert run.trusted, run.doubts()
    assert {one.feature.value: one.ran for one in run.fidelity.features} == dict.fromkeys(
        FEATURES[folder.name], Ran.EXECUTED
    )
    (artifact,) = [file for file in run.files if file.reloaded]
    assert artifact.size > 10_000
    found = run.coverage
    assert found is not None
    assert (found.missing, found.head, found.tail, found.again, found.differ) == (0, 0, 0, None, 0)
    assert found.starts == 1, "nothing comes before the first token of the stream"
    assert found.bytes_counted == found.bytes_true == found.bytes_stream


@pytest.mark.parametrize("folder", BUNDLED, ids=name_of)
def test_numbers_are_those_of_the_logs(folder: Path) -> None:
    """Score, bytes, steps and times of every seed stand in its log, under the script that made it."""
    told = json.loads((folder / "submission.json").read_text(encoding="utf-8"))
    readme = (folder / "README.md").read_text(encoding="utf-8")
    script = (folder / "train_gpt.py").read_text(encoding="utf-8")
    assert told["bytes_code"] == len(script.encode())
    results = []
    for seed in told["seeds"]:
        log = (folder / f"train_seed{seed}.log").read_text(encoding="utf-8")
        assert log.startswith(script)
        assert re.search(rf"^seed:{seed}$", log, re.MULTILINE)
        results.append(read_result(seed, log))
        said = told["seed_results"][str(seed)]
        assert (said["val_loss"], said["val_bpb"]) == (results[-1].val_loss, results[-1].val_bpb)
        assert (said["artifact_bytes"], said["steps"]) == (results[-1].bytes_total, results[-1].steps)
        assert (said["train_time_s"], said["eval_time_s"]) == (results[-1].train_seconds, results[-1].eval_seconds)
        assert f"{said['val_bpb']:.8f}" in readme
    assert told["val_bpb"] == round(statistics.mean(one.val_bpb for one in results), 8)
    spread = round(statistics.stdev(one.val_bpb for one in results), 8) if len(results) > 1 else None
    assert told.get("val_bpb_std") == spread, "one seed has no spread"
    assert told["bytes_total"] == max(one.bytes_total for one in results)
    assert results[0].bytes_total == told["bytes_code"] + (folder / ARTIFACT).stat().st_size
    assert f"**val_bpb {told['val_bpb']:.8f}**" in readme


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tokenizer and shards of the entries."""
    return prepare(tmp_path_factory.mktemp("data"), 1024)


def script_of(folder: Path, where: Path) -> ModuleType:
    """The entry's script as a module: its functions, nothing run."""
    copy = shutil.copy(folder / "train_gpt.py", where)  # bytecode shall not land in the submission
    spec = importlib.util.spec_from_file_location(folder.name, copy)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = module  # data classes look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", BUNDLED, ids=name_of)
def test_committed_artifact_scores_as_logged(folder: Path, data: dict[str, Path], tmp_path: Path) -> None:
    """The script's own evaluation of the artifact beside it gives the score in its log and in the README.

    Learning in evaluation enlarges what machines round differently, so digits after the third are not compared.
    """
    script = script_of(folder, tmp_path)
    config = script.settings()
    placed = replace(config.data, data_path=str(data["val"].parent), tokenizer_path=str(data["tokenizer"]))
    config = replace(config, data=placed)
    world = script.World()
    log = script.Log(world, tmp_path / "log.txt")
    source = script.opened(config, world)
    score = script.scored(folder / ARTIFACT, config, source, world, log, script.clock(world.device))
    told = json.loads((folder / "submission.json").read_text(encoding="utf-8"))
    first = told["seed_results"][str(told["seeds"][0])]
    assert score.val_bpb == pytest.approx(first["val_bpb"], abs=1e-3)
    assert score.tokens == source.val_tokens.numel() - 1
