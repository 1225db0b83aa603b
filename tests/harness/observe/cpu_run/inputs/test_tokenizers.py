"""Tokenizers of every size that the field uses."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

import numpy as np
import pytest
import sentencepiece

from harness.model.inputs import TokenizerKind
from harness.observe.cpu_run.inputs.capitals import OPERATORS
from harness.observe.cpu_run.inputs.text import text
from harness.observe.cpu_run.inputs.tokenizers import Tokenizer, VocabularyError, make_tokenizer, own_tokenizer
from harness.observe.reading.tokenizer import read_tokenizer

BPE, CASEOPS, BYTE = TokenizerKind
SIZES = [
    *((BYTE, size) for size in (256, 258, 260)),
    *((BPE, size) for size in (262, 288, 320, 512, 768, 998, 1024, 1792, 2048, 3072, 4096, 8192, 10_240, 16_384)),
    *((CASEOPS, size) for size in (268, 512, 1024, 4096, 8192, 10_240, 16_384)),
]
CORPUS = Path(os.environ.get("GOLF_CORPUS", "/nowhere")) / "tokenizers"

made = functools.cache(make_tokenizer)


@pytest.mark.parametrize(("kind", "size"), SIZES)
def test_the_vocabulary_has_exactly_the_size_asked_for(kind: TokenizerKind, size: int) -> None:
    """Scripts compare their vocabulary with the tokenizer's and stop at the smallest difference."""
    tokenizer = made(kind, size)
    assert tokenizer.vocab_size == size
    if tokenizer.model is not None:
        assert sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model).vocab_size() == size
    assert len(tokenizer.vocab_file().splitlines()) >= size
    assert len(tokenizer.surface_bytes) == len(tokenizer.begins_with_space) == size


@pytest.mark.parametrize(("kind", "size"), SIZES)
def test_byte_counts_are_those_of_the_text(kind: TokenizerKind, size: int) -> None:
    """Tokens of a document stand for exactly its UTF-8 bytes, whatever of it falls back to bytes."""
    tokenizer = made(kind, size)
    documents = text(11, 20_000)
    for document, tokens in zip(documents, tokenizer.encode(documents), strict=True):
        assert int(tokenizer.surface_bytes[tokens].sum()) == len(document.encode())
        assert int(tokens.max()) < size


def test_a_large_vocabulary_is_filled_with_more_text() -> None:
    """Where the text has too few pairs to merge, more of it is read."""
    assert made(BPE, 32_768).vocab_size == 32_768


@pytest.mark.parametrize(("kind", "size"), [(BYTE, 255), (BPE, 261), (CASEOPS, 265), (BPE, 65_537), (BPE, 0)])
def test_a_size_that_cannot_be_is_refused(kind: TokenizerKind, size: int) -> None:
    """Fewer than bytes and control pieces, or more than 16 bits."""
    with pytest.raises(VocabularyError):
        make_tokenizer(kind, size)


def test_a_tokenizer_is_made_the_same_every_time() -> None:
    """Bit for bit."""
    assert make_tokenizer(BPE, 1024).model == make_tokenizer(BPE, 1024).model


def test_ids_are_those_of_the_competition() -> None:
    """Padding 0, begin 1, end 2, unknown 3, then the operators where there are some, then bytes."""
    plain = sentencepiece.SentencePieceProcessor(model_proto=made(BPE, 1024).model)
    assert (plain.pad_id(), plain.bos_id(), plain.eos_id(), plain.unk_id()) == (0, 1, 2, 3)
    assert plain.is_byte(4)
    assert plain.is_byte(259)
    assert plain.piece_to_id("▁") != plain.unk_id()
    cased = sentencepiece.SentencePieceProcessor(model_proto=made(CASEOPS, 1024).model)
    assert [cased.piece_to_id(operator) for operator in OPERATORS] == [4, 5, 6, 7]
    assert cased.is_byte(8)
    assert made(BPE, 1024).bos == made(CASEOPS, 1024).bos == made(BYTE, 260).bos == 1


@pytest.mark.skipif(not CORPUS.is_dir(), reason="needs the competition's tokenizers (GOLF_CORPUS)")
@pytest.mark.parametrize(
    ("kind", "size", "name"),
    [
        (BPE, 1024, "fineweb_1024_bpe.model"),
        (BPE, 8192, "fineweb_8192_bpe.model"),
        (CASEOPS, 8192, "fineweb_8192_caseops.model"),
    ],
)
def test_options_are_those_of_the_competition(kind: TokenizerKind, size: int, name: str) -> None:
    """Same counts of control, byte, unknown and reserved pieces, same normaliser, no dummy prefix."""
    ours = read_tokenizer("a.model", made(kind, size).model or b"").model_dump()
    theirs = read_tokenizer("a.model", (CORPUS / name).read_bytes()).model_dump()
    for field in ("model_type", "normalizer", "has_charsmap", "add_dummy_prefix", "control", "unused", "user_defined",
                  "byte", "unknown", "normal", "vocab_size", "bare_space"):  # fmt: skip
        assert ours[field] == theirs[field], field


@pytest.mark.skipif(not CORPUS.is_dir(), reason="needs the competition's tokenizers (GOLF_CORPUS)")
@pytest.mark.parametrize("name", ["fineweb_1024_bpe", "fineweb_4096_bpe", "fineweb_8192_bpe", "fineweb_8192_caseops"])
def test_a_real_tokenizer_is_read(name: str) -> None:
    """A submission's own model takes the place of ours; its kind shows in its pieces."""
    own = own_tokenizer((CORPUS / f"{name}.model").read_bytes())
    assert own.kind is (CASEOPS if "caseops" in name else BPE)
    assert str(own.vocab_size) in name
    document = "The NASA report of May 1998 says that every McDonald has a house."
    assert int(own.surface_bytes[own.encode([document])[0]].sum()) == len(document)


def test_what_is_no_model_is_refused() -> None:
    """Bytes that the library cannot read."""
    with pytest.raises(VocabularyError):
        own_tokenizer(b"not a model")


def test_byte_tokenizers_say_where_their_bytes_are() -> None:
    """260: four control ids, then the bytes; 256: the bytes alone."""
    assert made(BYTE, 260).encode(["a"])[0].tolist() == [4 + 97]
    assert made(BYTE, 256).encode(["a"])[0].tolist() == [97]
    config = json.loads(made(BYTE, 260).json_file())["config"]
    assert (config["byte_offset"], config["bos_id"], config["byte_count"]) == (4, 1, 256)


def test_words_stand_for_text() -> None:
    """No control piece and no operator; single bytes only where nothing else suffices."""
    for tokenizer in (made(BPE, 1024), made(CASEOPS, 1024), made(BYTE, 260)):
        assert np.all(tokenizer.surface_bytes[tokenizer.words] > 0)
    assert int(made(BPE, 1024).words.min()) >= 260
    assert len(made(BYTE, 260).words) == 256
    assert isinstance(made(BYTE, 260), Tokenizer)
