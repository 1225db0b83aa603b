"""How much of the field's Python the source reader understands, and how fast.

    python benchmarks/source_coverage.py REPOSITORY [--every N] [--list]

REPOSITORY is a git repository (bare or not) with `main` and `refs/pull/*/head`. Every distinct `.py` blob under
`records/` is read once, among the other files of its folder. Nothing is checked out and nothing is executed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.model.source import ScriptFacts
from harness.observe.reading.source.script import read_script

CACHED = 2 * 1024 * 1024


@dataclass
class Repository:
    """A git repository, read through its plumbing."""

    path: str
    _batch: subprocess.Popen[bytes] | None = None
    _cache: dict[str, bytes] = field(default_factory=dict)

    def git(self, *arguments: str) -> bytes:
        """Output of a git command; empty where it fails (a pull request without merge base)."""
        return subprocess.run(["git", "-C", self.path, *arguments], capture_output=True, check=False).stdout

    def blob(self, sha: str) -> bytes:
        """Content of a blob; empty where the repository lacks it."""
        if sha in self._cache:
            return self._cache[sha]
        if self._batch is None:
            command = ["git", "-C", self.path, "cat-file", "--batch"]
            self._batch = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._batch.stdin is not None
        assert self._batch.stdout is not None
        self._batch.stdin.write(sha.encode() + b"\n")
        self._batch.stdin.flush()
        header = self._batch.stdout.readline().split()
        if header[1] == b"missing":
            return b""
        data = self._batch.stdout.read(int(header[2]))
        self._batch.stdout.read(1)
        if len(data) < CACHED:
            self._cache[sha] = data
        return data

    def files(self) -> Iterator[tuple[str, str, str]]:
        """Pull request (or `main`), path and blob of every file under `records/` that was added or changed."""
        for entry in self.git("ls-tree", "-r", "-z", "main", "--", "records").split(b"\0"):
            if entry:
                meta, path = entry.split(b"\t", 1)
                yield "main", path.decode(errors="replace"), meta.split()[2].decode()
        for line in self.git("for-each-ref", "--format=%(refname)", "refs/pull/*/head").decode().split():
            base = self.git("merge-base", "main", line).decode().strip()
            if not base:
                continue
            options = ("--raw", "-z", "--no-renames", "--diff-filter=AMT", "--abbrev=40")
            parts = self.git("diff", *options, base, line, "--", "records").split(b"\0")
            for meta, path in zip(parts[::2], parts[1::2], strict=False):
                yield line.split("/")[2], path.decode(errors="replace"), meta.split()[3].decode()


class Files(Mapping[str, bytes]):
    """Files of a folder, fetched when they are looked at."""

    def __init__(self, repository: Repository, blobs: dict[str, str]) -> None:
        self.repository = repository
        self.blobs = blobs

    def __getitem__(self, path: str) -> bytes:
        return self.repository.blob(self.blobs[path])

    def __iter__(self) -> Iterator[str]:
        return iter(self.blobs)

    def __len__(self) -> int:
        return len(self.blobs)


def folder_of(path: str) -> str:
    """`records/track/name` of a path, or its own folder where it lies higher."""
    parts = path.split("/")
    return "/".join(parts[:3]) if len(parts) > 3 else "/".join(parts[:-1])


def report(title: str, facts: list[ScriptFacts]) -> None:
    """Print one table."""
    total = max(1, len(facts))
    wrapped = [one for one in facts if any(layer.codecs != ("import",) for layer in one.layers)]
    decoded = [one for one in facts if any(set(layer.codecs) - {"import", "open", "runpy"} for layer in one.layers)]
    plain = [one for one in facts if one not in decoded]
    names = [len({read.name for read in one.env}) for one in facts]
    reads = [read for one in facts for read in one.env]
    with_default = [read for read in reads if read.has_default]
    classes = Counter(one.settings_class.value for one in facts if one.settings_class)
    rows = [
        ("scripts", len(facts)),
        ("grammar 3.11", sum(one.grammar == "3.11" for one in facts)),
        ("grammar 3.12, not decoded", sum(one.grammar == "3.12" for one in plain)),
        ("grammar 3.12, decoded", sum(one.grammar == "3.12" for one in decoded)),
        ("does not parse", sum(one.grammar is None for one in facts)),
        ("looked through (decoded, opened, run, imported)", len([one for one in facts if one.layers])),
        ("  of these with other than import", len(wrapped)),
        ("  decoded", len(decoded)),
        ("opaque", sum(one.opaque is not None for one in facts)),
        ("settings class", sum(classes.values())),
        ("  Hyperparameters", classes["Hyperparameters"]),
        ("environment variables: none", sum(count == 0 for count in names)),
        ("  1-29", sum(0 < count < 30 for count in names)),
        ("  30-79", sum(30 <= count < 80 for count in names)),
        ("  80 and more", sum(count >= 80 for count in names)),
        ("reads", len(reads)),
        ("  distinct names", len({read.name for read in reads})),
        ("  with default", len(with_default)),
        ("  default folded", sum(read.default is not None for read in with_default)),
        ("runnable", sum(one.runnable for one in facts)),
        ("imports torch", sum("torch" in one.frameworks for one in facts)),
        ("imports a file that the folder lacks", sum(any(i.group == "missing" for i in one.imports) for one in facts)),
    ]
    print(f"\n{title}")
    for name, count in rows:
        print(f"  {name:<50} {count:>8}  {100 * count / total:6.1f} %")
    codecs = Counter(
        " > ".join("+".join(layer.codecs) or "text" for layer in one.layers) for one in facts if one.layers
    )
    for name, count in codecs.most_common():
        print(f"    {count:>4}  {name}")


def main() -> None:
    """Read all scripts and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository")
    parser.add_argument("--every", type=int, default=1, help="read only every N-th script")
    parser.add_argument("--list", action="store_true", help="list what is opaque or does not parse")
    options = parser.parse_args()
    repository = Repository(options.repository)
    folders: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    scripts: dict[str, tuple[str, str]] = {}
    launched = set()
    for where, path, sha in repository.files():
        folder = folder_of(path)
        folders[where, folder][path[len(folder) + 1 :]] = sha
        if path.endswith(".py"):
            scripts.setdefault(sha, (where, path))
            if path.endswith("/train_gpt.py"):
                launched.add(sha)
    facts: dict[str, ScriptFacts] = {}
    seconds: list[tuple[float, str]] = []
    for sha in sorted(scripts)[:: options.every]:
        where, path = scripts[sha]
        folder = folder_of(path)
        name = path[len(folder) + 1 :]
        others = {other: blob for other, blob in folders[where, folder].items() if other != name}
        data = repository.blob(sha)
        started = time.process_time()
        facts[sha] = read_script(name, data, Files(repository, others)).facts
        seconds.append((time.process_time() - started, f"{where} {path}"))
    report("all scripts", list(facts.values()))
    report("named train_gpt.py", [one for sha, one in facts.items() if sha in launched])
    seconds.sort(reverse=True)
    print(f"\nCPU {sum(one for one, _ in seconds):.1f} s, slowest {seconds[0][0]:.2f} s ({seconds[0][1]})")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    if options.list:
        for sha, one in facts.items():
            for fact in filter(None, (one.opaque, one.error)):
                print(f"{' '.join(scripts[sha])}:{fact.at.line} layer {fact.at.layer}: {fact.value}")


if __name__ == "__main__":
    main()
