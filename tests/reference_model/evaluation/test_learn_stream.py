"""Learning over the stream: chunks by first scored position, rates by layer and along half a cosine."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_model.config import Config, DataConfig, EvalConfig, ModelConfig
from reference_model.data.bytes import ByteTable
from reference_model.evaluation.learn_stream import by_chunk, learn_stream
from reference_model.evaluation.score import Tally
from reference_model.evaluation.trace import Kind
from reference_model.evaluation.windows import sliding_windows
from reference_model.model.gpt import GPT
from reference_model.runtime import World

MODEL = ModelConfig(vocab_size=32, num_layers=3, model_dim=16, num_heads=2, num_kv_heads=1)


def learned(**changes: object) -> tuple[GPT, Tally, list[list[float]]]:
    """The model after a stream of 129 tokens in chunks of 32, its tally, and the rates of every step by group."""
    given = {"evaluation": "ttt_sgd", "eval_stride": 8, "ttt_chunk_tokens": 32, "ttt_lr": 0.1, **changes}
    config = Config(MODEL, DataConfig(train_seq_len=16, train_batch_tokens=16), evaluation=EvalConfig(**given))  # type: ignore[arg-type]  # by name
    tokens = torch.randint(2, 32, (129,), generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(32, dtype=torch.bool)
    model = GPT(MODEL, 16)
    tally = Tally(tokens, ByteTable(torch.ones(32, dtype=torch.int64), nothing, nothing), World())
    rates: list[list[float]] = []
    step = torch.optim.SGD.step

    def heard(optimizer: torch.optim.SGD, closure: None = None) -> None:
        rates.append([group["lr"] for group in optimizer.param_groups])
        step(optimizer, closure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", heard)
        learn_stream(model, tally, config)
    return model, tally, rates


def test_rates_fall_along_half_a_cosine_over_the_chunks() -> None:
    """Of chunk c of C: lr · (1 + cos πc/(C - 1)) / 2, the same for every pass; nothing is learned from the last."""
    _, tally, rates = learned(ttt_epochs=2)
    expected = [0.1 * 0.5 * (1 + math.cos(math.pi * chunk / 3)) for chunk in range(3) for _ in range(2)]
    assert [rate for (rate,) in rates] == pytest.approx(expected)
    learned_from = [(event.first, event.last) for event in tally.events if event.kind is Kind.UPDATE]
    assert [chunk[0] for chunk in learned_from] == [1, 33, 65]
    assert learned_from[-1][1] < 128


def test_the_first_adapted_layer_keeps_its_share_of_the_rate() -> None:
    """With the last two of three layers adapted, the first of them at 0.6: in every step."""
    _, _, rates = learned(ttt_layers_last_n=2, ttt_first_layer_lr=0.6)
    assert rates
    assert all(first == pytest.approx(0.6 * rest) for first, rest in rates)


def test_the_table_for_evaluation_is_no_part_of_the_model() -> None:
    """What is packed is the state of the model, and the table does not stand in it."""
    model, _, rates = learned(ttt_hash_buckets=64)
    assert model.state_dict().keys() == GPT(MODEL, 16).state_dict().keys()
    assert all(len(groups) == 2 for groups in rates)


@given(st.integers(2, 300), st.integers(1, 40), st.integers(1, 40), st.integers(1, 80))
def test_chunks_hold_every_window_once_in_order(length: int, seq_len: int, stride: int, chunk: int) -> None:
    """By the chunk of its first scored position; what a chunk learns from was scored with it or before."""
    windows = list(sliding_windows(length, seq_len, min(stride, seq_len)))
    chunks = by_chunk(iter(windows), chunk)
    assert [window for group in chunks for window in group] == windows
    for number, group in enumerate(chunks):
        assert all((window.first - 1) // chunk == number for window in group)
    held = [group for group in chunks if group]
    assert all(a[-1].stop + 1 == b[0].first for a, b in pairwise(held))
