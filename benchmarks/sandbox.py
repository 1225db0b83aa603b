"""Prints what a sandbox costs: start-up bare, of Python, with torch; looks of the watcher; what passes a limit.

python benchmarks/sandbox.py [REPETITIONS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable

from harness.observe.sandbox.bubblewrap import Bubblewrap
from harness.observe.sandbox.provider import Command, Limits, run
from harness.observe.sandbox.self_check import marked
from harness.observe.sandbox.tree import Tree

PROGRAMS = {
    "exit": ("/usr/bin/true",),
    "python": (sys.executable, "-I", "-c", "pass"),
    "torch": (sys.executable, "-I", "-c", "import torch"),
}
HOG = "kept = []\nwhile True: kept.append(bytearray(b'x' * (1 << 22)))"
MANY_HOGS = "import os\nfor _ in range(4): os.fork()\n" + HOG
LIMIT = 512 << 20


def timed(work: Callable[[], object], repetitions: int) -> str:
    """Median and extremes in milliseconds."""
    taken = []
    for _ in range(repetitions):
        before = time.perf_counter()
        work()
        taken.append((time.perf_counter() - before) * 1000)
    return f"median {statistics.median(taken):8.1f} ms, {min(taken):.1f} to {max(taken):.1f}"


def look(provider: Bubblewrap, program: str, *, exact: bool, repetitions: int) -> str:
    """The time of one look at a running program."""
    mark = uuid.uuid4().hex
    waiting = f"{program}\nprint(1, flush=True)\nimport time; time.sleep(60)"
    with provider.start(Command((sys.executable, "-I", "-c", waiting, mark)), Limits()) as talk:
        talk.stdout.read(2)
        tree = Tree(max(marked(mark)), "/scratch")
        try:
            return timed(lambda: tree.measure(1 << 40, exact=exact), repetitions)
        finally:
            tree.close()


def main() -> None:
    """Measure and print."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    provider = Bubblewrap()
    if reason := provider.unavailable():
        sys.exit(reason)
    for name, argv in PROGRAMS.items():
        print(f"{name:7} outside  {timed(lambda argv=argv: subprocess.run(argv, check=True), repetitions)}")
        print(f"{name:7} sandbox  {timed(lambda argv=argv: run(provider, Command(argv), Limits()), repetitions)}")
    for name, program in {
        "torch": "import torch",
        "torch, 8 forks": "import torch, os, time\nfor _ in range(8):\n  if os.fork() == 0: time.sleep(60)",
    }.items():
        for exact in (False, True):
            kind = "exact" if exact else "bound"
            print(f"look at {name}, {kind}: {look(provider, program, exact=exact, repetitions=50)}")
    for name, program in {"one process": HOG, "16 processes": MANY_HOGS}.items():
        command = Command((sys.executable, "-I", "-c", program))
        over = [run(provider, command, Limits(memory_bytes=LIMIT)).ending.peak_bytes - LIMIT for _ in range(5)]
        print(f"memory past a limit of {LIMIT >> 20} MiB, {name}: at most {max(over) >> 20} MiB")


if __name__ == "__main__":
    main()
