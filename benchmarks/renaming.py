"""How often a finding on order, mixtures, accounting or data changes when every identifier of a script is renamed.

    python benchmarks/renaming.py REPOSITORY [--sample N | --prs 1,2,3] [--seed S] [--jobs J]

REPOSITORY is a git repository of the competition with its pull requests as refs/pull/N/head. Of N pull requests, drawn
at random, every new folder whose train_gpt.py imports no file of it is read twice, without its logs (they print
settings under their old names, and so would be another program's): with the script unpacked and written anew, and with
the same script renamed by the tests' own tool. Nothing is checked out and nothing is executed. What differs is
printed: `-` told of the script alone, `+` told of the renamed one alone.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.model.target import Origin
from harness.observe.intake.pull_request import read_pull_request
from harness.observe.intake.repository import Repository
from harness.observe.reading.roles import is_wanted

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the renamer is a tool of the tests

from tests_support.arms import Told, arms, told

SCRIPT = "train_gpt.py"


@dataclass
class Compared:
    """What was told of the folders of one pull request, in both arms."""

    pr: int
    folders: int = 0
    left_out: int = 0
    """Folders whose script does not parse or shares its names with other files of the folder."""
    findings: Counter[str] = field(default_factory=Counter)
    """Findings in the first arm by rule and outcome."""
    lost: list[Told] = field(default_factory=list)
    gained: list[Told] = field(default_factory=list)


def compare(repository: Path, seed: int, pr: int) -> Compared:
    """Both arms of every new folder of a pull request."""
    source = Repository(repository)
    result = Compared(pr)
    for folder in read_pull_request(source, pr, None).folders:
        if folder.origin is Origin.REPEATED or not any(file.path == SCRIPT for file in folder.files):
            continue
        contents = {file.path: source.read(folder, file) for file in folder.files if is_wanted(file)}
        files = {path: content.data for path, content in contents.items() if content is not None}
        both = arms(files, SCRIPT, seed) if SCRIPT in files else None
        if both is None:
            result.left_out += 1
            continue
        before, after = (told(folder, arm) for arm in both)
        result.folders += 1
        result.findings.update(f"{one.rule} {one.outcome}" for one in before)
        result.lost += sorted(before - after, key=str)
        result.gained += sorted(after - before, key=str)
    return result


def report(results: list[Compared]) -> str:
    """What differs, and the figures."""
    lines = []
    for result in results:
        if result.lost or result.gained:
            lines.append(f"pull request {result.pr}")
            for sign, rows in (("-", result.lost), ("+", result.gained)):
                lines += [f"  {sign} {one.rule} {one.outcome} at lines {list(one.lines)}" for one in rows]
    folders = sum(result.folders for result in results)
    changed = sum(bool(result.lost or result.gained) for result in results)
    total = sum((result.findings for result in results), Counter[str]())
    lost = Counter(f"{one.rule} {one.outcome}" for result in results for one in result.lost)
    left_out = sum(result.left_out for result in results)
    lines.append(f"{len(results)} pull requests, {folders} folders read twice; findings differ in {changed}")
    lines.append(f"{left_out} folders left out: the script does not parse or shares names with other files")
    lines += ["| finding | told | lost or moved |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {count} | {lost[name]} |" for name, count in sorted(total.items())]
    return "\n".join(lines)


def main() -> None:
    """Draw, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--sample", type=int, default=50)
    parser.add_argument("--prs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    if options.prs:
        drawn = sorted({int(word) for word in options.prs.split(",")})
    else:
        numbers = sorted(Repository(options.repository).pull_requests)
        drawn = sorted(random.Random(options.seed).sample(numbers, min(options.sample, len(numbers))))
    with ProcessPoolExecutor(options.jobs) as pool:
        print(report(list(pool.map(partial(compare, options.repository, options.seed), drawn))))


if __name__ == "__main__":
    main()
