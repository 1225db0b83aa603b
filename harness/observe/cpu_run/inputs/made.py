"""Inputs are made once and kept: one folder a spec in a cache, complete or absent.

A folder is named by a digest of the spec, the submission's own tokenizer, and the code and libraries that make it. It
is written beside its place and renamed, so that two processes may make the same one at once.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import sentencepiece

from harness.model import inputs as vocabulary
from harness.model.inputs import InputFacts, InputFile, InputSpec, StreamKind, TokenizerKind
from harness.observe.cpu_run.inputs.shards import pack_shard
from harness.observe.cpu_run.inputs.stream import Stream, document_lengths, make_stream
from harness.observe.cpu_run.inputs.text import text
from harness.observe.cpu_run.inputs.tokenizers import Tokenizer, make_tokenizer, own_tokenizer

MODEL, VOCAB, TOKENIZER_JSON = "tokenizer.model", "tokenizer.vocab", "tokenizer.json"
VAL, VAL_BYTES = "val.bin", "val_bytes.bin"
DOCS = "docs_selected.jsonl"
MANIFEST = "manifest.json"
_FACTS = "facts.json"
_DOCS_CHARACTERS = 60_000


def train_shard(number: int) -> str:
    """Name of a training shard."""
    return f"train_{number:06d}.bin"


@dataclass(frozen=True)
class Made:
    """A folder of inputs and what is in it."""

    folder: Path
    facts: InputFacts

    def stream(self) -> Stream:
        """The validation stream, made again: from it probes derive their neighbours."""
        spec = self.facts.spec
        return _validation(self.tokenizer(), spec)

    def tokenizer(self) -> Tokenizer:
        """The tokenizer, read from its file."""
        spec = self.facts.spec
        model = None if spec.tokenizer is TokenizerKind.BYTE else (self.folder / MODEL).read_bytes()
        return Tokenizer(spec.tokenizer, spec.vocab_size, model)


def sizes_for(val_tokens: int, documents: int, train_tokens: int) -> InputSpec:
    """A spec with so many validation tokens in about so many documents of five lengths, and such training shards.

    Lengths are odd wherever they can be, so that no document ends where a sequence, a stride or a chunk does.
    """
    mean = max(4, val_tokens // max(1, documents))
    lengths = tuple(max(3, mean * share // 8 | 1) for share in (8, 4, 12, 6, 10))
    return InputSpec(val_tokens=val_tokens, train_tokens=train_tokens, document_tokens=lengths)


def make_inputs(spec: InputSpec, cache_folder: Path, model: bytes | None = None) -> Made:
    """The inputs of `spec`, made now or found in the cache. `model`: the submission's own tokenizer, if it ships one.

    Raises `VocabularyError` for a vocabulary that cannot be made or read, `StreamError` for lengths that cannot be.
    """
    if model is not None:
        own = own_tokenizer(model)
        known = {"tokenizer": own.kind, "vocab_size": own.vocab_size, "model_sha256": _sha256(model)}
        spec = spec.model_copy(update=known)
    key = hashlib.sha256(f"{_maker()} {spec.model_dump_json()}".encode()).hexdigest()[:32]
    folder = cache_folder / key
    facts = folder / _FACTS
    if not facts.is_file():
        _write(folder, spec, model)
    return Made(folder, InputFacts.model_validate_json(facts.read_bytes()))


def with_validation(made: Made, stream: Stream, cache_folder: Path) -> Made:
    """The same inputs with another validation stream: what a probe runs on. Only the files that differ are written."""
    files = validation_files(stream)
    key = hashlib.sha256(f"{made.folder.name} {_sha256(files[VAL])}".encode()).hexdigest()[:32]
    listed = {file.name: file for file in made.facts.files} | {file.name: file for file in _listed(files)}
    facts = made.facts.model_copy(
        update={
            "val_tokens": len(stream.tokens),
            "val_documents": len(stream.lengths),
            "val_bytes": int(stream.text_bytes.sum()),
            "files": tuple(listed.values()),
        }
    )
    _keep(cache_folder / key, files, facts)
    return Made(cache_folder / key, facts)


def _files_of(tokenizer: Tokenizer, spec: InputSpec, stream: Stream, train: Sequence[Stream]) -> dict[str, bytes]:
    """All files of a data set by name."""
    files = {VOCAB: tokenizer.vocab_file(), **validation_files(stream)}
    files |= {train_shard(number): pack_shard(shard.tokens) for number, shard in enumerate(train)}
    if tokenizer.model is None:
        files[TOKENIZER_JSON] = tokenizer.json_file()
    else:
        files[MODEL] = tokenizer.model
    documents = text(spec.seed, _DOCS_CHARACTERS)
    files[DOCS] = "".join(json.dumps({"text": document}) + "\n" for document in documents).encode()
    return files


def validation_files(stream: Stream) -> dict[str, bytes]:
    """The validation shard, and the shard that holds the bytes of the original text of each of its tokens."""
    return {VAL: pack_shard(stream.tokens), VAL_BYTES: pack_shard(stream.text_bytes)}


def _validation(tokenizer: Tokenizer, spec: InputSpec) -> Stream:
    lengths = document_lengths(spec.val_tokens, spec.document_tokens)
    return make_stream(tokenizer, spec.stream, lengths, spec.seed)


def _write(folder: Path, spec: InputSpec, model: bytes | None) -> None:
    tokenizer = make_tokenizer(spec.tokenizer, spec.vocab_size) if model is None else own_tokenizer(model)
    stream = _validation(tokenizer, spec)
    # Training documents are longer and of other seeds than those of the validation stream.
    lengths = document_lengths(spec.train_tokens, [3 * length for length in spec.document_tokens])
    seeds = range(spec.seed + 1, spec.seed + 1 + spec.train_shards)
    train = [make_stream(tokenizer, StreamKind.NATURAL, lengths, 1_000 + seed) for seed in seeds]
    files = _files_of(tokenizer, spec, stream, train)
    facts = InputFacts(
        spec=spec,
        vocab_size=tokenizer.vocab_size,
        bos_id=tokenizer.bos,
        val_tokens=len(stream.tokens),
        val_documents=len(stream.lengths),
        val_bytes=int(stream.text_bytes.sum()),
        train_tokens=sum(len(shard.tokens) for shard in train),
        train_documents=sum(len(shard.lengths) for shard in train),
        files=_listed(files),
    )
    _keep(folder, files, facts)


def _listed(files: Mapping[str, bytes]) -> tuple[InputFile, ...]:
    return tuple(InputFile(name=name, sha256=_sha256(data), bytes=len(data)) for name, data in files.items())


def _keep(folder: Path, files: Mapping[str, bytes], facts: InputFacts) -> None:
    """Write a folder of the cache, whole or not at all; nothing is done where it is already there."""
    if (folder / _FACTS).is_file():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        for name, data in (*files.items(), (_FACTS, facts.model_dump_json(indent=1).encode())):
            (beside / name).write_bytes(data)
        beside.chmod(0o755)
        try:
            beside.rename(folder)
        except OSError:
            if not (folder / _FACTS).is_file():  # else another process was first, with the same content
                raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@cache
def _maker() -> str:
    """Digest of what decides the content besides the spec: the code of this package and its libraries."""
    digest = hashlib.sha256(f"{sentencepiece.__version__} {np.__version__}".encode())
    for path in (Path(vocabulary.__file__), *sorted(Path(__file__).parent.glob("*.py"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
