"""Files of all pull requests of a repository, each content once; and a table of shares beside a reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from harness.model.target import ChangeKind
from harness.observe.intake.repository import Repository

BLOB_LIMIT = 16 << 20


def unique_files(repository: str, wanted: Callable[[str], bool]) -> Iterator[tuple[list[str], bytes | None]]:
    """(paths inside their submission, bytes) of each different blob under records/, of main and of all pull requests.

    Bytes are None where the repository lacks the blob.
    """
    source = Repository(Path(repository))
    main = source.resolve(source.base_branch)
    found: dict[str, list[str]] = {}

    def add(blob: str, path: str) -> None:
        if wanted(path):
            found.setdefault(blob, []).append("/".join(path.split("/")[3:]) or path)

    for file in source.list_files(main, "records"):
        if file.blob is not None and file.link is None:
            add(file.blob, f"records/{file.path}")
    for head in source.pull_requests.values():
        base = source.merge_base(main, head)
        if base is None:
            continue
        for change in source.diff(base, head):
            inside = change.path.startswith("records/") and change.change is not ChangeKind.DELETED
            if inside and change.kind.value in {"file", "executable"}:
                add(change.blob, change.path)
    for blob, paths in found.items():
        content = source.read_blob(blob, BLOB_LIMIT)
        yield paths, content.data if content is not None else None


def table(title: str, counts: Mapping[str, int], total: int, reference: Mapping[str, float]) -> str:
    """A Markdown table of shares, with the reference that an independent reading measured."""
    lines = [f"| {title} ({total:,}) | files | share % | reference % |", "| --- | ---: | ---: | ---: |"]
    for name, share in reference.items():
        lines.append(f"| {name} | {counts[name]:,} | {100 * counts[name] / max(1, total):.1f} | {share:.1f} |")
    return "\n".join(lines)


def count_states(states: Counter[str], seconds: float) -> str:
    """One line about what was read."""
    return ", ".join(f"{count:,} {name}" for name, count in states.items()) + f"; {seconds:.1f} CPU seconds"
