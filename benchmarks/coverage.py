"""Writes docs/coverage.md: which facts are found in the pull requests of a repository.

python benchmarks/coverage.py REPOSITORY SWEEP

SWEEP is the output folder of `golf sweep REPOSITORY --output SWEEP` over all pull requests.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import log_coverage
import metadata_coverage
import source_coverage

DOCUMENT = Path(__file__).parent.parent / "docs" / "coverage.md"
HEAD = """\
# What is read of real pull requests

Made with `python benchmarks/coverage.py REPOSITORY SWEEP` from a mirror of openai/parameter-golf; do not edit.
The reference columns are the shares that an independent, hand-checked study of the same files measured. Where ours is
lower it is by choice: a `val_loss` that holds bits per byte is taken as `val_bpb`, sizes of 0 are placeholders, and a
stride or a stage in a file name is no seed.
"""


def printed(main: Callable[[], object]) -> str:
    """What a benchmark prints."""
    stream = io.StringIO()
    with redirect_stdout(stream):
        main()
    return stream.getvalue().strip()


def sweep_table(index: dict[str, object]) -> str:
    """Pull requests by kind of fact and by verdict."""
    rows = index["rows"]
    coverage, verdicts = index["coverage"], index["verdicts"]
    assert isinstance(rows, list)
    assert isinstance(coverage, dict)
    assert isinstance(verdicts, dict)
    seconds = sorted(row["seconds"] for row in rows)
    total = len(rows)
    lines = [
        (
            f"{total:,} pull requests, {index['errors']} harness errors. Seconds a pull request: median "
            f"{seconds[total // 2]:.2f}, 95 % {seconds[int(0.95 * total)]:.2f}, most {seconds[-1]:.2f}."
        ),
        "",
        "| at least one submission has | pull requests | share % |",
        "| --- | ---: | ---: |",
    ]
    lines += [f"| {name.replace('_', ' ')} | {n:,} | {100 * n / total:.1f} |" for name, n in coverage.items()]
    lines += ["", "| verdict (static) | pull requests |", "| --- | ---: |"]
    lines += [f"| {name.replace('_', ' ')} | {n:,} |" for name, n in verdicts.items()]
    return "\n".join(lines)


def main(repository: str, sweep: str) -> None:
    """Measure and write the document."""
    index = json.loads((Path(sweep) / "index.json").read_text(encoding="utf-8"))
    parts = [
        HEAD,
        "## Pull requests\n\n" + sweep_table(index),
        "## submission.json\n\n" + printed(lambda: metadata_coverage.main(repository)),
        "## Logs\n\n" + printed(lambda: log_coverage.main(repository)),
        "## Source\n\n" + printed(lambda: source_coverage.main(repository, listed=False)),
    ]
    DOCUMENT.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: python {sys.argv[0]} REPOSITORY SWEEP")
    main(sys.argv[1], sys.argv[2])
