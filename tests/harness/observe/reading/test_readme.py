"""Numbers that README prose states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.observe.reading.readme import read_readme


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("**val_bpb: 1.1839** on 8xH100", "val_bpb", 1.1839),
        ("Mean | **1.0810 BPB**", "val_bpb", 1.0810),
        ("total 16,177,019 bytes", "bytes", 16_177_019),
        ("artifact 15.35 MB", "bytes", 15_350_000),
        ("artifact 15.35 MiB", "bytes", 16_095_641.6),
        ("# 11L XSA + SWA", "layers", 11),
        ("NUM_LAYERS=11", "layers", 11),
        ("trained at seq4096 length", "seq_len", 4096),
        ("26.5M params", "params", 26_500_000),
        ("17,060,432 parameters", "params", 17_060_432),
        ("13,137 steps", "steps", 13_137),
        ("mean of 3 seeds", "seeds", 3),
        ("on 8×H100 SXM", "gpus", 8),
    ],
)
def test_mentions(text: str, kind: str, value: float) -> None:
    """Each usual way of writing a number is found in its unit, with its line."""
    facts = read_readme("README.md", f"intro\n{text}\n".encode())
    found = [mention for mention in facts.mentions if mention.kind == kind]
    assert [mention.value for mention in found] == [pytest.approx(value)]
    assert found[0].at.line == 2


@given(st.text(max_size=400))
def test_any_text(text: str) -> None:
    """Any text gives facts."""
    read_readme("README.md", text.encode("utf-8", "surrogatepass"))


def test_long_lines() -> None:
    """A megabyte on one line is cut, not searched."""
    read_readme("README.md", b"1" * (1 << 20) + b" bytes 1.5 MB")
    assert read_readme("README.md", b"9,9" * 300_000).mentions == ()


def test_independent_documents() -> None:
    """That documents are independent is a claim; that they are not is none."""
    found = read_readme("README.md", b"# Entry\n\nHere documents are strictly independent of each other.\n").independent
    assert found is not None
    assert found.at.line == 3
    assert read_readme("README.md", b"Documents are not independent: the cache is kept.").independent is None
    assert read_readme("README.md", b"Independent of that, documents are long.").independent is None
