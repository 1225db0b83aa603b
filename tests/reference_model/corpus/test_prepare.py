"""Corpus, tokenizer and shards: what a training script reads is complete, exact and always the same."""

import re
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from reference_model.corpus import prepare as corpus
from reference_model.data.shards import read_shard


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """All documents of the corpus."""
    return list(corpus.documents())


@pytest.fixture(scope="module")
def tokenizer(texts: list[str]) -> bytes:
    """The tokenizer of the training documents."""
    return corpus.train_tokenizer(corpus.split(texts)[0])


@pytest.fixture(scope="module")
def processor(tokenizer: bytes) -> sentencepiece.SentencePieceProcessor:
    """The tokenizer, ready to encode and decode."""
    return sentencepiece.SentencePieceProcessor(model_proto=tokenizer)


def test_documents_are_normalised_prose(texts: list[str]) -> None:
    """Every document is non-empty ASCII prose, one paragraph a line, single spaces, no licence text, no markup."""
    assert len(texts) == 85
    for text in texts:
        assert text.isascii()
        assert not re.search(r"^\s|\s$|  |\n\n|[\f\r\t_*]|gutenberg|copyright|licen[cs]e[ds]? under", text, re.I)
        assert all(len(paragraph) > 1 for paragraph in text.split("\n"))


def test_documents_give_back_the_file(texts: list[str]) -> None:
    """Joining the documents with the separator restores the corpus file: nothing is dropped on the way."""
    assert corpus.SEPARATOR.join(texts) + "\n" == corpus.CORPUS.read_text(encoding="utf-8")


def test_split_holds_out_the_last_documents(texts: list[str]) -> None:
    """Training and validation are a partition in order; validation is 5 to 10 % of the bytes."""
    training, validation = corpus.split(texts)
    assert training + validation == texts
    assert len(validation) == corpus.VALIDATION_DOCUMENTS
    assert 0.05 < sum(map(len, validation)) / sum(map(len, texts)) < 0.10


@pytest.mark.parametrize("validation", [0, -1, 3, 4])
def test_split_refuses_an_empty_part(validation: int) -> None:
    """A split that leaves one part empty is refused with the admissible range."""
    with pytest.raises(ValueError, match=r"cannot hold out -?\d of 3 documents: choose between 1 and 2"):
        corpus.split(["a", "b", "c"], validation)


def test_tokenizer_is_deterministic(texts: list[str], tokenizer: bytes) -> None:
    """Training twice gives the same bytes."""
    assert corpus.train_tokenizer(corpus.split(texts)[0]) == tokenizer


def test_tokenizer_has_the_competitions_layout(processor: sentencepiece.SentencePieceProcessor) -> None:
    """Ids 0 to 3 are pad, bos, eos, unknown; all 256 bytes have a piece; a lone space is a piece of its own."""
    assert processor.vocab_size() == corpus.DEFAULT_VOCAB_SIZE
    assert (processor.pad_id(), processor.bos_id(), processor.eos_id(), processor.unk_id()) == (0, 1, 2, 3)
    assert sum(processor.is_byte(i) for i in range(processor.vocab_size())) == 256
    assert not processor.is_unknown(processor.piece_to_id("\u2581"))


def test_corpus_survives_the_round_trip(texts: list[str], processor: sentencepiece.SentencePieceProcessor) -> None:
    """Decoding an encoded document gives the document back, character by character."""
    for text in texts:
        assert processor.decode(processor.encode(text)) == text


@given(
    text=st.text(
        alphabet=st.characters(codec="utf-8", exclude_characters="\0\u2581"), max_size=60
    )  # U+2581 is SentencePiece's own sign for a space and decodes to one
)
def test_any_text_survives_the_round_trip(text: str, processor: sentencepiece.SentencePieceProcessor) -> None:
    """Text that the tokenizer never saw comes back unchanged too: bytes are the fallback, nothing is normalised."""
    assert processor.decode(processor.encode(text)) == text


def test_encode_puts_bos_before_every_document(
    tokenizer: bytes, processor: sentencepiece.SentencePieceProcessor
) -> None:
    """The stream is BOS, first document, BOS, second document, with nothing between or after them."""
    tokens = corpus.encode(tokenizer, ["One chapter.", "Another."])
    bos = corpus.BOS_ID
    assert tokens.tolist() == [bos, *processor.encode("One chapter."), bos, *processor.encode("Another.")]


def test_command_line_writes_the_competitions_tree(
    tmp_path: Path, texts: list[str], tokenizer: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command writes tokenizer and shards under the documented names and tells where they are."""
    corpus.main(["--output", str(tmp_path)])
    dataset = tmp_path / "datasets" / "english_sp512"
    model = tmp_path / "tokenizers" / "english_512_bpe.model"
    written = [model, dataset / "fineweb_train_000000.bin", dataset / "fineweb_val_000000.bin"]
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(written)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [str(path) for path in written]
    assert model.read_bytes() == tokenizer
    for path, part in zip(written[1:], corpus.split(texts), strict=True):
        assert read_shard(path).tolist() == corpus.encode(tokenizer, part).tolist()
