"""Rules of other packages, found as they are in real life: through `importlib.metadata` and a dist-info folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests_support.cases import COMPLETE

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "tests" / "plugins" / "sample"
RULE = '''
from harness.judge.rule import SubmissionRule
from harness.model.findings import Severity


class Mine(SubmissionRule):
    """A rule."""

    id = "MINE001"
    severity = Severity.ADVICE
    basis = ("folder",)
    remedy = "None."

    def check(self, case):
        return []
'''


def golf(*arguments: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run `golf` with the packages in `path` installed."""
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(path), "COLUMNS": "300"},
        timeout=60,
        check=False,
    )


def package(root: Path, source: str, entry: str = "mine = golf_mine:Mine") -> Path:
    """Install a package of one module, as an installer leaves it."""
    root.mkdir(exist_ok=True)
    (root / "golf_mine.py").write_text(source)
    info = root / "golf_mine-2.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: golf-mine\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(f"[golf.rules]\n{entry}\n")
    return root


def test_sample(tmp_path: Path) -> None:
    """The sample's rule is in the rule book, judges, and changes the digest of the rules."""
    page = golf("rules", "sample001", path=SAMPLE)
    assert (page.returncode, "golf-sample-rules 1.0" in page.stdout) == (0, True)
    folder = tmp_path / "records" / "track_10min_16mb" / "2026-03-20_Mine"
    folder.mkdir(parents=True)
    for name, text in COMPLETE.items():
        (folder / name).write_text(text)
    reviews = [
        json.loads(golf("check", str(folder), "--format", "json", path=path).stdout) for path in (SAMPLE, tmp_path)
    ]
    rules = [{finding["rule"] for finding in review["submissions"][0]["findings"]} for review in reviews]
    assert rules[0] - rules[1] == {"SAMPLE001"}
    assert reviews[0]["harness"]["ruleset"] != reviews[1]["harness"]["ruleset"]


def test_digest_covers_the_source(tmp_path: Path) -> None:
    """A change inside a plug-in is another state of the rules."""
    code = "from harness.judge.rulebook import ruleset_digest; print(ruleset_digest())"
    digests = set()
    for i, source in enumerate((RULE, RULE + "\n# changed\n")):
        env = {**os.environ, "PYTHONPATH": str(package(tmp_path / str(i), source))}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=env, check=True
        )
        digests.add(done.stdout)
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("source", "entry", "words"),
    [
        (RULE.replace("MINE001", "PG201"), "mine = golf_mine:Mine", "has the id of a rule of the harness"),
        ("import no_such_module_x\n", "mine = golf_mine:Mine", "No module named 'no_such_module_x'"),
        ("raise SystemExit(3)\n", "mine = golf_mine:Mine", "SystemExit: 3"),
        (RULE, "mine = golf_mine:Other", "has no attribute 'Other'"),
        ("Mine = 3\n", "mine = golf_mine:Mine", "neither a rule class nor a list"),
        ("Mine = [int]\n", "mine = golf_mine:Mine", "no subclass of SubmissionRule or DiffRule"),
        (RULE.replace('    remedy = "None."\n', ""), "mine = golf_mine:Mine", "Mine.remedy must be a str"),
        (RULE.replace("MINE001", "mine"), "mine = golf_mine:Mine", "capital letters and three digits"),
        (RULE.replace('"folder"', '"nonsense"'), "mine = golf_mine:Mine", "basis names nonsense"),
        (RULE.replace("check", "chick"), "mine = golf_mine:Mine", "does not define check()"),
        (RULE + "    def __init__(self):\n        1 / 0\n", "mine = golf_mine:Mine", "ZeroDivisionError"),
        (RULE, "a = golf_mine:Mine\nb = golf_mine:Mine", "has the id of a rule of golf-mine 2.0"),
    ],
)
def test_broken(source: str, entry: str, words: str, tmp_path: Path) -> None:
    """Whatever is wrong with a plug-in is said in one line that names its package; the exit code is the harness's."""
    done = golf("rules", path=package(tmp_path / "p", source, entry))
    assert done.returncode == 4
    assert words in done.stderr
    assert "golf-mine 2.0" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
