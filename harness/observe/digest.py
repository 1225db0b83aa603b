"""Which code observed: facts made by other code are never taken for facts of this one."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import harness

_JUDGING = {"competition", "findings", "fingerprints", "leaderboard", "review", "schema"}
"""Models of judgement: facts do not depend on them."""
_RUNNING = {"coverage", "cpu_run", "inputs", "plan", "proof", "weighed"}
"""Models of the run on a CPU: what is read without running does not depend on them."""
_RUN_ROOMS = ("sandbox", "cpu_run", "probes")


@cache
def observer_digest() -> str:
    """First 16 hex digits of a SHA-256 over the sources that read without running, and the Python version."""
    return _digest(path for path in _sources() if not _runs(path))


@cache
def run_digest() -> str:
    """The same over the sources of the run on a CPU, with what they rest on: reading, and the version of torch."""
    return _digest((path for path in _sources() if _runs(path)), observer_digest(), _torch())


def _digest(paths: Iterator[Path], *more: str) -> str:
    root = Path(harness.__file__).parent
    digest = hashlib.sha256(repr((sys.version_info[:2], *more)).encode())
    for path in paths:
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    root = Path(harness.__file__).parent
    for package in ("model", "observe"):
        for path in sorted((root / package).rglob("*.py")):
            if package != "model" or path.stem not in _JUDGING:
                yield path


def _runs(path: Path) -> bool:
    room = path.relative_to(Path(harness.__file__).parent).parts
    return room[1] in _RUN_ROOMS or (room[0] == "model" and path.stem in _RUNNING)


def _torch() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""
