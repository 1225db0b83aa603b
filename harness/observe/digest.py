"""Which code observed: facts made by other code are never taken for facts of this one."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path

import harness

_JUDGING = {"competition", "findings", "fingerprints", "leaderboard", "review", "schema"}
"""Models of judgement: facts do not depend on them."""


@cache
def observer_digest() -> str:
    """First 16 hex digits of a SHA-256 over the observing sources and the Python version."""
    root = Path(harness.__file__).parent
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    for package in ("model", "observe"):
        for path in sorted((root / package).rglob("*.py")):
            if package == "model" and path.stem in _JUDGING:
                continue
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
