"""Turns the corpus into what a training script of the competition reads: a tokenizer and two token shards.

Usage: `python -m reference_model.corpus.prepare --output DIR [--vocab-size 512]` writes

    DIR/tokenizers/english_<V>_bpe.model                       SentencePiece BPE with byte fallback
    DIR/datasets/english_sp<V>/fineweb_train_000000.bin        all training documents
    DIR/datasets/english_sp<V>/fineweb_val_000000.bin          all validation documents

The output is a function of the corpus, the vocabulary size and the SentencePiece version alone.
"""

import argparse
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import sentencepiece

from reference_model.data.shards import Tokens, write_shard

CORPUS = Path(__file__).with_name("english.txt")
SEPARATOR = "\n\f\n"  # documents are separated by a line that holds a form feed and nothing else
VALIDATION_DOCUMENTS = 7  # the last 7 of 85 documents: 7 % of the text
DEFAULT_VOCAB_SIZE = 512

BOS_ID = 1  # ids of the control tokens as in the competition's tokenizers: pad 0, bos 1, eos 2, unknown 3


def documents(path: Path = CORPUS) -> Iterator[str]:
    """The documents of a corpus file in order, one paragraph a line, without the final newline."""
    yield from path.read_text(encoding="utf-8").removesuffix("\n").split(SEPARATOR)


def split(texts: Sequence[str], validation: int = VALIDATION_DOCUMENTS) -> tuple[list[str], list[str]]:
    """Training and validation documents: the last `validation` documents are held out."""
    if not 0 < validation < len(texts):
        raise ValueError(
            f"cannot hold out {validation} of {len(texts)} documents: choose between 1 and {len(texts) - 1}, "
            "so that both parts have a document"
        )
    return list(texts[:-validation]), list(texts[-validation:])


def train_tokenizer(texts: Iterable[str], vocab_size: int = DEFAULT_VOCAB_SIZE) -> bytes:
    """A serialised SentencePiece BPE model trained on `texts`; equal input gives equal bytes.

    Raises ValueError for a vocabulary that is too small for the characters of the texts, or too large for their pairs.

    Nothing is normalised and no space is put in front, so that decoding an encoded text gives the text back and the
    competition's byte table adds up to its UTF-8 length. A newline is no piece of its own: it falls back to its byte.
    """
    model = io.BytesIO()  # not a file: SentencePiece would write the file's path into the model
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(paragraph for text in texts for paragraph in text.split("\n")),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            byte_fallback=True,
            character_coverage=1.0,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            pad_id=0,
            bos_id=BOS_ID,
            eos_id=2,
            unk_id=3,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ValueError(f"no tokenizer of {vocab_size} pieces can be made of this text: {error}") from error
    return model.getvalue()


def encode(tokenizer: bytes, texts: Iterable[str]) -> Tokens:
    """One stream of token ids (tokens,): every document preceded by BOS."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer)
    ids: list[int] = []
    for text in texts:
        ids.append(BOS_ID)
        ids.extend(processor.encode(text))
    return np.array(ids, dtype=np.uint16)


def prepare(output: Path, vocab_size: int = DEFAULT_VOCAB_SIZE) -> dict[str, Path]:
    """Write tokenizer and shards below `output`; their paths under the keys tokenizer, train and val."""
    training, validation = split(list(documents()))
    tokenizer = train_tokenizer(training, vocab_size)
    dataset = output / "datasets" / f"english_sp{vocab_size}"
    paths = {
        "tokenizer": output / "tokenizers" / f"english_{vocab_size}_bpe.model",
        "train": dataset / "fineweb_train_000000.bin",
        "val": dataset / "fineweb_val_000000.bin",
    }
    paths["tokenizer"].parent.mkdir(parents=True, exist_ok=True)
    paths["tokenizer"].write_bytes(tokenizer)
    write_shard(paths["train"], encode(tokenizer, training))
    write_shard(paths["val"], encode(tokenizer, validation))
    return paths


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: prepare the corpus and say what was written."""
    parser = argparse.ArgumentParser(prog="python -m reference_model.corpus.prepare", description=prepare.__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--vocab-size", type=int, default=DEFAULT_VOCAB_SIZE, metavar="V", help="default: %(default)s")
    options = parser.parse_args(arguments)
    for path in prepare(options.output, options.vocab_size).values():
        sys.stdout.write(f"{path} {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
