"""submission.json under all its spellings, and in all its states of repair."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.metadata import MetadataFacts
from harness.observe.reading.metadata import read_metadata
from harness.observe.reading.repair import load_object


def read(value: Any) -> MetadataFacts:
    """Facts of `value` written as JSON."""
    return read_metadata("submission.json", json.dumps(value, indent=1).encode())


def test_official_keys() -> None:
    """The baseline's keys give every claim, each with the line of its key."""
    facts = read({"author": "A", "github_id": "a", "name": "N", "blurb": "b", "date": "2026-03-20",
                  "val_loss": 2.07, "val_bpb": 1.2244, "bytes_total": 15863489, "bytes_code": 47642})  # fmt: skip
    assert facts.parsed
    assert facts.val_bpb is not None
    assert (facts.val_bpb.value, facts.val_bpb.at.line, facts.val_bpb.text) == (1.2244, 8, "val_bpb")
    assert facts.bytes_total is not None
    assert facts.bytes_total.value == 15863489
    assert facts.summary is not None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"artifact_size_mb": 14.4}, 14_400_000),
        ({"bytes_total": "15.9 MB"}, 15_900_000),
        ({"artifact_bytes": "15,863,278 bytes"}, 15_863_278),
        ({"bytes_total": {"mean": 5, "max": 7}}, 5),
        ({"artifact_size_bytes": [15, 17, 16]}, 17),
        ({"bytes_total": None, "artifact_bytes_max": 9}, 9),
        ({"bytes_code": 10, "bytes_model": 20}, 30),
        ({"seed_results": {"42": {"artifact_bytes": 5}, "7": {"artifact_bytes": 8}}}, 8),
        ({"bytes_total_seed1337": 5, "bytes_total_seed42": 4}, 5),
        ({"bytes_total": "TBD"}, None),
        ({"bytes_total": 0}, None),
        ({"bytes_total": True}, None),
    ],
)
def test_bytes(value: Any, expected: int | None) -> None:
    """Sizes come out in bytes, whatever unit and nesting they were written in; placeholders are no sizes."""
    fact = read(value).bytes_total
    assert (fact.value if fact else None) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"training_time_minutes": 8}, 480),
        ({"train_time_ms": 599_900}, 599.9),
        ({"wallclock_seconds": 600}, 600),
        ({"training_time": "10 min"}, 600),
        ({"training_time_hours": 4}, 14_400),
    ],
)
def test_seconds(value: Any, expected: float) -> None:
    """Times come out in seconds."""
    fact = read(value).train_seconds
    assert fact is not None
    assert fact.value == pytest.approx(expected)


@pytest.mark.parametrize(
    "value",
    [
        {"seed_results": {"42": {"val_bpb": 1.1, "steps": 10}, "seed_7": {"val_bpb": 1.2}}},
        {"seeds": {"42": {"val_bpb": 1.1}, "7": 1.2}},
        {"seed_results": [{"seed": 42, "val_bpb": 1.1}, {"seed": "7", "bpb": 1.2}]},
        {"seeds": [42, 7], "seed_results": [1.1, 1.2]},
        {"val_bpb_seed42": 1.1, "val_bpb_seed7": 1.2},
        {"seed_42": {"val_bpb": 1.1}, "seed_7": {"val_bpb": 1.2}},
    ],
)
def test_per_seed(value: Any) -> None:
    """Every shape of per-seed data gives the same claims."""
    facts = read(value)
    claims = {claim.seed: claim.val_bpb.value for claim in facts.per_seed if claim.val_bpb}
    assert claims == {42: 1.1, 7: 1.2}
    assert {fact.value for fact in facts.seeds} == {42, 7}
    assert facts.val_bpb is not None
    assert facts.val_bpb.value == pytest.approx(1.15)


def test_loss_that_is_bits() -> None:
    """A val_loss too low for nats, with no val_bpb beside it, is bits per byte (a template that many copied)."""
    facts = read({"val_loss": 1.1428})
    assert facts.val_loss is None
    assert facts.val_bpb is not None
    assert facts.val_bpb.value == 1.1428


def test_placeholders() -> None:
    """Null, -1, 0 and TBD are no claims, and are named as placeholders."""
    facts = read({"val_bpb": None, "val_loss": -1, "author": "your-name", "date": "YYYY-MM-DD"})
    assert facts.val_bpb is None
    assert [fact.text for fact in facts.placeholders] == ["val_bpb", "val_loss", "author", "date"]


def test_declared_sizes() -> None:
    """Sizes of the model are found at the top and in nested objects, under one name."""
    facts = read({"n_layers": 11, "config": {"TRAIN_SEQ_LEN": 2048, "vocab_size": "8192"}, "model_params": 17060432})
    found = {fact.text: fact.value for fact in facts.declared}
    assert found == {"num_layers": 11, "train_seq_len": 2048, "vocab_size": 8192, "params": 17060432}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('\ufeff{"val_bpb": 1.1}', "byte-order mark"),
        ('json{"val_bpb": 1.1}', "before the object"),
        ('cat > records/x <<EOF\n{"val_bpb": 1.1}\nEOF', "behind the object"),
        ('{"val_bpb": 1.1}{"a": 2}', "behind the object"),
        ('{"val_bpb": 1.1', "closed"),
        ('{"val_bpb": 1.1,}', "trailing commas"),
        ('{"val_bpb": 1.1,\n "a": [1, 2,],\n}', "trailing commas"),
        ('{"val_bpb": 1.1\n "a": 2}', "missing commas"),
        ('{"val_bpb": 1.1, "blurb": "cut off he', "closed"),
        ('{"val_bpb": 1.1, "blurb": ', "closed"),
    ],
)
def test_repairs(text: str, words: str) -> None:
    """Each kind of damage that was met is repaired, and the repair is named."""
    facts = read_metadata("submission.json", text.encode("utf-8"))
    assert facts.val_bpb is not None
    assert facts.val_bpb.value == 1.1
    assert any(words in fact.value for fact in facts.damage)


@pytest.mark.parametrize("data", [b"", b"   \n", b"[1, 2]", b"no json here", b"\0\1\2\3" * 50, b"{" * 100_000])
def test_unreadable(data: bytes) -> None:
    """What is no object is said to be so, quickly and without an exception."""
    facts = read_metadata("submission.json", data)
    assert not facts.parsed or facts.val_bpb is None
    assert facts.damage


def test_utf16() -> None:
    """A file saved as UTF-16 is read, and the encoding is named."""
    facts = read_metadata("submission.json", json.dumps({"val_bpb": 1.1}).encode("utf-16"))
    assert facts.val_bpb is not None
    assert "utf-16" in facts.damage[0].value


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "9" * 400])
def test_not_finite(value: str) -> None:
    """Numbers that JSON lets pass but mathematics does not are no claims."""
    facts = read_metadata("submission.json", f'{{"val_bpb": {value}, "bytes_total": {value}}}'.encode())
    assert facts.val_bpb is None
    assert facts.bytes_total is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=12), children, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["val_bpb", "seeds", "seed_results", "bytes_total", "train_time_ms", "author", "model", "val_bpb_seed3"]
)


@given(st.dictionaries(KEYS, JSON, max_size=6))
def test_any_values(value: dict[str, Any]) -> None:
    """Any values under known keys give facts with finite numbers that survive a JSON round trip."""
    facts = read(value)
    assert MetadataFacts.model_validate_json(facts.model_dump_json()) == facts
    assert facts.val_bpb is None or math.isfinite(facts.val_bpb.value)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    """Any bytes give facts."""
    read_metadata("submission.json", data)


@given(st.text(alphabet='{}[]",:\\n1.e- \n', max_size=120))
def test_any_punctuation(text: str) -> None:
    """Repair ends for any mixture of JSON's own characters."""
    load_object(text)


def test_real_files(corpus: Path) -> None:
    """Every submission.json of the merged records is read without repair; all but two of them name an author."""
    files = sorted(corpus.glob("records/*/*/submission*.json"))
    assert len(files) > 50
    facts = [read_metadata(file.name, file.read_bytes()) for file in files]
    assert all(fact.parsed and not fact.damage for fact in facts)
    assert sum(fact.author is None and fact.github_id is None for fact in facts) == 2
