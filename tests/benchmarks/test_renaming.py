"""The tool that renames every script of a sample of pull requests, on a small repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests_support import programs
from tests_support.repository import RepositoryBuilder, folder

ROOT = Path(__file__).parents[2]
ADAPTS = programs.HEAD + programs.ADAPT_FIRST + programs.MAIN
BY_NAME = (programs.HEAD + programs.PLAIN + programs.MAIN).replace("fineweb_train", "fineweb_val")
"""Of its settings only the name says that it is of the training files."""


def run(builder: RepositoryBuilder, *arguments: str) -> str:
    """What the tool prints."""
    command = [sys.executable, str(ROOT / "benchmarks" / "renaming.py"), str(builder.path), "--jobs", "1", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_figures(builder: RepositoryBuilder) -> None:
    """Folders are counted, findings listed by rule, and what differs is shown with its lines."""
    path = "records/track_10min_16mb/2026-03-2"
    for number, script in enumerate((ADAPTS, BY_NAME, "def broken(:\n"), 1):
        builder.pull_request(number, folder(f"{path}{number}_Mine", train_gpt_py=script))
    printed = run(builder, "--sample", "9")
    assert "3 pull requests, 2 folders read twice; findings differ in 1" in printed
    assert "1 folders left out" in printed
    assert "| PG401 warn | 2 | 0 |" in printed
    assert "pull request 2\n  - PG501 fail at lines [" in printed
    assert "1 pull requests, 1 folders read twice; findings differ in 0" in run(builder, "--prs", "1")
