"""The limited reader: whatever a file does to it, the other files' facts arrive, in bounded time and memory."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

import pytest

from harness.model.facts import StageStatus
from harness.model.target import FolderEntry, Origin
from harness.observe.intake.content import Content
from harness.observe.reading import submission
from harness.observe.reading.worker import Limits, Reader, ReaderError

FOLDER = FolderEntry(path="records/track_x/y", track="x", origin=Origin.NEW)
QUICK = Limits(memory_bytes=1 << 30, file_seconds=2.0, cpu_seconds=3)
ROOMY = Limits(memory_bytes=1 << 29, file_seconds=20.0, cpu_seconds=20)
"""A slow machine may take seconds to fill memory."""
FILES = {
    "README.md": Content(b"# title\n"),
    "submission.json": Content(b'{"val_bpb": 1.2}'),
    "train.log": Content(b"x"),
}


def spoil(monkeypatch: pytest.MonkeyPatch, deed: str) -> None:
    """Make the README reader do `deed`; the forked child inherits it."""

    def read(path: str, data: bytes) -> object:
        del path, data
        hoard = []
        if deed == "hang":
            time.sleep(60)
        if deed == "spin":
            while True:
                pass
        if deed == "hoard":
            while True:
                hoard.append(bytearray(1 << 26))
        if deed == "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        if deed == "crash":
            ctypes.string_at(0)
        if deed == "exit":
            os._exit(0)
        if deed == "raise":
            raise KeyError("a bug of ours")
        if deed == "recurse":
            return read("", b"") if False else _recurse(0)
        return None

    monkeypatch.setattr(submission, "read_readme", read)


def _recurse(depth: int) -> int:
    return _recurse(depth + 1)


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("hang", "longer than 2 s"),
        ("hoard", "memory"),
        ("die", "ended with status"),
        ("crash", "ended with status"),
        ("exit", "ended with status"),
    ],
)
def test_a_file_that_breaks_the_reader(monkeypatch: pytest.MonkeyPatch, deed: str, words: str) -> None:
    """The file is named with the reason, and every other file is read by the child that replaces the dead one."""
    spoil(monkeypatch, deed)
    with Reader(ROOMY if deed == "hoard" else QUICK) as reader:
        started = time.monotonic()
        facts = reader.read(FOLDER, FILES)
        assert time.monotonic() - started < 20
    assert [item.path for item in facts.unreadable] == ["README.md"]
    assert words in facts.unreadable[0].reason
    assert facts.metadata[0].val_bpb is not None
    assert facts.stages[0].status is StageStatus.PARTIAL


def test_cpu_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that burns CPU ends by the limit on CPU time when the clock would let it go on."""
    spoil(monkeypatch, "spin")
    with Reader(Limits(file_seconds=60, cpu_seconds=1)) as reader:
        facts = reader.read(FOLDER, FILES)
    assert "CPU" in facts.unreadable[0].reason


@pytest.mark.parametrize("deed", ["raise", "recurse"])
def test_a_bug_of_ours(monkeypatch: pytest.MonkeyPatch, deed: str) -> None:
    """An exception in a reader is the harness's error, said as such, and costs only that file."""
    spoil(monkeypatch, deed)
    with Reader(QUICK) as reader:
        facts = reader.read(FOLDER, FILES)
    assert "the reader failed" in facts.unreadable[0].reason
    assert {stage.status for stage in facts.stages} >= {StageStatus.ERROR, StageStatus.DONE}
    assert facts.metadata


def test_confinement(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The child has no environment, cannot write a byte to a file, and cannot raise its memory limit."""
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    target = tmp_path / "written"
    seen: list[str] = []

    def read(path: str, data: bytes) -> object:
        del path, data
        seen.append(str(dict(os.environ)))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        wrote = True
        try:
            with target.open("wb", buffering=0) as stream:
                stream.write(b"x" * 100)
        except OSError:
            wrote = False
        raise KeyError(f"environment={dict(os.environ)} wrote={wrote}")

    monkeypatch.setattr(submission, "read_readme", read)
    with Reader(QUICK) as reader:
        facts = reader.read(FOLDER, FILES)
    assert "environment={}" in facts.unreadable[0].reason
    assert "wrote=False" in facts.unreadable[0].reason
    assert not target.exists() or target.stat().st_size == 0


def test_forged_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that is no valid facts is refused as an error, not believed."""
    monkeypatch.setattr(submission, "read_submission", lambda *_: FOLDER)
    with Reader(QUICK) as reader, pytest.raises(ReaderError):
        reader.read(FOLDER, FILES)


def test_dies_with_its_parent() -> None:
    """A parent that is killed leaves no reader behind."""
    receive, send = os.pipe()
    parent = os.fork()
    if parent == 0:
        try:
            reader = Reader(QUICK)
            reader.read(FOLDER, FILES)
            pid = reader._process.pid if reader._process is not None else 0
            os.write(send, str(pid).encode())
            time.sleep(60)
        finally:
            os._exit(0)  # never on into the test runner, of which this is a copy
    child = int(os.read(receive, 32))
    assert child
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    deadline = time.monotonic() + 5
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_many_jobs_one_child() -> None:
    """One child serves many submissions."""
    with Reader(QUICK) as reader:
        pids = set()
        for _ in range(3):
            reader.read(FOLDER, FILES)
            assert reader._process is not None
            pids.add(reader._process.pid)
    assert len(pids) == 1


def test_children_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child reads so many submissions, or so much memory full, and the next one is read by a fresh child."""

    def tell(path: str, data: bytes) -> object:
        del path
        hoard = b"x" * (len(data) << 20)
        raise KeyError(f"pid={os.getpid()} {len(hoard)}")

    monkeypatch.setattr(submission, "read_readme", tell)
    with Reader(Limits(lifetime=2)) as reader:
        reasons = [reader.read(FOLDER, {"README.md": Content(b"x")}).unreadable[0].reason for _ in range(5)]
    assert [reasons.index(reason) for reason in reasons] == [0, 0, 2, 2, 4]
    with Reader(Limits(memory_bytes=4 << 30)) as reader:
        files = {"README.md": Content(b"x" * 1_500)}  # more than a test runner weighs, whose peak a child inherits
        reasons = [reader.read(FOLDER, files).unreadable[0].reason for _ in range(2)]
    assert reasons[0] != reasons[1]
