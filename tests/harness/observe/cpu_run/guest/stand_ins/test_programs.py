"""Programs in place of those that a machine lacks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.observe.cpu_run.guest.stand_ins import programs


@pytest.fixture
def lrzip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in for lrzip, on a machine that has none."""
    monkeypatch.setattr(programs.shutil, "which", lambda _: None)
    monkeypatch.setattr(programs.sys, "addaudithook", lambda _: None)
    programs.provide_programs(tmp_path / "bin")
    assert (tmp_path / "bin" / "nvidia-smi").exists()
    return tmp_path / "bin" / "lrzip"


def run(*words: object) -> int:
    """The exit status of a command."""
    return subprocess.run([str(word) for word in words], check=False, capture_output=True).returncode


def test_packs_and_unpacks(lrzip: Path, tmp_path: Path) -> None:
    """What lrzip packs it unpacks to the same bytes, under the names that lrzip gives."""
    data = bytes(range(256)) * 50
    (tmp_path / "a.bin").write_bytes(data)
    assert run(lrzip, "-z", "-L", "9", "-q", tmp_path / "a.bin") == 0
    assert (tmp_path / "a.bin.lrz").stat().st_size < len(data)
    assert run(lrzip, "-d", "-o", tmp_path / "b.bin", tmp_path / "a.bin.lrz") == 0
    assert (tmp_path / "b.bin").read_bytes() == data
    (tmp_path / "a.bin").unlink()
    assert run(lrzip, "--decompress", tmp_path / "a.bin.lrz") == 0
    assert (tmp_path / "a.bin").read_bytes() == data


def test_refuses_as_lrzip_does(lrzip: Path, tmp_path: Path) -> None:
    """It covers no file unless told to, and unpacks nothing that it has not packed."""
    (tmp_path / "a").write_bytes(b"x" * 99)
    assert run(lrzip, "-o", tmp_path / "b", tmp_path / "a") == 0
    assert run(lrzip, "-o", tmp_path / "b", tmp_path / "a") == 1
    assert run(lrzip, "-f", "-o", tmp_path / "b", tmp_path / "a") == 0
    assert run(lrzip, "-d", "-o", tmp_path / "c", tmp_path / "a") == 1
    assert run(lrzip, tmp_path / "nowhere") == 1


@pytest.mark.parametrize(
    ("event", "args", "seen"),
    [
        ("subprocess.Popen", ("lrzip", ["lrzip", "-z", "a"], None, None), True),
        ("subprocess.Popen", ("/bin/sh", "lrzip -z a", None, None), True),
        ("os.system", (b"lrzip -z a",), True),
        ("subprocess.Popen", ("gcc", ["gcc", "lrzip.c"], None, None), False),
        ("open", ("lrzip", "r", 0), False),
    ],
)
def test_is_noted(event: str, args: tuple[object, ...], seen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that starts it is known to have used a stand-in."""
    noted: list[str] = []
    monkeypatch.setattr(programs, "used", noted.append)
    programs._noted(event, args)
    assert bool(noted) is seen
