"""Facts of the made inputs that a submission found on disk in a CPU run."""

from __future__ import annotations

from enum import StrEnum

from harness.model.base import Frozen


class TokenizerKind(StrEnum):
    """How text becomes tokens."""

    BPE = "bpe"
    """SentencePiece byte-pair encoding with byte fallback."""
    CASEOPS = "caseops"
    """The same over text whose capitals are written as operators; its bytes come in a sidecar."""
    BYTE = "byte"
    """One token a byte."""


class StreamKind(StrEnum):
    """What the validation tokens are."""

    NATURAL = "natural"
    """Documents of invented English."""
    BIGRAMS_ONCE = "bigrams_once"
    """Every pair of neighbouring tokens occurs once, so that a pair says where it stands."""
    REPEATS = "repeats"
    """Few phrases again and again, so that caches of n-grams are full."""


class InputSpec(Frozen):
    """What is to be made: a vocabulary, and streams of given lengths."""

    tokenizer: TokenizerKind = TokenizerKind.BPE
    vocab_size: int = 1024
    model_sha256: str | None = None
    """Of the submission's own tokenizer, where it ships one; then its kind and size are those above."""
    stream: StreamKind = StreamKind.NATURAL
    """Of the validation tokens. Training tokens are natural."""
    val_tokens: int = 3073
    train_tokens: int = 65_536
    """In each training shard."""
    train_shards: int = 2
    document_tokens: tuple[int, ...] = (193, 65, 321, 97, 129)
    """Lengths of the documents, first token included, in turn."""
    seed: int = 0


class InputFile(Frozen):
    """One file that was made."""

    name: str
    sha256: str
    bytes: int


class InputFacts(Frozen):
    """What was made for one spec."""

    spec: InputSpec
    vocab_size: int
    bos_id: int
    val_tokens: int
    val_documents: int
    val_bytes: int
    """Bytes of text that the validation tokens stand for."""
    train_tokens: int
    train_documents: int
    files: tuple[InputFile, ...] = ()
