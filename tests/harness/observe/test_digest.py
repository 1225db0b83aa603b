"""The digest of the observing code covers what facts hang on, and nothing of judgement."""

from __future__ import annotations

import re
from pathlib import Path

import harness
from harness.observe import digest

ROOT = Path(harness.__file__).parent


def test_facts_do_not_hang_on_models_of_judgement() -> None:
    """No observing module, and no model of facts, imports a model that the digest leaves out, or the dated data."""
    left_out = "|".join(sorted(digest._JUDGING))
    pattern = re.compile(rf"harness\.model\.({left_out})\b|harness\.competition\b")
    for room in ("observe", "model"):
        for path in sorted((ROOT / room).rglob("*.py")):
            if room == "model" and path.stem in digest._JUDGING:
                continue
            assert not pattern.search(path.read_text(encoding="utf-8")), path


def test_left_out_models_exist() -> None:
    """A name on the list that no module has would hide a renamed one."""
    assert {path.stem for path in (ROOT / "model").glob("*.py")} >= digest._JUDGING
