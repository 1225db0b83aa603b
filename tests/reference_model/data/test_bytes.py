"""Bytes: summed over any text, the table gives its length in UTF-8."""

import pytest
import sentencepiece
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_model.corpus import prepare as corpus
from reference_model.data.bytes import ByteTable, byte_table


@pytest.fixture(scope="module")
def processor() -> sentencepiece.SentencePieceProcessor:
    """The tokenizer of the embedded text."""
    texts = corpus.split(list(corpus.documents()))[0]
    return sentencepiece.SentencePieceProcessor(model_proto=corpus.train_tokenizer(texts))


@pytest.fixture(scope="module")
def table(processor: sentencepiece.SentencePieceProcessor) -> ByteTable:
    """Its table."""
    return byte_table(processor, 512)


@given(text=st.text(min_size=1, max_size=60))
def test_the_sum_is_the_length_of_the_text(
    processor: sentencepiece.SentencePieceProcessor, table: ByteTable, text: str
) -> None:
    """Any text, after BOS: bytes of its tokens add up to its UTF-8 length, less a leading space."""
    ids = torch.tensor([corpus.BOS_ID, *processor.encode(text)])
    counted = int(table.bytes_of(ids[:-1], ids[1:]).sum())
    # A text's own leading space merges into its first piece, where a boundary before it hides it.
    first = processor.id_to_piece(int(ids[1]))
    hidden = 1 if first.startswith("\u2581") else 0
    assert counted == len(text.encode()) - hidden


def test_control_tokens_have_no_bytes(table: ByteTable) -> None:
    """Pad, BOS, EOS and unknown count nothing and are boundaries."""
    assert table.base[:4].tolist() == [0, 0, 0, 0]
    assert table.boundary[:4].all()


def test_another_vocabulary_is_refused(processor: sentencepiece.SentencePieceProcessor) -> None:
    """The message names both sizes."""
    with pytest.raises(ValueError, match=r"1024.*512"):
        byte_table(processor, 1024)
