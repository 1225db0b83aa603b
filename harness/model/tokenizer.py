"""Facts of tokenizer files shipped with a submission."""

from __future__ import annotations

from harness.model.base import Frozen


class TokenizerFacts(Frozen):
    """A SentencePiece model or vocabulary file. Counts are pieces by type."""

    path: str
    sha256: str
    bytes: int
    kind: str
    """`sentencepiece`, `vocab`, `json`."""
    vocab_size: int | None = None
    model_type: str | None = None
    """`unigram`, `bpe`, `word`, `char`."""
    normalizer: str | None = None
    """Name of the normalisation rule (`identity`, `nmt_nfkc` ...)."""
    has_charsmap: bool = False
    """A compiled normalisation map is inside: text may change before it is tokenised."""
    add_dummy_prefix: bool | None = None
    normal: int = 0
    control: int = 0
    unused: int = 0
    user_defined: int = 0
    byte: int = 0
    unknown: int = 0
    bare_space: bool = False
    """U+2581 stands in the vocabulary as a piece of its own."""
    error: str | None = None
