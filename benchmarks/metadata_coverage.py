"""Share of real submission.json files in which each claim is found, beside an independent, hand-checked reading.

python benchmarks/metadata_coverage.py REPOSITORY
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from corpus import count_states, table, unique_files

from harness.observe.intake.discover import is_metadata
from harness.observe.reading.metadata import read_metadata

REFERENCE = {
    "name": 92.4,
    "author": 94.8,
    "github_id": 89.6,
    "date": 86.2,
    "track": 49.5,
    "summary": 88.0,
    "val_bpb": 84.2,
    "val_loss": 55.2,
    "val_bpb_std": 20.8,
    "bytes_total": 78.9,
    "bytes_code": 41.1,
    "bytes_model": 18.1,
    "train_seconds": 29.2,
    "eval_seconds": 9.7,
    "steps": 23.0,
    "seeds": 39.6,
    "per_seed": 31.0,
    "hardware": 43.2,
    "torch": 12.6,
    "all six": 64.6,
}
SIX = ("name", "author", "github_id", "date", "val_bpb", "bytes_total")


def main(repository: str) -> None:
    """Read all metadata files and print the table."""
    counts: Counter[str] = Counter()
    states: Counter[str] = Counter()
    begin = time.process_time()
    for paths, data in unique_files(repository, lambda path: is_metadata(path.rsplit("/", 1)[-1])):
        if data is None:
            states["missing"] += 1
            continue
        facts = read_metadata(paths[0], data)
        if not facts.parsed:
            states["beyond repair"] += 1
            continue
        states["read"] += 1
        states["of them repaired"] += bool(facts.damage)
        found = {name for name in REFERENCE if getattr(facts, name, None)}
        counts.update(found | ({"all six"} if found.issuperset(SIX) else set()))
    print(count_states(states, time.process_time() - begin), end="\n\n")
    print(table("submission.json", counts, states["read"], REFERENCE))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} REPOSITORY")
    main(sys.argv[1])
