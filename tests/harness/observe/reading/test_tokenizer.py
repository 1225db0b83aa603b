"""SentencePiece models read without the library."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from harness.observe.reading.tokenizer import read_tokenizer

NAMES = ("fineweb_1024_bpe", "fineweb_4096_bpe", "fineweb_8192_bpe", "fineweb_8192_caseops")


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_the_library(corpus: Path, name: str) -> None:
    """Counts of pieces by type are those that sentencepiece itself gives, on real models of the competition."""
    data = (corpus / "tokenizers" / f"{name}.model").read_bytes()
    facts = read_tokenizer(f"{name}.model", data)
    library = sentencepiece.SentencePieceProcessor(model_proto=data)
    ids = range(library.vocab_size())
    assert facts.vocab_size == len(ids)
    assert facts.byte == sum(library.is_byte(i) for i in ids)
    assert facts.control == sum(library.is_control(i) for i in ids)
    assert facts.unused == sum(library.is_unused(i) for i in ids)
    assert facts.unknown == 1
    assert facts.bare_space == (library.piece_to_id("▁") != library.unk_id())
    assert facts.model_type == "bpe"


def piece(text: bytes, kind: int | None = None) -> bytes:
    """One SentencePiece of a model, in wire format."""
    body = b"\x0a" + bytes([len(text)]) + text + (b"" if kind is None else b"\x18" + bytes([kind]))
    return b"\x0a" + bytes([len(body)]) + body


def test_minimal_model() -> None:
    """Types default to normal; the bare space and the normaliser's name are found."""
    normalizer = b"\x0a\x08identity"
    data = (
        piece(b"<unk>", 2) + piece("▁".encode()) + piece(b"<0x00>", 6) + b"\x1a" + bytes([len(normalizer)]) + normalizer
    )
    facts = read_tokenizer("t.model", data)
    assert (facts.vocab_size, facts.unknown, facts.normal, facts.byte) == (3, 1, 1, 1)
    assert facts.bare_space
    assert facts.normalizer == "identity"


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05ab"])
def test_damage(data: bytes) -> None:
    """A damaged model is an error in words."""
    assert read_tokenizer("t.model", data).error


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    """Any bytes give facts."""
    read_tokenizer("t.model", data)
    read_tokenizer("t.vocab", data)
