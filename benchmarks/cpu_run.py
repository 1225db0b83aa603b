"""How far real submissions get when they are run on a CPU: stages, failures by fault, seconds and memory.

    python benchmarks/cpu_run.py REPO merged|sample|3,7,10 [--sample N] [--seed S] [--jobs J] [--proof] [--output FILE]

`merged` are the records of main; `sample` draws pull requests with scripts afresh each time (the seed is printed). A
run is one from end to end if nothing failed, the artifact was written and read back, the printed final score is what
was added up, and every evaluation feature that the launch enables was executed; features of which that is not known are
counted apart. With `--proof` experiments are made on each run that came to its end, and what they cost is told as a
multiple of the run that they are made on. A submission leaves the smaller denominator only where facts prove that a
file is missing or broken in itself: its run ended in a fault of the submission.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from harness.facts import facts_of, with_runs
from harness.model.cpu_run import CpuRunFacts, Fault, Ran, RunStage
from harness.model.plan import Feature
from harness.model.proof import ProofFacts
from harness.observe.cpu_run.runner import CpuRunner
from harness.observe.intake.pull_request import read_pull_request, read_ref
from harness.observe.intake.repository import Repository
from harness.observe.probes.prove import prove
from harness.observe.reading.worker import Reader
from harness.observe.sandbox.bubblewrap import Bubblewrap
from harness.store.store import Store, default_root

RECORDS = "records/track_10min_16mb"
EVALUATION = frozenset({Feature.SLIDING, Feature.TTT, Feature.SLOT, Feature.NGRAM})
"""Features of the evaluation; the others belong to training and compression."""
WIDTH = 110
"""Characters of a failure's words."""


def targets(repository: Repository, what: str, count: int, seed: int) -> list[str]:
    """Names of targets: folders of main, or numbers of pull requests."""
    if what == "merged":
        names = repository._repo.git.ls_tree("--name-only", f"{repository.base_branch}:{RECORDS}").split("\n")
        return [f"{RECORDS}/{name}" for name in names]
    if what == "sample":
        return [str(n) for n in random.Random(seed).sample(sorted(repository.pull_requests), count)]
    return what.split(",")


_state: dict[str, object] = {}


def one(path: str, target: str, *, proof: bool = False) -> list[tuple[str, str, float, str | None]]:
    """Runs of a target: (name, facts as JSON, seconds, script)."""
    if not _state:
        store = Store(default_root())
        inputs = store.root / "inputs"
        runner = CpuRunner(Bubblewrap(), inputs, warm=True, prove=partial(prove, cache=inputs) if proof else None)
        _state.update(repository=Repository(Path(path)), store=store, reader=Reader(), runner=runner)
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
    parser.add_argument("--proof", action="store_true")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    chosen = targets(Repository(Path(given.repository)), given.what, given.sample, given.seed)
    print(f"{len(chosen)} targets, seed {given.seed}", flush=True)
    rows: list[tuple[str, CpuRunFacts, float]] = []
    with ProcessPoolExecutor(given.jobs) as pool:
        futures = {pool.submit(one, given.repository, target, proof=given.proof): target for target in chosen}
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
                short = shortfall(run)
                words = f"{short[0]}: {short[1][:WIDTH]}" if short is not None else ""
                line = run.failure.at.line if run.failure and run.failure.at else ""
                print(f"{number:4} {seconds:6.1f} s  {reached:9} {name[:60]:60} {line} {words}", flush=True)
                if given.output:
                    with given.output.open("a") as stream:
                        stream.write(json.dumps({"name": name, "seconds": seconds, "run": json.loads(data)}) + "\n")
    summary(rows)


def shortfall(run: CpuRunFacts) -> tuple[Fault, str] | None:
    """With whom it lies that a run is not one from end to end, and why; None where it is one."""
    if run.refused is not None:
        return Fault.MACHINE, run.refused
    if run.failure is not None:
        return run.failure.fault, f"{run.failure.exception}: {run.failure.message}"
    missing = [stage.value for stage in RunStage if stage not in run.reached]
    if missing:
        return Fault.HARNESS, f"not seen to be {', '.join(missing)}"
    idle = [one for one in run.fidelity.features if one.feature in EVALUATION and one.ran is Ran.NOT_EXECUTED]
    return (Fault.HARNESS, f"did not execute {', '.join(one.feature.value for one in idle)}") if idle else None


def summary(rows: list[tuple[str, CpuRunFacts, float]]) -> None:
    """The tables."""
    if not rows:
        sys.exit("nothing was run")
    judged = [(name, run, shortfall(run)) for name, run, _ in rows]
    kept = [run for _, run, short in judged if short is None or short[0] is not Fault.SUBMISSION]
    print(f"\n{'stage':10} {'of all':>16} {'without those broken in themselves':>36}")
    for stage in RunStage:
        reached = sum(stage in run.reached for _, run, _ in rows)
        alone = sum(stage in run.reached for run in kept)
        print(f"{stage:10} {share(reached, len(rows))} {share(alone, len(kept)):>35}")
    whole = sum(short is None for _, _, short in judged)
    print(f"{'end to end':10} {share(whole, len(rows))} {share(whole, len(kept)):>35}")
    doubtful = sum(short is None and _answered(run, EVALUATION)[Ran.UNKNOWN] > 0 for _, run, short in judged)
    print(f"of these {doubtful} with an evaluation feature of which it is not known whether it was executed")
    features(rows)
    costs(rows)
    experiments([run.proof for _, run, _ in rows], rows)
    print()
    reasons: defaultdict[tuple[Fault, str], list[str]] = defaultdict(list)
    for name, _, short in judged:
        if short is not None:
            reasons[short[0], short[1].partition(":")[0]].append(name)
    for (fault, why), names in sorted(reasons.items(), key=lambda item: (item[0][0], -len(item[1]))):
        print(f"{len(names):4} {fault:11} {why[:60]:60} {', '.join(name[:40] for name in names[:4])}")


def share(part: int, whole: int) -> str:
    """A count with its fraction."""
    return f"{part:5} of {whole:4} {part / max(whole, 1):6.1%}"


def _answered(run: CpuRunFacts, among: frozenset[Feature]) -> Counter[Ran]:
    return Counter(one.ran for one in run.fidelity.features if one.feature in among)


def features(rows: list[tuple[str, CpuRunFacts, float]]) -> None:
    """Enabled features of the runs that ended without a failure, and what became of them."""
    ended = [run for _, run, _ in rows if run.failure is None and run.refused is None]
    print(f"\n{'enabled':10} {'executed':>20} {'not executed':>20} {'unknown':>20}   runs without a failure")
    for feature in Feature:
        answers = Counter[Ran]()
        for run in ended:
            answers += _answered(run, frozenset({feature}))
        if answers:
            print(f"{feature.value:10} " + " ".join(share(answers[ran], answers.total()) for ran in Ran))


def costs(rows: list[tuple[str, CpuRunFacts, float]]) -> None:
    """Seconds and memory of one submission, all its attempts together."""
    seconds = [taken for _, _, taken in rows]
    work = [run.cpu_seconds for _, run, _ in rows]
    memory = [run.peak_mb or 0.0 for _, run, _ in rows]
    print()
    for what, values in (("seconds", seconds), ("processor seconds of the runs", work), ("peak memory in MB", memory)):
        ordered = sorted(values)
        slow = ordered[int(0.9 * (len(ordered) - 1))]
        print(f"{what}: median {statistics.median(ordered):.1f}, 90th percentile {slow:.1f}, largest {ordered[-1]:.1f}")


def experiments(proofs: Sequence[ProofFacts | None], rows: list[tuple[str, CpuRunFacts, float]]) -> None:
    """What experiments compared and what they cost: processor seconds for one of the run that they were made on."""
    made = [(one, run) for one, (_, run, _) in zip(proofs, rows, strict=True) if one is not None and one.divergences]
    if not made:
        return
    costs = sorted(
        one.cpu_seconds / base for one, run in made if (base := run.attempts[-1].cpu_seconds) is not None and base > 0
    )
    compared = sum(one.rows > 0 and not one.unplaced for one, _ in made)
    some = sum(one.rows > 0 for one, _ in made)
    print(f"\nexperiments on {len(made)} runs; all scores compared in {compared}, some in {some}")
    print(f"their cost, the run being 1: median {statistics.median(costs):.1f}, 90th percentile "
          f"{costs[int(0.9 * (len(costs) - 1))]:.1f}, largest {costs[-1]:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
