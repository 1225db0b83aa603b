"""The loader: every token is an input once, whatever the number of ranks, and a stopped run goes on exactly."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_model.data.loader import TokenStream, TrainLoader
from reference_model.data.shards import write_shard

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Shards of 50, 0 and 30 tokens that count upwards."""
    folder = tmp_path_factory.mktemp("shards")
    found, first = [], 0
    for number, count in enumerate((50, 0, 30)):
        found.append(folder / f"{number}.bin")
        write_shard(found[-1], np.arange(first, first + count, dtype=np.uint16))
        first += count
    return found


@given(st.lists(st.integers(1, 120), max_size=6))
def test_the_stream_has_no_gap(paths: list[Path], counts: list[int]) -> None:
    """Tokens follow each other over shards and round to the first again."""
    stream = TokenStream(paths)
    taken = np.concatenate([stream.take(count) for count in counts]) if counts else np.zeros(0)
    assert taken.tolist() == [i % 80 for i in range(sum(counts))]


def test_a_stopped_stream_goes_on(paths: list[Path]) -> None:
    """Two numbers say where it stood."""
    first, second = TokenStream(paths), TokenStream(paths)
    first.take(63)
    second.restore(first.state())
    assert first.take(40).tolist() == second.take(40).tolist()


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_share_a_step(paths: list[Path], ranks: int) -> None:
    """Together the ranks see consecutive spans; targets are the inputs one further."""
    seen = []
    for rank in range(ranks):
        loader = TrainLoader(TokenStream(paths), 4, rank, ranks, CPU)
        for x, y in loader.micro_batches(batch_tokens=32, micro_tokens=8):
            assert x.shape == y.shape
            assert x.size(1) == 4
            assert x.size(0) <= 2
            assert torch.equal(y, x + 1)
            seen += x.flatten().tolist()
    spans = [list(range(r * (32 // ranks + 1), r * (32 // ranks + 1) + 32 // ranks)) for r in range(ranks)]
    assert seen == [token for span in spans for token in span]


def test_a_step_that_cannot_be_shared_is_refused(paths: list[Path]) -> None:
    """The message names the variable."""
    with pytest.raises(ValueError, match="TRAIN_BATCH_TOKENS"):
        next(TrainLoader(TokenStream(paths), 4, 0, 3, CPU).micro_batches(32, 8))
