"""SentencePiece model files read as protobuf wire format, without the library.

Field numbers are those of sentencepiece_model.proto: ModelProto {pieces = 1, trainer_spec = 2, normalizer_spec = 3},
SentencePiece {piece = 1, score = 2, type = 3}, TrainerSpec {model_type = 3}, NormalizerSpec {name = 1,
precompiled_charsmap = 2, add_dummy_prefix = 3}.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

from harness.model.base import snippet
from harness.model.tokenizer import TokenizerFacts

MAX_PIECES = 1_000_000
_TYPES = {1: "normal", 2: "unknown", 3: "control", 4: "user_defined", 5: "unused", 6: "byte"}
_MODEL_TYPES = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
_BARE_SPACE = "▁".encode()


class WireError(ValueError):
    """The bytes are not the protobuf message that was expected."""


def read_tokenizer(path: str, data: bytes) -> TokenizerFacts:
    """Facts of a `.model` or `.vocab` file. Never raises: a file that cannot be read has `error`."""
    sha256 = hashlib.sha256(data).hexdigest()
    if path.endswith(".vocab"):
        size = sum(1 for line in data.split(b"\n") if line.strip())
        bare = any(line.split(b"\t", 1)[0] == _BARE_SPACE for line in data.split(b"\n"))
        return TokenizerFacts(path=path, sha256=sha256, bytes=len(data), kind="vocab", vocab_size=size, bare_space=bare)
    try:
        found = _model(data)
    except WireError as error:
        return TokenizerFacts(path=path, sha256=sha256, bytes=len(data), kind="sentencepiece", error=str(error))
    return TokenizerFacts(path=path, sha256=sha256, bytes=len(data), kind="sentencepiece", **found)


def _model(data: bytes) -> dict[str, object]:
    counts: Counter[str] = Counter()
    found: dict[str, object] = {"model_type": "unigram"}
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            piece = dict(_fields(value))
            kind = piece.get(3, 1)
            counts[_TYPES.get(kind if isinstance(kind, int) else 0, "normal")] += 1
            found["bare_space"] = found.get("bare_space", False) or piece.get(1) == _BARE_SPACE
            if counts.total() > MAX_PIECES:
                raise WireError(f"more than {MAX_PIECES} pieces")
        elif number == 2 and isinstance(value, bytes):
            kind = dict(_fields(value)).get(3, 1)
            found["model_type"] = _MODEL_TYPES.get(kind if isinstance(kind, int) else 0)
        elif number == 3 and isinstance(value, bytes):
            normalizer = dict(_fields(value))
            name = normalizer.get(1)
            found["normalizer"] = snippet(name.decode("utf-8", "replace"), 60) if isinstance(name, bytes) else None
            found["has_charsmap"] = bool(normalizer.get(2))
            found["add_dummy_prefix"] = bool(normalizer.get(3, 1))
    if not counts:
        raise WireError("no pieces: not a SentencePiece model")
    return found | dict(counts) | {"vocab_size": counts.total()}


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) pairs of one message: varints as int, everything else as bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(data, at)
        elif wire in {1, 5}:
            length = 8 if wire == 1 else 4
        else:
            raise WireError(f"wire type {wire} at byte {at}: not a SentencePiece model")
        if at + length > len(data):
            raise WireError(f"a field of {length} bytes at byte {at} passes the end: the file is cut")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7
    raise WireError(f"a number at byte {at} does not end: the file is cut or no SentencePiece model")
