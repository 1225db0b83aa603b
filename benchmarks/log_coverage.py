"""Share of real logs in which each field is found, beside the shares of an independent, hand-checked reading.

    python benchmarks/log_coverage.py REPOSITORY

REPOSITORY is a git repository of the competition with its pull requests as refs/pull/N/head. Every different `.log`,
`.txt` and `.out` blob that `main` or a pull request adds under records/ is read once, on one core. Blobs that the
repository lacks are counted apart.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from corpus import count_states, table, unique_files

from harness.model.logs import LogFacts, RunFacts
from harness.observe.reading.logs import is_log, read_log
from harness.observe.reading.logs.detect import seed_in_name

SUFFIXES = (".log", ".txt", ".out")
REFERENCE = {
    "final val_bpb": 93.1,
    "final val_loss": 88.2,
    "seed inside": 86.9,
    "seed in name": 70.9,
    "seed either": 93.3,
    "steps": 90.7,
    "train time": 89.4,
    "eval time": 88.0,
    "artifact bytes": 86.1,
    "code bytes": 82.8,
    "model bytes": 83.9,
    "world size": 84.3,
    "peak memory": 84.6,
    "GPU name": 28.3,
    "torch": 31.4,
    "all six": 79.2,
    "embedded source": 29.9,
}


def fields(log: LogFacts, paths: list[str]) -> set[str]:
    """Names of the fields that some run of `log` has; `paths` are all its names."""
    found: set[str] = set()
    for run in log.runs:
        found |= run_fields(run)
    if any(seed_in_name(path) is not None for path in paths):
        found.add("seed in name")
    if found & {"seed inside", "seed in name"}:
        found.add("seed either")
    if log.embedded is not None:
        found.add("embedded source")
    if {"final val_bpb", "seed either", "steps", "train time", "eval time", "artifact bytes"} <= found:
        found.add("all six")
    return found


def run_fields(run: RunFacts) -> set[str]:
    """Names of the fields that `run` has."""
    present = {
        "final val_bpb": run.final,
        "final val_loss": run.final and run.final.val_loss,
        "seed inside": run.seed,
        "steps": run.steps,
        "train time": run.train_seconds,
        "eval time": run.eval_seconds,
        "artifact bytes": run.bytes_total,
        "code bytes": run.bytes_code or run.bytes_code_compressed,
        "model bytes": run.bytes_model or run.bytes_model_raw,
        "world size": run.world_size,
        "peak memory": run.peak_memory_mib,
        "GPU name": run.gpu,
        "torch": run.torch,
    }
    return {name for name, value in present.items() if value is not None}


def main(repository: str) -> None:
    """Read all logs and print the table."""
    counts: Counter[str] = Counter()
    states: Counter[str] = Counter()
    clock = 0.0
    for paths, data in unique_files(repository, lambda path: path.lower().endswith(SUFFIXES)):
        if data is None:
            states["missing"] += 1
            continue
        begin = time.process_time()
        if is_log(paths[0], data[: 1 << 16]):
            log = read_log(paths[0], data).facts
            clock += time.process_time() - begin
            states["logs"] += 1
            counts.update(fields(log, paths))
        else:
            states["other files"] += 1
    print(count_states(states, clock), end="\n\n")
    print(table("log", counts, states["logs"], REFERENCE))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} REPOSITORY")
    main(sys.argv[1])
