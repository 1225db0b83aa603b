"""A sweep as a user runs it: a real process, a real repository, a real kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests_support.repository import RepositoryBuilder, folder

from harness.sweep.index import IndexRow, Journal


def sweep(repository: Path, output: Path, *options: str) -> subprocess.Popen[str]:
    """Start `golf sweep` in a process group of its own."""
    command = [sys.executable, "-m", "harness.cli", "sweep", str(repository), "--output", str(output), "--jobs", "2"]
    return subprocess.Popen(
        [*command, *options], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def finished(repository: Path, output: Path, *options: str) -> tuple[int, str]:
    """Exit code and everything printed of a whole sweep."""
    process = sweep(repository, output, *options)
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


@pytest.fixture
def many(builder: RepositoryBuilder) -> RepositoryBuilder:
    """A repository with thirty pull requests, an awkward one among them."""
    for number in range(1, 31):
        builder.pull_request(number, folder(f"records/track_10min_16mb/2026-03-20_P{number}"))
    builder.pull_request(31, {"notes.md": "no submission"})
    hostile = folder("records/track_10min_16mb/2026-03-20_Bad", submission_json="{" * 9000, train_gpt_py="(" * 9000)
    builder.pull_request(32, hostile)
    return builder


def test_whole_sweep(many: RepositoryBuilder, tmp_path: Path) -> None:
    """Every pull request gets a review; the index counts them; nothing of a submission makes the sweep fail."""
    output = tmp_path / "out"
    code, text = finished(many.path, output)
    assert code == 0, text
    index = json.loads((output / "index.json").read_text())
    assert index["schema"] == "golf.index/1"
    assert [row["pr"] for row in index["rows"]] == list(range(1, 33))
    assert index["errors"] == 0
    assert index["verdicts"] == {"clean": 30, "action_needed": 2}
    review = json.loads((output / "7.json").read_text())
    assert review["schema"] == "golf.review/1"
    assert review["target"]["pr"] == 7


def test_second_sweep_does_nothing(many: RepositoryBuilder, tmp_path: Path) -> None:
    """What is done and unchanged is not done again; a new pull request is."""
    output = tmp_path / "out"
    finished(many.path, output)
    before = (output / "3.json").stat().st_mtime_ns
    code, text = finished(many.path, output)
    assert code == 0
    assert "32 of 32 pull requests are done already" in text
    many.pull_request(40, folder("records/track_10min_16mb/2026-03-21_New"))
    _, text = finished(many.path, output)
    assert "32 of 33 pull requests are done already" in text
    assert (output / "3.json").stat().st_mtime_ns == before
    assert (output / "40.json").exists()


def test_another_judgement_reads_nothing(many: RepositoryBuilder, tmp_path: Path) -> None:
    """Another date, policy or folder of reviews takes stored facts: neither git objects nor files are read again."""
    finished(many.path, tmp_path / "a")
    for line in many.git("cat-file", "--batch-all-objects", "--batch-check").splitlines():
        name, kind, _ = line.split()
        if kind != "commit":
            (many.path / "objects" / name[:2] / name[2:]).unlink()
    output = tmp_path / "b"
    code, text = finished(many.path, output, "--as-of", "2026-05-02", "--policy", "chronological")
    assert code == 0, text
    review = json.loads((output / "7.json").read_text())
    assert (review["harness"]["as_of"], review["harness"]["policy"]) == ("2026-05-02", "chronological")
    rows = json.loads((output / "index.json").read_text())["rows"]
    assert (len(rows), all(row["cached"] for row in rows)) == (32, True)
    code, text = finished(many.path, output, "--policy", "whatever")
    assert (code, "there are readme, chronological" in text) == (2, True)


def test_killed_sweep_goes_on(many: RepositoryBuilder, tmp_path: Path) -> None:
    """Killed in the middle, a sweep leaves whole reviews and no process behind, and the next one does the rest."""
    output = tmp_path / "out"
    process = sweep(many.path, output)
    journal = output / "journal.jsonl"
    while not (journal.exists() and journal.read_text().count("\n") >= 5):
        assert process.poll() is None, "the sweep ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 10
    while _group_alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _group_alive(process.pid)
    for file in output.glob("[0-9]*.json"):
        json.loads(file.read_text())
    done = journal.read_text().count("\n")
    journal.write_text(journal.read_text() + '{"pr": 9, "key": "cut off he')
    code, text = finished(many.path, output)
    assert code == 0, text
    assert "are done already" in text
    rows = json.loads((output / "index.json").read_text())["rows"]
    assert len(rows) == 32
    assert done >= 5


def _group_alive(group: int) -> bool:
    """Whether any process of the session that `group` led still runs."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == group and fields[0] != "Z":
                return True
    return False


def test_selection_and_refusals(many: RepositoryBuilder, tmp_path: Path) -> None:
    """--prs selects; wrong usage ends with 2 and says what is accepted."""
    code, _ = finished(many.path, tmp_path / "a", "--prs", "2-4,9")
    assert code == 0
    assert sorted(int(file.stem) for file in (tmp_path / "a").glob("[0-9]*.json")) == [2, 3, 4, 9]
    code, text = finished(many.path, tmp_path / "b", "--prs", "99")
    assert (code, "fetch it first" in text) == (2, True)
    code, text = finished(tmp_path, tmp_path / "c")
    assert (code, "not a git repository" in text) == (2, True)
    code, text = finished(Path("https://example.invalid/x"), tmp_path / "d")
    assert code == 2


def test_journal_keeps_the_latest(tmp_path: Path) -> None:
    """A pull request that was reviewed twice has the later row."""
    journal = Journal(tmp_path)
    journal.add(IndexRow(pr=1, key="a"))
    journal.add(IndexRow(pr=1, key="b"))
    journal.close()
    assert Journal(tmp_path).rows()[1].key == "b"
