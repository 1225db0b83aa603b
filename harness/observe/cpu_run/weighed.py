"""What a run printed of its sizes, and which files of the submission it used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from harness.model.logs import RunFacts
from harness.model.weighed import CodeFile, ShippedFile, Weighed
from harness.observe.cpu_run.report import Report


def weighed(reports: Sequence[Report], runs: Sequence[RunFacts], files: Mapping[str, bytes], root: str) -> Weighed:
    """The weights of a run of these ranks; `files` are those of the submission, which lay in `root`.

    When a file was opened is told by the first rank that did so: the ranks count for themselves.
    """
    last = runs[-1] if runs else None
    executed = {block.path for report in reports for block in report.blocks if block.times}
    found = {path: when for report in reversed(reports) for path, when in report.found.items()}
    return Weighed(
        total=last.bytes_total if last is not None else None,
        code=(last.bytes_code_compressed or last.bytes_code) if last is not None else None,
        model=last.bytes_model if last is not None else None,
        program=tuple(
            CodeFile(path=path, size=len(files[path]), read_as=len(files[path].replace(b"\r\n", b"\n")))
            for path in sorted(executed & files.keys())
        ),
        shipped=tuple(
            ShippedFile(path=path, size=len(files[path]), read=when)
            for path, when in sorted((_inside(path, root), when) for path, when in found.items())
            if path in files and not path.endswith((".py", ".pyc"))
        ),
    )


def _inside(path: str, root: str) -> str:
    """The path of a file from the submission's folder; empty for others."""
    pure = PurePosixPath(path)
    return str(pure.relative_to(root)) if pure.is_relative_to(root) else ""
