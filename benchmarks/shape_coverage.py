"""How often the parameter count derived from code and launch settings equals the one that the logs print.

Usage: python benchmarks/shape_coverage.py GIT_REPOSITORY [--limit N] [--seed S] [--jobs J] [--details FILE]

Reads the new folders of all pull requests (refs/pull/N/head against their merge base with main) that hold a
train_gpt.py and logs, without checking anything out.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from harness.observe.reading.launch import read_launch
from harness.observe.reading.logs import is_log, read_log
from harness.observe.reading.source.script import read_script
from harness.observe.reading.text import decode

LOGGED = re.compile(r"model_params\s*[:=]\s*([\d,]{3,15})")
BLOB_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True)
class Folder:
    """One new folder of a pull request, with the object ids of its files."""

    pr: int
    path: str
    files: tuple[tuple[str, str], ...]


def git(repository: str, *arguments: str) -> str:
    """Output of a git command."""
    command = ["git", "-C", repository, *arguments]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False).stdout


def new_folders(repository: str) -> list[Folder]:
    """Folders under records/ that pull requests add, each content once."""
    folders: list[Folder] = []
    seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    lines = git(repository, "for-each-ref", "--format=%(refname) %(objectname)", "refs/pull").splitlines()
    heads = {int(ref.split("/")[2]): sha for ref, sha in map(str.split, lines) if ref.endswith("/head")}
    for pr, sha in sorted(heads.items()):
        base = git(repository, "merge-base", "main", sha).strip()
        if not base:
            continue
        options = ("--raw", "--no-abbrev", "--no-renames", "--diff-filter=A")
        files: dict[str, list[tuple[str, str]]] = {}
        for line in git(repository, "diff", *options, base, sha, "--", "records/").splitlines():
            meta, path = line.split("\t", 1)
            parts = path.split("/")
            folder = "/".join(parts[:3] if len(parts) > 3 else parts[:-1])
            files.setdefault(folder, []).append((path[len(folder) + 1 :], meta.split()[3]))
        for folder, entries in files.items():
            key = (folder, tuple(sorted(entries)))
            if key not in seen and any(name == "train_gpt.py" for name, _ in entries):
                seen.add(key)
                folders.append(Folder(pr, folder, key[1]))
    return folders


def blob(repository: str, name: str) -> bytes:
    """Content of a blob, cut at `BLOB_LIMIT`; empty when the repository lacks it."""
    command = ["git", "-C", repository, "cat-file", "blob", name]
    return subprocess.run(command, capture_output=True, check=False).stdout[:BLOB_LIMIT]


def measure(repository: str, folder: Folder) -> dict[str, object] | None:
    """Derived and logged counts of one folder; None when its logs print no count."""
    wanted = (".py", ".md", ".sh", ".log", ".txt", ".out", ".json", ".lzma", ".xz", ".b85")
    data = {path: blob(repository, name) for path, name in folder.files if path.lower().endswith(wanted)}
    logs = [path for path in data if path.endswith((".log", ".txt", ".out")) and is_log(path, data[path][:65536])]
    logged: Counter[int] = Counter()
    for path in logs:
        for found in LOGGED.findall(decode(data[path]).text):
            if found.replace(",", ""):
                logged[int(found.replace(",", ""))] += 1
    if not logged:
        return None
    scripts = [read_script(path, content, data) for path, content in data.items() if path.endswith(".py")]
    facts = [read_log(path, data[path]).facts for path in sorted(logs)]
    named = {path: content for path, content in data.items() if "readme" in path.lower() or path.endswith(".sh")}
    prose = {path: decode(content).text for path, content in named.items()}
    started = time.process_time()
    reading = read_launch(scripts, prose, facts, ())
    launch, models = reading.facts, reading.models
    seconds = time.process_time() - started
    model = models[0] if models else None
    derived = model.total if model else None
    if model is None:
        verdict = "none"
    elif not model.exact:
        verdict = "inexact"
    else:
        verdict = "equal" if derived in logged else "wrong"
    return {
        "pr": folder.pr, "folder": folder.path, "verdict": verdict, "derived": derived, "logged": dict(logged),
        "others": [shape.total for shape in models[1:4]], "model": model.class_name if model else None,
        "reason": model.reason if model else None, "script": launch.script, "picked": launch.reason,
        "complete": launch.complete, "notes": launch.notes, "seconds": seconds,
        "dead": sum(fact.dead_first is not None for fact in launch.branches), "unreached": len(launch.unreached),
    }  # fmt: skip


def main() -> None:
    """Measure and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--details")
    options = parser.parse_args()
    folders = new_folders(options.repository)
    if options.limit:
        folders = random.Random(options.seed).sample(folders, min(options.limit, len(folders)))
    with ProcessPoolExecutor(options.jobs) as pool:
        results = list(pool.map(partial(measure, options.repository), folders, chunksize=4))
    rows = [row for row in results if row is not None]
    counts = Counter(str(row["verdict"]) for row in rows)
    print(f"{len(folders)} folders with train_gpt.py, {len(rows)} with a logged count")
    for verdict, count in counts.most_common():
        print(f"  {verdict}: {count} ({count / max(1, len(rows)):.1%})")
    seconds = sorted(float(str(row["seconds"])) for row in rows)
    if seconds:
        p90, worst = seconds[int(len(seconds) * 0.9)], seconds[-1]
        print(f"CPU seconds a folder: median {seconds[len(seconds) // 2]:.3f}, 90 % {p90:.3f}, most {worst:.3f}")
        print(f"complete evaluations: {sum(bool(row['complete']) for row in rows) / len(rows):.1%}")
    if options.details:
        with open(options.details, "w", encoding="utf-8") as file:  # noqa: PTH123  a path given by the user
            file.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
