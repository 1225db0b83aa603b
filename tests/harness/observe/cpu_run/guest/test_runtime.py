"""Texts that a program unpacks: which of its files they belong to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.observe.cpu_run.guest.runtime import Runtime

UNPACKED = "x = 1\ny = 2\n"


@pytest.mark.parametrize(
    ("unpacks", "expected"),
    [
        (f"exec({UNPACKED!r})\n", ("train_gpt.py", 1)),
        (f"exec(compile({UNPACKED!r}, 'other.py', 'exec'))\n", ("train_gpt.py", 1)),
        (f"exec(compile({UNPACKED!r}, 'nowhere.py', 'exec'))\n", ("train_gpt.py", 1)),
        ("import pathlib; exec(compile(pathlib.Path('other.py').read_text(), 'other.py', 'exec'))\n", ("other.py", 1)),
        (f"exec({f'exec({UNPACKED!r})'!r})\n", ("train_gpt.py", 2)),
    ],
)
def test_an_unpacked_text_belongs_to_the_file_that_unpacks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unpacks: str, expected: tuple[str, int]
) -> None:
    """A name that the program gives it counts only where a file of that name holds that very text."""
    root = tmp_path / "submission"
    root.mkdir()
    (root / "other.py").write_text("z = 3\n")
    (root / "train_gpt.py").write_text(unpacks)
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    runtime = Runtime(root, lambda: 0.0)
    runtime.main("train_gpt.py")
    assert runtime.place_of(str(tmp_path / "layers" / f"{expected[1]}.py")) == expected
