"""The page on the accuracy of the rule book, made from a tiny sweep and its labels."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def review(status: str = "record", runs: int = 3, **finding: Any) -> dict[str, Any]:
    """A review with at most one finding."""
    findings = [{"outcome": "fail", "strength": "derived", **finding}] if finding else []
    record = {"status": status, "by_policy": {"readme": status}}
    verdict = {"verdict": "violation" if finding else "clean", "rules": ["PG201"] if finding else []}
    submission = {"findings": findings, "record": record, "runs": [{}] * runs}
    return {"compliance": verdict, "hygiene": [], "submissions": [submission]}


def test_page(tmp_path: Path) -> None:
    """Found, found in kind, missed, falsely alarmed and contested ones are told apart; what lacks a reason says so."""
    judged = {
        1: ("violation", "over_size", review(violation_class="over_size")),
        2: ("violation", "over_time", review(violation_class="over_size")),
        3: ("violation", "slot", review()),
        4: ("clean", "pure", review(violation_class="slot", outcome="warn", strength="suspected")),
        5: ("violation", "insufficient_significance", review("unverified", 1)),
        6: ("clean", "pure", review()),
        7: ("unclear", "other", review()),
    }
    lines = []
    for pr, (verdict, name, data) in judged.items():
        (tmp_path / f"{pr}.json").write_text(json.dumps(data))
        lines.append({"pr": pr, "source": "people", "verdict": verdict, "class": name, "evidence": "a | b"})
    lines.append({"pr": 99, "source": "people", "verdict": "clean", "class": "pure", "evidence": ""})
    labels, page = tmp_path / "labels.jsonl", tmp_path / "page.md"
    labels.write_text("\n".join(map(json.dumps, lines)))
    command = [sys.executable, str(ROOT / "benchmarks" / "accuracy.py"), str(tmp_path), str(labels), str(page)]
    subprocess.run(command, check=True)
    text = page.read_text()
    assert "| people | over_size | 1 | 1 | 1 | 1 |" in text
    assert "| people | over_time | 1 | 0 | 1 | 1 |" in text
    assert "| people | insufficient_significance | 1 | 0 | 1 | 0 |" in text
    assert "| 3 | slot | a \\| b | clean | *not explained yet* |" in text
    assert "| people | 2 | 1 | 1 |" in text
    assert "1 labelled pull requests are not in the sweep" in text
    assert "0 of them were reviewed at depth proof" in text
    assert "6 judgements of 6 pull requests" in text
