"""A model's score on a stream, in the way that the configuration names."""

from __future__ import annotations

from torch import Tensor

from reference_model.config import Config
from reference_model.data.bytes import ByteTable
from reference_model.data.documents import documents
from reference_model.evaluation.learn_documents import learn_documents
from reference_model.evaluation.learn_stream import learn_stream
from reference_model.evaluation.score import Score, Tally, add_scores
from reference_model.evaluation.windows import Window, document_windows, plain_windows, sliding_windows
from reference_model.model.gpt import GPT
from reference_model.runtime import World


def evaluated(model: GPT, tokens: Tensor, table: ByteTable, config: Config, world: World) -> tuple[Score, Tally]:
    """The score of a stream of token ids (length,) of type int64, and the tally with its events.

    `ttt_sgd` leaves the model changed; every other way leaves it as it was.
    """
    tally = Tally(tokens, table, world)
    evaluation = config.evaluation
    if evaluation.evaluation == "ttt_sgd":
        learn_stream(model, tally, config)
    elif evaluation.evaluation in {"ttt_documents", "ttt_stream", "rehearsed_documents"}:
        learn_documents(model, tally, config)
    else:
        add_scores(model, tally, _planned(tokens, config), evaluation.eval_batch_seqs)
    return tally.score(), tally


def validation_score(model: GPT, tokens: Tensor, table: ByteTable, config: Config, world: World) -> Score:
    """The score in windows side by side, of the training length: what is looked at while a model is trained.

    It has no way to learn, whatever the final score is made by.
    """
    tally = Tally(tokens, table, world)
    rows = max(1, config.schedule.val_batch_size // world.size // config.data.train_seq_len)
    add_scores(model, tally, plain_windows(len(tokens), config.data.train_seq_len), rows)
    return tally.score()


def _planned(tokens: Tensor, config: Config) -> list[Window]:
    length, seq_len, stride = len(tokens), config.eval_seq_len, config.evaluation.eval_stride
    if config.evaluation.evaluation == "plain":
        return list(plain_windows(length, seq_len))
    if config.evaluation.evaluation == "sliding":
        return list(sliding_windows(length, seq_len, stride))
    found = documents(tokens.cpu().numpy(), config.model.bos_id)
    return list(document_windows(found, length, seq_len, stride))
