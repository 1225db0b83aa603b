"""Token streams and their neighbours."""

from __future__ import annotations

import functools
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.inputs import StreamKind, TokenizerKind
from harness.observe.cpu_run.inputs.stream import Stream, StreamError, document_lengths, make_stream
from harness.observe.cpu_run.inputs.text import documents
from harness.observe.cpu_run.inputs.tokenizers import make_tokenizer, own_tokenizer

LENGTHS = (193, 65, 321, 97, 129)
TOKENIZERS = [
    (TokenizerKind.BPE, 320),
    (TokenizerKind.BPE, 1024),
    (TokenizerKind.CASEOPS, 1024),
    (TokenizerKind.BYTE, 260),
]

tokenizer_of = functools.cache(make_tokenizer)


@functools.cache
def stream_of(kind: StreamKind, which: int = 1, total: int = 3073, seed: int = 0) -> Stream:
    """Made once for all tests."""
    return make_stream(tokenizer_of(*TOKENIZERS[which]), kind, document_lengths(total, LENGTHS), seed)


@given(st.integers(2, 5_000), st.lists(st.integers(2, 400), min_size=1, max_size=5))
def test_lengths_add_up(total: int, pattern: list[int]) -> None:
    """No token more or less, and no document without a token of text."""
    lengths = document_lengths(total, pattern)
    assert sum(lengths) == total
    assert min(lengths) >= 2


@pytest.mark.parametrize("which", range(len(TOKENIZERS)))
@pytest.mark.parametrize("kind", StreamKind)
def test_documents_begin_where_they_should(kind: StreamKind, which: int) -> None:
    """The token for a document's beginning stands at every beginning and nowhere else."""
    stream = stream_of(kind, which)
    assert len(stream.tokens) == 3073
    assert np.flatnonzero(stream.tokens == stream.tokenizer.bos).tolist() == stream.starts.tolist()
    assert int(stream.tokens.max()) < stream.tokenizer.vocab_size


@pytest.mark.parametrize("kind", StreamKind)
def test_a_stream_is_made_the_same_every_time(kind: StreamKind) -> None:
    """Equal for equal seeds, different for others."""
    make = functools.partial(make_stream, tokenizer_of(*TOKENIZERS[1]), kind, (400, 300))
    assert np.array_equal(make(5).tokens, make(5).tokens)
    assert not np.array_equal(make(5).tokens, make(6).tokens)


@pytest.mark.parametrize("which", range(len(TOKENIZERS)))
def test_every_bigram_once(which: int) -> None:
    """A pair of neighbours says where it stands, beginnings of documents included."""
    tokens = stream_of(StreamKind.BIGRAMS_ONCE, which).tokens.tolist()
    assert max(Counter(pairwise(tokens)).values()) == 1


def test_more_pairs_than_there_are_is_an_error() -> None:
    """A stream that is too long for its vocabulary is refused, not made with repeats."""
    with pytest.raises(StreamError):
        make_stream(tokenizer_of(TokenizerKind.BYTE, 260), StreamKind.BIGRAMS_ONCE, (66_000,), 0)


def test_repeats_repeat() -> None:
    """Nearly every run of four tokens has been seen before."""
    tokens = stream_of(StreamKind.REPEATS).tokens.tolist()
    runs = Counter(zip(*(tokens[n:] for n in range(4)), strict=False))
    assert sum(count for count in runs.values() if count > 1) > 0.8 * len(tokens)


@pytest.mark.parametrize("kind", [StreamKind.NATURAL, StreamKind.REPEATS])
@pytest.mark.parametrize("which", range(len(TOKENIZERS)))
@pytest.mark.parametrize("lengths", [(40, 3), (2, 40)])
def test_the_largest_token_is_there(kind: StreamKind, which: int, lengths: tuple[int, ...]) -> None:
    """A program that takes the size of the vocabulary from the stream gets it whole; documents begin as ever."""
    tokenizer = tokenizer_of(*TOKENIZERS[which])
    stream = make_stream(tokenizer, kind, lengths, 3)
    assert stream.tokens.max() == tokenizer.words.max()
    assert (stream.tokens[stream.starts] == tokenizer.bos).all()


@pytest.mark.parametrize("which", [1, 2, 3])
def test_natural_documents_are_whole_bytes_of_the_text(which: int) -> None:
    """A document that fits is the text's own, but for the largest token: its bytes are the text's bytes."""
    tokenizer = tokenizer_of(*TOKENIZERS[which])
    document = next(documents(9))
    (tokens,) = tokenizer.encode([document])
    made = make_stream(tokenizer, StreamKind.NATURAL, (len(tokens) + 1,), 9)
    stream = made.replaced(5, int(tokens[4]))
    assert stream.tokens[1:].tolist() == tokens.tolist()
    assert int(stream.text_bytes.sum()) == len(document.encode())


def test_a_vocabulary_without_a_space() -> None:
    """Where no piece is a lone space, one is spelt as three bytes, and still is one byte of text."""
    model = tokenizer_of(TokenizerKind.BPE, 1024).model
    assert model is not None
    piece = b"\n\x03" + "▁".encode()
    assert model.count(piece) == 1
    tokenizer = own_tokenizer(model.replace(piece, b"\n\x03" + "家".encode()))
    document = next(documents(9)) + " He spoke ; 12 words ."
    tokens = np.concatenate([[tokenizer.bos], *tokenizer.encode([document])]).astype(np.uint16)
    stream = Stream(tokenizer, StreamKind.NATURAL, tokens, (len(tokens),))
    assert tokenizer.spelt_spaces(tokens).size
    assert int(stream.text_bytes.sum()) == len(document.encode()) < int(tokenizer.surface_bytes[tokens].sum())


def test_a_space_that_begins_a_document_does_not_count() -> None:
    """As in the competition's accounting: a leading space counts after a token of text only."""
    tokenizer = tokenizer_of(TokenizerKind.BPE, 1024)
    spaced = int(tokenizer.words[tokenizer.begins_with_space[tokenizer.words]][0])
    stream = Stream(tokenizer, StreamKind.NATURAL, np.array([1, spaced, spaced], np.uint16), (3,))
    whole = int(tokenizer.surface_bytes[spaced])
    assert stream.text_bytes.tolist() == [0, whole - 1, whole]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(StreamKind), st.integers(0, 3), st.integers(0, 799), st.integers(0, 5))
def test_a_diverged_stream_differs_after_the_position_only(kind: StreamKind, which: int, at: int, seed: int) -> None:
    """Equal up to the position, another token everywhere after it, same lengths and beginnings, same kind."""
    stream = stream_of(kind, which, 800)
    other = stream.diverged(at, seed)
    assert np.array_equal(other.tokens[: at + 1], stream.tokens[: at + 1])
    assert other.lengths == stream.lengths
    same = np.flatnonzero(other.tokens[at + 1 :] == stream.tokens[at + 1 :]) + at + 1
    assert set(same.tolist()) == {start for start in stream.starts.tolist() if start > at}
    assert np.flatnonzero(other.tokens == stream.tokenizer.bos).tolist() == stream.starts.tolist()
    if kind is StreamKind.BIGRAMS_ONCE:
        assert max(Counter(pairwise(other.tokens.tolist())).values()) == 1


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(StreamKind), st.integers(0, 3), st.integers(1, 700), st.integers(20, 99), st.integers(0, 5))
def test_the_largest_token_is_kept(kind: StreamKind, which: int, first: int, size: int, seed: int) -> None:
    """Streams with other tokens have the same largest one: a vocabulary's size taken from it is no leak."""
    stream = stream_of(kind, which, 800)
    other = stream.changed(range(first, first + size + 1), seed)
    assert other.tokens.max() == stream.tokens.max()
    differs = np.flatnonzero(other.tokens != stream.tokens)
    assert set(range(first, first + size + 1)) - set(differs.tolist()) <= set(stream.starts.tolist())
    assert first <= differs.min() <= differs.max() <= first + size


def test_one_token_is_replaced() -> None:
    """A candidate at one position leaves every other token; a document's beginning has no candidates."""
    stream = stream_of(StreamKind.NATURAL)
    candidate = stream.replaced(100, 777)
    assert np.flatnonzero(candidate.tokens != stream.tokens).tolist() == [100]
    assert candidate.tokens[100] == 777
    for position in (0, 193, 3073, -1):
        with pytest.raises(StreamError):
            stream.replaced(position, 777)


@pytest.mark.parametrize("lengths", [(), (1, 5)])
def test_a_document_without_text_is_refused(lengths: tuple[int, ...]) -> None:
    """Every document has its first token and one more."""
    with pytest.raises(StreamError):
        make_stream(tokenizer_of(TokenizerKind.BYTE, 260), StreamKind.NATURAL, lengths, 0)
