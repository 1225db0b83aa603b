"""Speed of a preset as its bundled script runs: tokens a second, share of the machine's peak, memory.

    python benchmarks/throughput.py --preset NAME [--steps N] [--processes N] [--against SCRIPT] [--peak TFLOPS]

The preset is bundled and started as the competition starts a script (`torchrun` where there are several processes), on
the English text of this package; so is the script given by `--against`, in the same run and under the same variables.
Its ratio to the preset's speed is printed. Variables of the environment change sizes for both (`MODEL_DIM=64`). All
numbers are read from the scripts' logs; on a CPU, where these do not tell memory, that is the process's largest size.

A step's time is the median of the second half of the steps, when everything is compiled. A loop over layers is measured
from the first step on with LOOP_AT=0, without it with LOOP_AT=1.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from harness.observe.reading.logs.reader import read_log
from reference_model.bundle import bundle
from reference_model.config import Config, ModelConfig, from_environment
from reference_model.corpus.prepare import prepare
from reference_model.data.shards import read_shard, write_shard
from reference_model.model.depth import depth_of
from reference_model.presets import PRESETS, preset

PEAKS = {"H100": 989.0, "H200": 989.0, "A100": 312.0}
"""TFLOP/s of dense bfloat16 products by the makers' data sheets, by a word in the device's name."""


@dataclass(frozen=True)
class Speed:
    """What a script's log says of its run."""

    train: float
    """Tokens a second."""
    evaluation: float | None
    """Scored tokens a second, with loading and, on a GPU, compiling; None where the log does not time it."""
    memory_mib: int
    """Of one GPU; on a CPU, of the largest process."""
    parameters: int | None


def flops_per_token(model: ModelConfig, seq_len: int, *, training: bool) -> float:
    """Operations for one token: two for each weight that it meets and each of its scores, three times for training.

    Every visit of a layer counts; causal attention sees half of a sequence, or what its window leaves of that. Norms,
    gates and the optimiser are left out.
    """
    kv_dim = model.num_kv_heads * model.model_dim // model.num_heads
    layer = model.model_dim * (2 * model.model_dim + 2 * kv_dim + 2 * model.mlp_mult * model.model_dim)
    window = model.attention_window or seq_len
    seen = sum(min(position, window) for position in range(1, seq_len + 1)) / seq_len
    depth = depth_of(model, looping=model.loop_at < 1.0)
    visits = len(depth.encoder) + len(depth.decoder)
    forward = 2 * (visits * layer + model.vocab_size * model.model_dim) + visits * 4 * model.model_dim * seen
    return forward * (3 if training else 1)


def peak_flops(given: float | None) -> tuple[float, str]:
    """Operations a second that the machine could do, and where that comes from."""
    if given:
        return given * 1e12, "given"
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        known = next((value for word, value in PEAKS.items() if word in name), None)
        if known:
            return known * 1e12, f"data sheet of {name}"
    device, size = ("cuda", 8_192) if torch.cuda.is_available() else ("cpu", 1_024)
    a = torch.randn(size, size, device=device, dtype=torch.bfloat16 if device == "cuda" else torch.float32)
    taken = []
    for _ in range(8):
        started = time.perf_counter()
        float((a @ a)[0, 0])  # reading a number waits for the device
        taken.append(time.perf_counter() - started)
    return 2 * size**3 / min(taken), f"measured by a product of two {size}x{size} matrices"


def prepared(folder: Path, vocab_size: int, val_tokens: int) -> dict[str, str]:
    """Variables that lead to the embedded text, its validation part repeated to that many tokens."""
    paths = prepare(folder, vocab_size)
    tokens = read_shard(paths["val"])
    write_shard(paths["val"], np.resize(np.array(tokens), val_tokens + 1))
    return {"DATA_PATH": str(paths["train"].parent), "TOKENIZER_PATH": str(paths["tokenizer"])}


def measured(script: Path, folder: Path, variables: dict[str, str], processes: int, tokens_a_step: int) -> Speed:
    """Run a script in a folder of its own. Raises RuntimeError with its last words where it fails."""
    folder.mkdir()
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command = [*(start if processes > 1 else [sys.executable]), str(script.resolve())]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **variables}, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    said = (folder / "output").read_bytes()
    if process.returncode:
        raise RuntimeError(f"{script} ended with {process.returncode}: {said[-2_000:].decode(errors='replace')}")
    runs = read_log("output", said).facts.runs
    if not runs:
        raise RuntimeError(f"{script} printed no step that could be read: {said[-2_000:].decode(errors='replace')}")
    run = runs[-1]
    clock = [(point.step, point.seconds) for point in run.curve if point.seconds is not None and point.step]
    pace = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(sorted(set(clock))) if b[0] > a[0]]
    if not pace:
        raise RuntimeError(f"{script} printed {len(clock)} steps with a time: give it more --steps")
    seconds = statistics.median(pace[len(pace) // 2 :])
    timed = run.eval_seconds.value if run.eval_seconds and run.val_tokens else None
    return Speed(
        train=tokens_a_step / seconds,
        evaluation=run.val_tokens.value / timed if timed and run.val_tokens else None,
        memory_mib=run.peak_memory_mib.value if run.peak_memory_mib else usage.ru_maxrss >> 10,
        parameters=run.model_params.value if run.model_params else None,
    )


def report(name: str, speed: Speed, config: Config, peak: float) -> None:
    """One script's numbers."""
    share = flops_per_token(config.model, config.data.train_seq_len, training=True) * speed.train / peak
    print(f"{name}: {speed.parameters or 0:,} parameters, {speed.memory_mib:,} MiB")
    print(f"  training    {speed.train:12,.0f} tokens/s  {100 * share:5.1f} % of the peak")
    if speed.evaluation:
        print(f"  evaluation  {speed.evaluation:12,.0f} tokens/s  ({config.evaluation.evaluation})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny_cpu", choices=PRESETS)
    parser.add_argument("--steps", type=int, default=20, help="of training; default: %(default)s")
    parser.add_argument("--val-tokens", type=int, default=100_000, help="that are scored; default: %(default)s")
    parser.add_argument("--processes", type=int, default=1, help="of each script; default: %(default)s")
    parser.add_argument("--against", type=Path, metavar="SCRIPT", help="another train_gpt.py of the same configuration")
    parser.add_argument("--peak", type=float, metavar="TFLOPS", help="of all processes together")
    given = parser.parse_args()
    config = from_environment(preset(given.preset))
    peak, source = peak_flops(given.peak)
    peak *= 1 if given.peak or not torch.cuda.is_available() else given.processes
    print(
        f"{given.preset} at {config.data.train_batch_tokens:,} tokens a step; peak {peak / 1e12:.3f} TFLOP/s, {source}"
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        variables = {
            **prepared(folder / "data", config.model.vocab_size, given.val_tokens),
            "ITERATIONS": str(given.steps),
            "MAX_WALLCLOCK_SECONDS": "0",
            "VAL_LOSS_EVERY": "0",
            "TRAIN_LOG_EVERY": "1",
        }
        ours = folder / "train_gpt.py"
        ours.write_text(bundle(config, given.preset), encoding="utf-8")
        batch = config.data.train_batch_tokens
        mine = measured(ours, folder / "ours", variables, given.processes, batch)
        report(given.preset, mine, config, peak)
        if given.against:
            theirs = measured(given.against, folder / "theirs", variables, given.processes, batch)
            report(str(given.against), theirs, config, peak)
            print(f"training: {mine.train / theirs.train:.2f} times the speed of {given.against}")
            if mine.evaluation and theirs.evaluation:
                print(f"evaluation: {mine.evaluation / theirs.evaluation:.2f} times its speed")


if __name__ == "__main__":
    main()
