"""How much of the field's Python the source reader understands, beside the counts of an independent reading.

    python benchmarks/source_coverage.py REPOSITORY [--list]

REPOSITORY is a git repository of the competition with its pull requests as refs/pull/N/head. Every different `.py` blob
that `main` or a pull request adds under records/ is read once, on one core, among the other files of its folder.
Nothing is checked out and nothing is executed. `--list` names what is opaque or does not parse.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from corpus import BLOB_LIMIT, table

from harness.model.source import ScriptFacts
from harness.model.target import ChangeKind
from harness.observe.intake.repository import Repository
from harness.observe.reading.source.script import read_script

PLAIN = {"import", "open", "runpy", "subprocess"}

REFERENCE = {
    "parses": 99.6,
    "needs the grammar of 3.12, outer text": 0.6,
}
REFERENCE_TRAIN = {
    "parses": 99.7,
    "decoded from a wrapper": 6.7,
    "needs the grammar of 3.12, decoded text": 2.6,
    "class Hyperparameters": 93.8,
    "no environment variable": 2.0,
    "1-29 environment variables": 3.7,
    "30-79 environment variables": 67.5,
    "80 and more environment variables": 26.8,
    "imports torch": 97.5,
}


class Folder(Mapping[str, bytes]):
    """Files of a submission, read when they are looked at; one that the repository lacks is empty."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.blobs: dict[str, str] = {}
        self._read: dict[str, bytes] = {}

    def __getitem__(self, path: str) -> bytes:
        if path not in self._read:
            content = self.repository.read_blob(self.blobs[path], BLOB_LIMIT)
            self._read[path] = content.data if content is not None else b""
        return self._read[path]

    def __contains__(self, path: object) -> bool:
        return path in self.blobs

    def __iter__(self) -> Iterator[str]:
        return iter(self.blobs)

    def __len__(self) -> int:
        return len(self.blobs)


class Scripts:
    """Every different script, with where it was seen first."""

    def __init__(self, path: str) -> None:
        self.repository = Repository(Path(path))
        self.first: dict[str, tuple[Folder, str, str]] = {}
        self.launched: set[str] = set()

    def paths(self) -> Iterator[tuple[str, str, str]]:
        """(`main` or the pull request's number, path, blob) of every file added or changed under records/."""
        source = self.repository
        main = source.resolve(source.base_branch)
        for file in source.list_files(main, "records"):
            if file.blob is not None and file.link is None:
                yield "main", f"records/{file.path}", file.blob
        for number, head in source.pull_requests.items():
            base = source.merge_base(main, head)
            for change in source.diff(base, head) if base is not None else ():
                inside = change.path.startswith("records/") and change.change is not ChangeKind.DELETED
                if inside and change.kind.value in {"file", "executable"}:
                    yield str(number), change.path, change.blob

    def find(self) -> None:
        """Group all files by folder and note the scripts among them."""
        folders: defaultdict[tuple[str, str], Folder] = defaultdict(lambda: Folder(self.repository))
        for where, path, blob in self.paths():
            parts = path.split("/")
            depth = 3 if len(parts) > 3 else len(parts) - 1
            folder = folders[where, "/".join(parts[:depth])]
            inside = "/".join(parts[depth:])
            folder.blobs[inside] = blob
            if path.endswith(".py"):
                self.first.setdefault(blob, (folder, inside, f"{where} {path}"))
                if parts[-1] == "train_gpt.py":
                    self.launched.add(blob)

    @cached_property
    def facts(self) -> dict[str, ScriptFacts]:
        """Facts of each script, by its blob."""
        found = {}
        for blob, (folder, inside, _) in self.first.items():
            others = Folder(self.repository)
            others.blobs = {path: other for path, other in folder.blobs.items() if path != inside}
            found[blob] = read_script(inside, folder[inside], others).facts
        return found


def count(facts: ScriptFacts) -> Iterator[str]:
    """Names of what holds for a script."""
    decoded = any(set(layer.codecs) - PLAIN for layer in facts.layers)
    variables = len({read.name for read in facts.env})
    if facts.grammar is not None:
        yield "parses"
    if facts.grammar == "3.12":
        yield f"needs the grammar of 3.12, {'decoded' if decoded else 'outer'} text"
    if decoded:
        yield "decoded from a wrapper"
    if facts.settings_class is not None and facts.settings_class.value == "Hyperparameters":
        yield "class Hyperparameters"
    if "torch" in facts.frameworks:
        yield "imports torch"
    yield (
        "no environment variable"
        if variables == 0
        else "1-29 environment variables"
        if variables < 30
        else "30-79 environment variables"
        if variables < 80
        else "80 and more environment variables"
    )


def main(path: str, *, listed: bool) -> None:
    """Read all scripts and print the tables."""
    scripts = Scripts(path)
    scripts.find()
    for folder, inside, _ in scripts.first.values():
        folder[inside]  # read first, so that the time below is the reader's
    started = time.process_time()
    facts = scripts.facts
    seconds = time.process_time() - started
    everything = Counter(name for one in facts.values() for name in count(one))
    launched = [facts[blob] for blob in scripts.launched]
    print(table("all scripts", everything, len(facts), REFERENCE))
    print()
    print(
        table("train_gpt.py", Counter(name for one in launched for name in count(one)), len(launched), REFERENCE_TRAIN)
    )
    reads = [read for one in facts.values() for read in one.env]
    print(f"\n{len(reads):,} reads of {len({read.name for read in reads}):,} variables, ", end="")
    given = [read for read in reads if read.has_default]
    print(f"{len(given):,} with a default, {sum(read.default is not None for read in given):,} of them folded")
    chains = Counter(" > ".join("+".join(layer.codecs) for layer in one.layers) for one in facts.values() if one.layers)
    print("; ".join(f"{number} {chain}" for chain, number in chains.most_common()))
    print(f"{sum(one.opaque is not None for one in facts.values())} opaque, {seconds:.1f} CPU seconds")
    for blob, one in facts.items() if listed else ():
        for fact in filter(None, (one.opaque, one.error)):
            print(f"{scripts.first[blob][2]}:{fact.at.line} (layer {fact.at.layer}): {fact.value}")


if __name__ == "__main__":
    main(sys.argv[1], listed="--list" in sys.argv)
