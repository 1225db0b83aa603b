"""The digest of the observing code covers what facts hang on, and nothing of judgement."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

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


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package whose sources the digests are taken of."""
    root = tmp_path / "harness"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(harness, "__file__", str(root / "__init__.py"))
    _forget()
    yield root
    _forget()


def _forget() -> None:
    digest.observer_digest.cache_clear()
    digest.run_digest.cache_clear()


@pytest.mark.parametrize(
    ("path", "read_anew", "run_anew"),
    [
        ("observe/cpu_run/outcome.py", False, True),
        ("observe/cpu_run/guest/server.py", False, True),
        ("observe/sandbox/bubblewrap.py", False, True),
        ("model/plan.py", False, True),
        ("model/cpu_run.py", False, True),
        ("model/coverage.py", False, True),
        ("observe/reading/submission.py", True, True),
        ("model/launch.py", True, True),
        ("model/review.py", False, False),
        ("judge/judge.py", False, False),
    ],
)
def test_what_a_change_invalidates(copied: Path, path: str, *, read_anew: bool, run_anew: bool) -> None:
    """A change of what runs leaves what was read; what is read is part of a run; judgement is part of neither."""
    before = digest.observer_digest(), digest.run_digest()
    source = copied / path
    source.write_text(source.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    _forget()
    after = digest.observer_digest(), digest.run_digest()
    assert [old != new for old, new in zip(before, after, strict=True)] == [read_anew, run_anew]
