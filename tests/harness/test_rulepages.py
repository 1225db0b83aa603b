"""The generated rule book."""

from __future__ import annotations

import re
from pathlib import Path

from harness.judge.rulebook import own_rules
from harness.rulepages import DOCUMENT, document

ROOT = Path(__file__).parents[2]


def test_current() -> None:
    """`docs/rules.md` is what the rules say now; `make docs` writes it again."""
    assert (ROOT / DOCUMENT).read_text(encoding="utf-8") == document()


def test_complete() -> None:
    """Every rule has its section, once, with all four parts, and a family to stand in."""
    text = document()
    sections = re.split(r"^### ", text, flags=re.M)[1:]
    assert [section.split("\n", 1)[0] for section in sections] == [rule.id for rule in own_rules()]
    for section in sections:
        assert all(f"*{part}.*" in section for part in ("What", "Why", "Mend", "Blind spots", "Remedy")), section
