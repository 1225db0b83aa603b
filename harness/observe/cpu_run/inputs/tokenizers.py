"""Tokenizers of any vocabulary size, made in a moment from the invented text.

Three kinds, with the ids of the competition (pad 0, begin 1, end 2, unknown 3):

- `bpe`: SentencePiece with the options of the competition's export script (byte fallback, digits split, nmt_nfkc, no
  dummy prefix). The size is always met: training text grows until there are merges enough, and where a vocabulary is
  too small for the alphabet, rare characters fall back to bytes.
- `caseops`: the same over text in which capitals are written as operators, U+E001 to U+E004 reserved after the
  control pieces.
- `byte`: 256 bytes, after the four control ids where the vocabulary has room for them.

A submission's own `.model` is read by the same class.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from harness.model.inputs import TokenizerKind
from harness.observe.cpu_run.inputs.capitals import OPERATORS, lowered
from harness.observe.cpu_run.inputs.text import text

Tokens = NDArray[np.uint16]
"""Token ids, one dimension."""

PAD, BOS, EOS, UNKNOWN = range(4)
_CONTROLS = 4
_BYTES = 256
_TEXT_SEED = 20240520
_TEXT_CHARACTERS = 400_000
_MOST_CHARACTERS = 16 * _TEXT_CHARACTERS
LARGEST = 1 << 16
"""Tokens of the competition's shards are 16 bits wide."""


class VocabularyError(ValueError):
    """No tokenizer of this kind can have so many pieces."""


@dataclass(frozen=True)
class Tokenizer:
    """Text to tokens and what each token stands for. `model` is None for plain bytes."""

    kind: TokenizerKind
    vocab_size: int
    model: bytes | None

    @cached_property
    def _processor(self) -> sentencepiece.SentencePieceProcessor:
        return sentencepiece.SentencePieceProcessor(model_proto=self.model)

    @cached_property
    def bos(self) -> int:
        """The token that begins a document: 1, or what the submission's own model says."""
        if self.model is None:
            return BOS if self._offset else 0
        return int(self._processor.bos_id()) if self._processor.bos_id() >= 0 else BOS

    @property
    def _offset(self) -> int:
        """Id of byte 0 where there is no model."""
        return self.vocab_size - _BYTES if self.vocab_size <= _BYTES + _CONTROLS else _CONTROLS

    def encode(self, documents: Sequence[str]) -> list[Tokens]:
        """Tokens of each document, without a token for its beginning."""
        if self.model is None:
            return [np.frombuffer(d.encode(), np.uint8).astype(np.uint16) + np.uint16(self._offset) for d in documents]
        prepared = [lowered(document) for document in documents] if self.kind is TokenizerKind.CASEOPS else documents
        return [np.asarray(ids, np.uint16) for ids in self._processor.encode(list(prepared), num_threads=1)]

    @cached_property
    def surface_bytes(self) -> NDArray[np.int64]:
        """Bytes of UTF-8 that each token stands for, the space of a `▁` among them; 0 for control and case pieces."""
        if self.model is None:
            sizes = np.zeros(self.vocab_size, np.int64)
            sizes[self._offset : self._offset + _BYTES] = 1
            return sizes
        return np.array([self._piece_bytes(token) for token in range(self.vocab_size)], np.int64)

    def _piece_bytes(self, token: int) -> int:
        model = self._processor
        if model.is_control(token) or model.is_unknown(token) or model.is_unused(token):
            return 0
        return 1 if model.is_byte(token) else len(self.surface(token))

    def surface(self, token: int) -> bytes:
        """The text of a token that stands for some, in UTF-8; nothing of a lone byte."""
        if self.model is None:
            return bytes([token - self._offset]) if 0 <= token - self._offset < _BYTES else b""
        model = self._processor
        if model.is_control(token) or model.is_unknown(token) or model.is_unused(token) or model.is_byte(token):
            return b""
        piece = model.id_to_piece(token).replace("▁", " ")
        if self.kind is TokenizerKind.CASEOPS:
            piece = "".join(character for character in piece if character not in OPERATORS)
        return piece.encode()

    @cached_property
    def by_surface(self) -> dict[bytes, int]:
        """The first token of each text."""
        return {self.surface(token): token for token in reversed(self.words.tolist())}

    @cached_property
    def begins_with_space(self) -> NDArray[np.bool_]:
        """Which tokens begin with `▁`."""
        if self.model is None:
            return np.zeros(self.vocab_size, np.bool_)
        return np.array([self._processor.id_to_piece(token).startswith("▁") for token in range(self.vocab_size)])

    def spelt_spaces(self, tokens: Tokens) -> NDArray[np.int64]:
        """Where among `tokens` a space is spelt as the three bytes of its mark, which has no piece of its own then."""
        marks = [self._processor.piece_to_id(f"<0x{byte:02X}>") for byte in "▁".encode()] if self.model else []
        if not marks or not self._processor.is_byte(marks[0]):
            return np.zeros(0, np.int64)
        spelt = [tokens[at : len(tokens) - 2 + at] == mark for at, mark in enumerate(marks)]
        return np.flatnonzero(np.logical_and.reduce(spelt))

    @cached_property
    def words(self) -> Tokens:
        """Tokens that stand for text of their own: no controls, no operators, and no lone bytes if others suffice."""
        standing = np.flatnonzero(self.surface_bytes > 0)
        if self.model is not None:
            whole = [token for token in standing.tolist() if not self._processor.is_byte(token)]
            standing = np.array(whole) if len(whole) >= _BYTES else standing
        return standing.astype(np.uint16)

    def vocab_file(self) -> bytes:
        """The `.vocab` file: a piece and its score a line."""
        pieces = (
            (f"<0x{token - self._offset:02X}>" if token >= self._offset else f"<{token}>", 0.0)
            if self.model is None
            else (self._processor.id_to_piece(token), self._processor.get_score(token))
            for token in range(self.vocab_size)
        )
        return "".join(f"{piece}\t{score:g}\n" for piece, score in pieces).encode()

    def json_file(self) -> bytes:
        """The `.json` file of a byte vocabulary, as the competition's export script writes it."""
        offset = self._offset
        ids = {"pad_id": PAD, "bos_id": self.bos, "eos_id": EOS, "unk_id": UNKNOWN}
        config = {**ids, "byte_offset": offset, "byte_count": _BYTES}
        value = {"tokenizer_type": "pure_byte", "config": config, "vocab_size": self.vocab_size}
        return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def make_tokenizer(kind: TokenizerKind, vocab_size: int) -> Tokenizer:
    """The tokenizer of this kind with exactly `vocab_size` ids.

    Raises `VocabularyError` where that cannot be: bytes need 256, the others 256 and their control pieces and a few
    characters, and a token must fit 16 bits.
    """
    reserved = _CONTROLS + _BYTES + (len(OPERATORS) if kind is TokenizerKind.CASEOPS else 0)
    least = _BYTES if kind is TokenizerKind.BYTE else reserved + 2
    if not least <= vocab_size <= LARGEST:
        raise VocabularyError(f"a {kind} vocabulary has {least} to {LARGEST} pieces, not {vocab_size}")
    if kind is TokenizerKind.BYTE:
        return Tokenizer(kind, vocab_size, None)
    characters = _TEXT_CHARACTERS
    while True:
        documents = text(_TEXT_SEED, characters)
        if kind is TokenizerKind.CASEOPS:
            documents = [lowered(document) for document in documents]
        model = _train(documents, kind, vocab_size, vocab_size - reserved)
        if model is not None:
            return Tokenizer(kind, vocab_size, model)
        characters *= 2
        if characters > _MOST_CHARACTERS:
            raise VocabularyError(f"the text has no {vocab_size} pieces")


def own_tokenizer(model: bytes) -> Tokenizer:
    """The tokenizer of a submission's `.model`. Raises `VocabularyError` if the library cannot read it."""
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    except (RuntimeError, OSError) as error:
        raise VocabularyError(f"not a SentencePiece model: {error}") from error
    size = int(processor.vocab_size())
    if size > LARGEST:
        raise VocabularyError(f"{size} pieces do not fit 16 bits")
    unknown = processor.unk_id()
    has_operators = all(processor.piece_to_id(operator) != unknown for operator in OPERATORS[:3])
    return Tokenizer(TokenizerKind.CASEOPS if has_operators else TokenizerKind.BPE, size, model)


def _train(documents: Sequence[str], kind: TokenizerKind, vocab_size: int, room: int) -> bytes | None:
    """A model with exactly `vocab_size` pieces, or None if the text has too few pairs to merge."""
    alphabet = [character for character, _ in Counter(c for d in documents for c in d).most_common()]
    if len(alphabet) > room // 2:  # leave half of a small vocabulary to merges
        kept = frozenset(alphabet[: max(2, room // 2)]) | {" "}
        documents = ["".join(c for c in document if c in kept) for document in documents]
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(documents),
            model_writer=written,
            model_type="bpe",
            vocab_size=vocab_size,
            character_coverage=0.9999,
            byte_fallback=True,
            split_digits=True,
            normalization_rule_name="nmt_nfkc",
            add_dummy_prefix=False,
            pad_id=PAD,
            bos_id=BOS,
            eos_id=EOS,
            unk_id=UNKNOWN,
            user_defined_symbols=list(OPERATORS) if kind is TokenizerKind.CASEOPS else [],
            hard_vocab_limit=True,
            num_threads=1,  # the same model whatever the machine
            minloglevel=2,
        )
    except RuntimeError as error:
        if "Vocabulary size" in str(error) or "vocab_size" in str(error):
            return None
        raise
    return written.getvalue()
