"""A submission folder from a preset: script, README, submission.json, and the logs of runs that were really made."""

from __future__ import annotations

import base64
import datetime as dt
import json
import lzma
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reference_model.bundle import bundle
from reference_model.config import Config
from reference_model.corpus import EMBEDDED
from reference_model.describe import techniques

ARTIFACT = "final_model.bin"
UNPACK = (
    """python -c 'import base64, lzma; text = open("train_gpt.py").read().split("\\"")[1]; """
    """print(lzma.decompress(base64.b85decode(text)).decode())'"""
)
"""Prints the program in a wrapped script."""
_FINAL = re.compile(r"^final_\w+_exact val_loss:([\d.]+) val_bpb:([\d.]+)$", re.MULTILINE)
_TOTAL = re.compile(r"^Total submission size \S+: (\d+) bytes$", re.MULTILINE)
_LAST_STEP = re.compile(r"^step:(\d+)/\d+ val_loss:\S+ val_bpb:\S+ train_time:(\d+)ms", re.MULTILINE)
_EVAL_TIME = re.compile(r"^final_\w+ val_loss:.* eval_time:(\d+)ms$", re.MULTILINE)


@dataclass(frozen=True)
class Result:
    """One seed's run, as its log tells it."""

    seed: int
    val_loss: float
    val_bpb: float
    bytes_total: int
    steps: int
    train_seconds: float
    eval_seconds: float


@dataclass(frozen=True)
class Described:
    """What a submission says of itself beside its numbers."""

    name: str
    author: str
    github_id: str
    track: str
    date: dt.date
    hardware: str
    command: str
    """What made the folder."""


def wrapped(text: str) -> str:
    """A script without names and notes that only people need, compressed into a line that unpacks and runs it.

    The competition counts bytes of code; a reader unpacks it with the same two calls.
    """
    import python_minifier

    small = python_minifier.minify(text, remove_literal_statements=True, rename_globals=False)
    body = base64.b85encode(lzma.compress(small.encode(), preset=9)).decode()
    return f'import lzma as L,base64 as B\nexec(L.decompress(B.b85decode("{body}")))\n'


def write_submission(
    config: Config,
    folder: Path,
    described: Described,
    seeds: Sequence[int] = (),
    *,
    pack_code: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> list[Result]:
    """Write the folder; with `seeds`, run the script once for each and keep log, artifact (of the first) and numbers.

    Raises FileExistsError where the folder holds something, RuntimeError where a run fails.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    title = f"{described.name}. Made from the reference stack of the golf harness; see README.md."
    text = bundle(config, title)
    (folder / "train_gpt.py").write_text(wrapped(text) if pack_code else text, encoding="utf-8")
    results = []
    for seed in seeds:
        told(f"running seed {seed}")
        results.append(_run(folder, config, seed, keep_artifact=seed == seeds[0]))
        told(f"seed {seed}: val_bpb {results[-1].val_bpb:.4f}, {results[-1].bytes_total:,} bytes")
    code = (folder / "train_gpt.py").stat().st_size
    (folder / "submission.json").write_text(
        json.dumps(_metadata(config, described, results, code), indent=2) + "\n", encoding="utf-8"
    )
    (folder / "README.md").write_text(_readme(config, described, results, code, pack_code=pack_code), encoding="utf-8")
    return results


def _run(folder: Path, config: Config, seed: int, *, keep_artifact: bool) -> Result:
    """Run the folder's script in a folder of its own."""
    from reference_model.rundir import RunDir  # it loads torch, which writing a folder does not need

    run_id = f"seed{seed}"
    with tempfile.TemporaryDirectory() as scratch:
        placed = RunDir(Path(scratch)).begin(replace(config, seed=seed, run_id=run_id))
        shutil.copy(folder / "train_gpt.py", scratch)
        environment = {
            **os.environ,
            "SEED": str(seed),
            "RUN_ID": run_id,
            "DATA_PATH": placed.data.data_path,
            "TOKENIZER_PATH": placed.data.tokenizer_path,
        }
        done = subprocess.run(
            [sys.executable, "train_gpt.py"], cwd=scratch, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"seed {seed}: the script ended with {done.returncode}: {done.stderr[-2_000:]}")
        log = (Path(scratch) / "logs" / f"{run_id}.txt").read_text(encoding="utf-8").replace(scratch, ".")
        (folder / f"train_seed{seed}.log").write_text(log, encoding="utf-8")
        if keep_artifact:
            shutil.copy(Path(scratch) / ARTIFACT, folder)
    return read_result(seed, log)


def read_result(seed: int, log: str) -> Result:
    """The numbers of a log. Raises RuntimeError where one is missing."""
    final, total, last = (list(pattern.finditer(log)) for pattern in (_FINAL, _TOTAL, _LAST_STEP))
    seconds = list(_EVAL_TIME.finditer(log))
    if not (final and total and last and seconds):
        raise RuntimeError(f"seed {seed}: its log has no final score, size or last step")
    return Result(
        seed=seed,
        val_loss=float(final[-1][1]),
        val_bpb=float(final[-1][2]),
        bytes_total=int(total[-1][1]),
        steps=int(last[-1][1]),
        train_seconds=int(last[-1][2]) / 1000,
        eval_seconds=int(seconds[-1][1]) / 1000,
    )


def _metadata(config: Config, described: Described, results: Sequence[Result], code: int) -> dict[str, object]:
    found: dict[str, object] = {
        "author": described.author,
        "github_id": described.github_id,
        "name": described.name,
        "blurb": "; ".join(techniques(config)) + ".",
        "date": described.date.isoformat(),
        "track": described.track,
        "bytes_code": code,
    }
    if not results:
        return found
    return found | {
        "hardware": described.hardware,
        "val_loss": round(statistics.mean(r.val_loss for r in results), 8),
        "val_bpb": round(statistics.mean(r.val_bpb for r in results), 8),
        **({"val_bpb_std": round(statistics.stdev(r.val_bpb for r in results), 8)} if len(results) > 1 else {}),
        "bytes_total": max(r.bytes_total for r in results),
        "seeds": [r.seed for r in results],
        "seed_results": {
            str(r.seed): {
                "val_loss": r.val_loss,
                "val_bpb": r.val_bpb,
                "artifact_bytes": r.bytes_total,
                "steps": r.steps,
                "train_time_s": r.train_seconds,
                "eval_time_s": r.eval_seconds,
            }
            for r in results
        },
    }


def _readme(config: Config, described: Described, results: Sequence[Result], code: int, *, pack_code: bool) -> str:
    lines = [f"# {described.name}", "", *(f"- {item}" for item in techniques(config)), ""]
    if results:
        columns = ("seed", "val_loss", "val_bpb", "artifact + code, bytes", "steps", "training", "evaluation")
        lines += ["## Results", "", f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
        lines += [
            f"| {r.seed} | {r.val_loss:.8f} | {r.val_bpb:.8f} "
            f"| {r.bytes_total - code:,} + {code:,} = {r.bytes_total:,} "
            f"| {r.steps} | {r.train_seconds:.1f} s | {r.eval_seconds:.1f} s |"
            for r in results
        ]
        mean, count = statistics.mean(r.val_bpb for r in results), len(results)
        made = f"the mean of {count} seeds" if count > 1 else "one seed"
        lines += [
            "",
            f"**val_bpb {mean:.8f}**, {made}, on {described.hardware}. Every number is that of a log here.",
            "",
        ]
    data = config.data
    lines += ["## Run it", "", "```"]
    if Path(data.data_path).name.startswith(EMBEDDED):
        root = Path(data.data_path).parents[1]
        size = config.model.vocab_size
        lines.append(f"python -m reference_model.corpus.prepare --output {root} --vocab-size {size}")
    lines += [
        f"DATA_PATH={data.data_path} TOKENIZER_PATH={data.tokenizer_path} SEED=42 python train_gpt.py",
        "```",
        "",
        "Under `torchrun --nproc_per_node=8` it uses all processes. Every setting answers to the variable of its name.",
        "",
    ]
    if pack_code:
        lines += [
            "`train_gpt.py` is one compressed line, made from the same source as the others; this shows what it runs:",
            "",
            "```",
            UNPACK,
            "```",
            "",
        ]
    return "\n".join([*lines, f"Made by `{described.command}`.", ""])
