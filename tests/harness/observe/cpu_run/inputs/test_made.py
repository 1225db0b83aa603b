"""Inputs made once and kept."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import sentencepiece

from harness.model.inputs import InputSpec, StreamKind, TokenizerKind
from harness.observe.cpu_run.inputs.made import (
    DOCS,
    MODEL,
    TOKENIZER_JSON,
    VAL,
    VAL_BYTES,
    VOCAB,
    Made,
    make_inputs,
    sizes_for,
    train_shard,
    with_validation,
)
from harness.observe.cpu_run.inputs.shards import unpack_shard
from harness.observe.cpu_run.inputs.tokenizers import VocabularyError, make_tokenizer

SMALL = InputSpec(vocab_size=512, val_tokens=900, train_tokens=2_000)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A small set."""
    return make_inputs(SMALL, tmp_path_factory.mktemp("cache"))


def test_files_are_those_that_the_facts_list(made: Made) -> None:
    """Every listed file is there with its size, and nothing else but the facts."""
    listed = {file.name: file.bytes for file in made.facts.files}
    assert set(listed) == {MODEL, VOCAB, VAL, VAL_BYTES, DOCS, train_shard(0), train_shard(1)}
    found = {path.name: path.stat().st_size for path in made.folder.iterdir() if path.name != "facts.json"}
    assert found == listed


def test_facts_say_what_was_made(made: Made) -> None:
    """Tokens, documents and bytes of text as the files have them."""
    facts = made.facts
    tokens = unpack_shard((made.folder / VAL).read_bytes())
    shards = [unpack_shard((made.folder / train_shard(n)).read_bytes()) for n in (0, 1)]
    assert facts.val_tokens == len(tokens) == 900
    assert facts.val_documents == int((tokens == facts.bos_id).sum())
    assert facts.train_tokens == sum(map(len, shards)) == 4_000
    assert facts.train_documents == sum(int((shard == facts.bos_id).sum()) for shard in shards)
    assert facts.val_bytes == int(unpack_shard((made.folder / VAL_BYTES).read_bytes()).sum())
    assert not np.array_equal(shards[0], shards[1])
    processor = sentencepiece.SentencePieceProcessor(model_file=str(made.folder / MODEL))
    assert processor.vocab_size() == facts.vocab_size == 512


def test_the_second_time_nothing_is_made(made: Made) -> None:
    """The same folder, untouched, in no time."""
    before = (made.folder / VAL).stat().st_mtime_ns
    started = time.perf_counter()
    again = make_inputs(SMALL, made.folder.parent)
    assert time.perf_counter() - started < 0.1
    assert again == made
    assert (made.folder / VAL).stat().st_mtime_ns == before


def test_another_spec_has_another_folder(made: Made) -> None:
    """Every field of the spec decides the content."""
    other = make_inputs(SMALL.model_copy(update={"stream": StreamKind.BIGRAMS_ONCE}), made.folder.parent)
    assert other.folder != made.folder
    assert (other.folder / MODEL).read_bytes() == (made.folder / MODEL).read_bytes()
    assert (other.folder / VAL).read_bytes() != (made.folder / VAL).read_bytes()


def test_content_is_the_same_in_another_cache(made: Made, tmp_path: Path) -> None:
    """Bit for bit, model included."""
    again = make_inputs(SMALL, tmp_path)
    assert again.facts == made.facts
    assert again.folder.name == made.folder.name


def test_several_may_make_the_same_at_once(tmp_path: Path) -> None:
    """All get the same complete folder, and no unfinished one stays."""
    spec = SMALL.model_copy(update={"tokenizer": TokenizerKind.BYTE, "vocab_size": 260})
    found: list[Made] = []
    threads = [threading.Thread(target=lambda: found.append(make_inputs(spec, tmp_path))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert [path.name for path in tmp_path.iterdir()] == [found[0].folder.name]
    assert (found[0].folder / TOKENIZER_JSON).is_file()


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    """A vocabulary that cannot be leaves no folder."""
    with pytest.raises(VocabularyError):
        make_inputs(SMALL.model_copy(update={"vocab_size": 100}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_own_tokenizer_is_used(tmp_path: Path) -> None:
    """Kind and size are read from the submission's model, and the streams are made with it."""
    model = make_tokenizer(TokenizerKind.CASEOPS, 700).model
    assert model is not None
    own = make_inputs(SMALL, tmp_path, model)
    assert (own.facts.spec.tokenizer, own.facts.vocab_size) == (TokenizerKind.CASEOPS, 700)
    assert (own.folder / MODEL).read_bytes() == model
    assert own.facts.spec.model_sha256 is not None


def test_the_stream_can_be_had_back(made: Made) -> None:
    """From the folder alone: the stream whose tokens are in the shard."""
    assert np.array_equal(made.stream().tokens, unpack_shard((made.folder / VAL).read_bytes()))


def test_a_probe_changes_the_validation_files_only(made: Made, tmp_path: Path) -> None:
    """Its folder has the other stream and its bytes; facts tell of it."""
    stream = made.stream().diverged(400, 1)
    probe = with_validation(made, stream, tmp_path)
    assert sorted(path.name for path in probe.folder.iterdir()) == sorted([VAL, VAL_BYTES, "facts.json"])
    assert np.array_equal(unpack_shard((probe.folder / VAL).read_bytes()), stream.tokens)
    assert probe.facts.val_bytes == int(stream.text_bytes.sum())
    digests = {file.name: file.sha256 for file in made.facts.files}
    changed = {file.name for file in probe.facts.files if file.sha256 != digests[file.name]}
    assert changed == {VAL, VAL_BYTES}
    assert with_validation(made, stream, tmp_path) == probe


def test_documents_are_there_as_json_lines(made: Made) -> None:
    """What a prepare script reads: one object with a text a line."""
    lines = (made.folder / DOCS).read_text().splitlines()
    assert len(lines) > 20
    assert all(json.loads(line)["text"] for line in lines)


@pytest.mark.parametrize("vocab_size", [1024, 8192, 16_384])
def test_a_vocabulary_is_made_quickly(vocab_size: int, tmp_path: Path) -> None:
    """Three seconds of computing at most, whatever else the machine does."""
    started = time.process_time()
    make_inputs(InputSpec(vocab_size=vocab_size), tmp_path)
    assert time.process_time() - started < 3.0


def test_training_tokens_say_something_of_validation_tokens(tmp_path: Path) -> None:
    """Something can be learnt: counts of pairs predict the validation tokens far better than counts of tokens."""
    made = make_inputs(InputSpec(vocab_size=1024), tmp_path)
    train = unpack_shard((made.folder / train_shard(0)).read_bytes()).astype(np.int64)
    val = unpack_shard((made.folder / VAL).read_bytes()).astype(np.int64)
    single = np.bincount(train, minlength=1024) + 0.1
    pairs = np.zeros((1024, 1024))
    np.add.at(pairs, (train[:-1], train[1:]), 1.0)
    alone = single / single.sum()
    after = (pairs + 5.0 * alone) / (pairs.sum(1, keepdims=True) + 5.0)
    without, given = -np.log(alone[val[1:]]).mean(), -np.log(after[val[:-1], val[1:]]).mean()
    assert without < 0.9 * np.log(1024)
    assert given < 0.8 * without


def test_sizes_follow_what_is_wanted() -> None:
    """About so many documents of several lengths, exactly so many tokens."""
    spec = sizes_for(4097, 20, 10_000)
    assert (spec.val_tokens, spec.train_tokens) == (4097, 10_000)
    assert len(set(spec.document_tokens)) == 5
    mean = sum(spec.document_tokens) / 5
    assert 4097 / mean == pytest.approx(20, rel=0.1)
