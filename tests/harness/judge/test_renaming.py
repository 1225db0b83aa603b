"""No finding on order, mixtures, accounting or data depends on what an author called things."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_support import programs
from tests_support.arms import Told, arms, told
from tests_support.cases import COMPLETE, FOLDER

from harness.model.target import FileEntry, FolderEntry, Origin

ROOT = Path(__file__).parents[3]
WAYS = {name: text for name, text in vars(programs).items() if isinstance(text, str) and "\ndef evaluate(" in text}
"""The test programs' ways to evaluate, legal and not."""
SCRIPTS = sorted(ROOT.glob("submissions/*/*/train_gpt.py"))
SILENT = {"PLAIN", "SCORE_FIRST", "DOCUMENT_ADAPTER", "RESTORED", "CALIBRATED_ON_TRAINING"}


def both(files: dict[str, bytes], seed: int) -> tuple[frozenset[Told], frozenset[Told]]:
    """What is told of a folder with these files, as it is and renamed."""
    entries = tuple(FileEntry(path=path, size=len(data), blob="0" * 40) for path, data in files.items())
    folder = FolderEntry(path=FOLDER, track=None, origin=Origin.NEW, tree="0" * 40, files=entries)
    pair = arms(files, "train_gpt.py", seed)
    assert pair is not None
    plain, renamed = pair
    assert plain["train_gpt.py"] != renamed["train_gpt.py"]
    return told(folder, plain), told(folder, renamed)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("way", WAYS)
def test_programs(way: str, seed: int) -> None:
    """Each way to evaluate is told the same under new names, at the same lines, and the illegal ones are told."""
    text = programs.HEAD + WAYS[way] + programs.MAIN
    files = {name: data.encode() for name, data in {**COMPLETE, "train_gpt.py": text}.items()}
    before, after = both(files, seed)
    assert before == after
    warned = {one.rule for one in before if one.outcome == "warn"}
    assert bool(warned) is (way not in SILENT)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.parent.name)
def test_submissions(script: Path) -> None:
    """The submissions of this repository are told the same under new names."""
    folder = script.parent
    texts = {
        path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in {".py", ".json", ".md", ".log"}
    }
    before, after = both(texts, 1)
    assert before == after
    assert before


def test_names_that_matter() -> None:
    """What is told may only differ where a name is all there is: the comparison shows it."""
    text = (programs.HEAD + programs.PLAIN + programs.MAIN).replace("fineweb_train", "fineweb_val")
    files = {name: data.encode() for name, data in {**COMPLETE, "train_gpt.py": text}.items()}
    before, after = both(files, 1)
    assert [(one.rule, one.outcome) for one in before - after] == [("PG501", "fail")]
    assert [(one.rule, one.outcome) for one in after - before] == [("PG501", "warn")]
