"""How far real submissions get when they are run on a CPU: stages, failures by fault, seconds and memory.

    python benchmarks/cpu_run.py REPO merged|sample|3,7,10 [--sample N] [--seed S] [--jobs J] [--output FILE]

`merged` are the records of main; `sample` draws pull requests with scripts afresh each time (the seed is printed).
A submission leaves the smaller denominator only where facts prove that a file is missing or broken in itself: its run
ended in a fault of the submission.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from harness.facts import facts_of, with_runs
from harness.model.cpu_run import CpuRunFacts, Fault, RunStage
from harness.observe.cpu_run.runner import CpuRunner
from harness.observe.intake.pull_request import read_pull_request, read_ref
from harness.observe.intake.repository import Repository
from harness.observe.reading.worker import Reader
from harness.observe.sandbox.bubblewrap import Bubblewrap
from harness.store.store import Store, default_root

RECORDS = "records/track_10min_16mb"


def targets(repository: Repository, what: str, count: int, seed: int) -> list[str]:
    """Names of targets: folders of main, or numbers of pull requests."""
    if what == "merged":
        names = repository._repo.git.ls_tree("--name-only", f"{repository.base_branch}:{RECORDS}").split("\n")
        return [f"{RECORDS}/{name}" for name in names]
    if what == "sample":
        return [str(n) for n in random.Random(seed).sample(sorted(repository.pull_requests), count)]
    return what.split(",")


_state: dict[str, object] = {}


def one(path: str, target: str) -> list[tuple[str, str, float, str | None]]:
    """Runs of a target: (name, facts as JSON, seconds, script)."""
    if not _state:
        store = Store(default_root())
        _state.update(repository=Repository(Path(path)), store=store, reader=Reader(),
                      runner=CpuRunner(Bubblewrap(), store.root / "inputs", warm=True))  # fmt: skip
    repository, store = _state["repository"], _state["store"]
    if target.isdigit():
        intake = read_pull_request(repository, int(target))
    else:
        intake = read_ref(repository, repository.base_branch, folder=target)
    facts, _ = facts_of(intake, repository, _state["reader"], store)
    found = []
    for submission in facts.submissions:
        alone = facts.model_copy(update={"submissions": (submission,)})
        started = time.perf_counter()
        run = with_runs(alone, repository, _state["runner"], store).submissions[0].cpu_run
        script = submission.launch.script if submission.launch is not None else None
        name = (
            f"{target} {submission.folder.path.rpartition('/')[2]}" if target.isdigit() else target.rpartition("/")[2]
        )
        found.append((name, run.model_dump_json(), time.perf_counter() - started, script))
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("repository")
    parser.add_argument("what")
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    chosen = targets(Repository(Path(given.repository)), given.what, given.sample, given.seed)
    print(f"{len(chosen)} targets, seed {given.seed}", flush=True)
    rows: list[tuple[str, CpuRunFacts, float]] = []
    with ProcessPoolExecutor(given.jobs) as pool:
        futures = {pool.submit(one, given.repository, target): target for target in chosen}
        for number, future in enumerate(as_completed(futures), 1):
            try:
                answers = future.result()
            except Exception as error:  # noqa: BLE001  one target must not end the benchmark
                print(f"{futures[future]}: {type(error).__name__}: {error}", flush=True)
                continue
            for name, data, seconds, script in answers:
                if script is None:
                    continue
                run = CpuRunFacts.model_validate_json(data)
                rows.append((name, run, seconds))
                reached = run.reached[-1].value if run.reached else "-"
                words = (
                    f"{run.failure.fault}: {run.failure.exception}: {run.failure.message[:110]}" if run.failure else ""
                )
                line = run.failure.at.line if run.failure and run.failure.at else ""
                print(f"{number:4} {seconds:6.1f} s  {reached:9} {name[:60]:60} {line} {words}", flush=True)
                if given.output:
                    with given.output.open("a") as stream:
                        stream.write(json.dumps({"name": name, "seconds": seconds, "run": json.loads(data)}) + "\n")
    summary(rows)


def summary(rows: list[tuple[str, CpuRunFacts, float]]) -> None:
    """The table."""
    if not rows:
        sys.exit("nothing was run")
    own = [run for _, run, _ in rows if run.failure is not None and run.failure.fault is Fault.SUBMISSION]
    print(f"\n{'stage':10} {'of all':>16} {'without those broken in themselves':>36}")
    for stage in RunStage:
        reached = sum(stage in run.reached for _, run, _ in rows)
        kept = [run for _, run, _ in rows if run not in own]
        alone = sum(stage in run.reached for run in kept)
        print(f"{stage:10} {reached:5} of {len(rows):4} {reached / len(rows):5.1%}", end="")
        print(f"{alone:18} of {len(kept):4} {alone / max(len(kept), 1):5.1%}")
    whole = sum(run.failure is None and len(run.reached) == len(RunStage) for _, run, _ in rows)
    print(f"end to end {whole} of {len(rows)} {whole / len(rows):.1%}, without those broken in themselves "
          f"{whole / max(len(rows) - len(own), 1):.1%}")  # fmt: skip
    seconds = sorted(taken for _, _, taken in rows)
    memory = sorted(max((a.peak_mb or 0 for a in run.attempts), default=0) for _, run, _ in rows)
    slow = seconds[int(0.9 * (len(seconds) - 1))]
    print(f"seconds: median {statistics.median(seconds):.1f}, 90th percentile {slow:.1f}, largest {seconds[-1]:.1f}")
    print(f"peak memory: median {statistics.median(memory):.0f} MB, largest {memory[-1]:.0f} MB")
    failures = Counter(
        (run.failure.fault.value, run.failure.exception) for _, run, _ in rows if run.failure is not None
    )
    for (fault, exception), count in failures.most_common():
        print(f"{count:4} {fault:11} {exception}")


if __name__ == "__main__":
    main()
