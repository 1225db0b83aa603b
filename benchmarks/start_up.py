"""Where the wall time of `golf check` goes: shares of its stages, in one run.

python benchmarks/start_up.py [FOLDER]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 7
ROOT = Path(__file__).parent.parent
DEMO = ROOT / "submissions" / "track_cpu_demo" / "2026-11-21_PlainBaseline"
PARTS = """
import sys, time
t = [time.perf_counter()]
import harness.cli
t.append(time.perf_counter())
from pathlib import Path
from harness.observe.target import Request, open_target
intake, source = open_target(Request(sys.argv[1]), Path(sys.argv[2]))
t.append(time.perf_counter())
from harness.observe.observe import observe
from harness.observe.reading.worker import Reader
with Reader() as reader:
    facts = observe(intake, source, reader)
t.append(time.perf_counter())
from harness.judge.judge import judge
review = judge(facts)
t.append(time.perf_counter())
from io import StringIO
from rich.console import Console
from reports.terminal import TerminalReport
Console(file=StringIO(), width=100).print(TerminalReport(review))
t.append(time.perf_counter())
print(*(b - a for a, b in zip(t, t[1:])))
"""
STAGES = ("imports", "intake", "reading (child, its imports included)", "judgement", "report")


def main(folder: Path) -> None:
    """Time the whole command and its parts, alternating, and print medians and shares."""
    whole, parts = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as cache:
            begin = time.perf_counter()
            command = [sys.executable, "-m", "harness.cli", "check", str(folder)]
            subprocess.run(
                command, capture_output=True, check=False, env={"GOLF_CACHE": cache, "PATH": "/usr/bin:/bin"}
            )
            whole.append(time.perf_counter() - begin)
            done = subprocess.run(
                [sys.executable, "-c", PARTS, str(folder), cache], capture_output=True, text=True, check=True
            )
            parts.append([float(word) for word in done.stdout.split()])
    total = statistics.median(whole)
    print(f"golf check {folder.name}: {total:.2f} s (median of {ROUNDS})")
    known = 0.0
    for i, stage in enumerate(STAGES):
        seconds = statistics.median(row[i] for row in parts)
        known += seconds
        print(f"  {stage:<40} {seconds:6.3f} s {100 * seconds / total:5.1f} %")
    print(f"  {'interpreter start, store, exit':<40} {total - known:6.3f} s {100 * (total - known) / total:5.1f} %")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO)
