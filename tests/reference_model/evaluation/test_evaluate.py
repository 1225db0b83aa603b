"""Evaluation: every way scores each position once, in order, and what comes later changes nothing before."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from reference_model.config import Config, DataConfig, EvalConfig, ModelConfig
from reference_model.data.bytes import ByteTable
from reference_model.evaluation.evaluate import evaluated
from reference_model.evaluation.score import Score, Tally, add_scores
from reference_model.evaluation.trace import Event, Kind, violations
from reference_model.evaluation.windows import plain_windows
from reference_model.model.gpt import GPT
from reference_model.runtime import World

MODEL = ModelConfig(vocab_size=64, num_layers=3, model_dim=32, num_heads=4, num_kv_heads=2, tied_embed_init_std=0.5)
WAYS = ("plain", "sliding", "documents", "ttt_documents", "ttt_stream", "ttt_sgd")


def config_of(way: str, **changes: object) -> Config:
    """A small run: windows of 16, chunks of 8 or 32."""
    chunk = 32 if way == "ttt_sgd" else 8
    given = {"evaluation": way, "eval_stride": 4, "eval_batch_seqs": 3, "ttt_chunk_tokens": chunk, "ttt_lr": 0.05}
    return Config(
        MODEL, DataConfig(train_seq_len=16, train_batch_tokens=64), evaluation=EvalConfig(**{**given, **changes})
    )  # type: ignore[arg-type]  # fields by name


def model_of(config: Config) -> GPT:
    """Weights that are all alive."""
    model = GPT(config.model, 16, seed=1)
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=random))
    return model


def stream(length: int = 150) -> Tensor:
    """Documents of 37 tokens."""
    tokens = torch.randint(2, 64, (length,), generator=torch.Generator().manual_seed(3))
    tokens[::37] = 1
    return tokens


def table() -> ByteTable:
    """Some bytes for every token but BOS."""
    base = torch.arange(64) % 5 + 1
    base[1] = 0
    return ByteTable(base, torch.arange(64) % 3 == 0, torch.arange(64) == 1)


def run(config: Config, tokens: Tensor | None = None, world: World | None = None) -> tuple[Score, Tally, list[float]]:
    """Score, tally and the losses of every position in float64."""
    losses = torch.zeros(len(stream() if tokens is None else tokens), dtype=torch.float64)
    add: Callable[..., None] = Tally.add

    def heard(tally: Tally, nll: Tensor, first: int, last: int, learner: int = 0) -> None:
        losses[first : last + 1] = nll.double()
        add(tally, nll, first, last, learner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tally, "add", heard)
        score, tally = evaluated(
            model_of(config), stream() if tokens is None else tokens, table(), config, world or World()
        )
    return score, tally, losses.tolist()


@pytest.mark.parametrize("way", WAYS)
def test_every_position_is_scored_once_and_before_it_is_learned(way: str) -> None:
    """`score` refuses anything else; the events are in order; the sums are those of the losses."""
    score, tally, losses = run(config_of(way))
    assert violations(tally.events) == []
    assert score.tokens == 149
    assert score.val_loss == pytest.approx(math.fsum(losses) / 149)
    bytes_ = int(table().bytes_of(stream()[:-1], stream()[1:]).sum())
    assert (score.bytes, score.val_bpb) == (bytes_, pytest.approx(math.fsum(losses) / math.log(2) / bytes_))
    learns = any(event.kind is Kind.UPDATE for event in tally.events)
    assert learns == way.startswith("ttt")


@pytest.mark.parametrize("way", WAYS)
def test_the_future_changes_no_score(way: str) -> None:
    """Other tokens from position 101 on leave every loss before it as it was, bit for bit."""
    other = stream()
    other[101:] = torch.where(other[101:] == 1, 1, (other[101:] * 7 + 3) % 62 + 2)
    first, second = run(config_of(way))[2], run(config_of(way), other)[2]
    assert first[:101] == second[:101]
    assert first[101:] != second[101:]


def test_learning_that_makes_no_pass_is_sliding() -> None:
    """ttt_sgd with no epoch, or no learning rate, is the sliding evaluation."""
    _, _, plain_losses = run(config_of("sliding"))
    _, _, unlearned = run(config_of("ttt_sgd", ttt_epochs=0))
    assert unlearned == pytest.approx(plain_losses, rel=1e-5)


def test_the_first_chunk_is_scored_by_the_model_as_it_is() -> None:
    """Adapters add nothing to the first chunk of any document, and something to later ones."""
    _, _, base = run(config_of("documents"))
    _, _, learned = run(config_of("ttt_documents"))
    for start in range(0, 149, 37):
        assert learned[start + 1 : start + 9] == pytest.approx(base[start + 1 : start + 9], rel=1e-4)
    assert learned[20:30] != pytest.approx(base[20:30], rel=1e-4)


def test_a_rehearsed_document_is_learned_from_before_it_is_scored() -> None:
    """One pass is the legal way; with two every update of the first comes before its score, and the trace tells it."""
    _, legal, losses = run(config_of("ttt_documents"))
    _, once, same = run(config_of("rehearsed_documents", ttt_epochs=1))
    assert (once.events, same) == (legal.events, losses)
    tokens = torch.tensor([5, 9, 13, 17, 21, 40]).repeat(25)
    tokens[0] = 1
    honest, _, _ = run(config_of("ttt_documents"), tokens)
    rehearsed, tally, _ = run(config_of("rehearsed_documents", ttt_epochs=2), tokens)
    assert rehearsed.val_loss < honest.val_loss
    assert violations(tally.events)
    assert not violations(legal.events)


@pytest.mark.parametrize("way", ["documents", "ttt_documents"])
def test_documents_know_nothing_of_each_other(way: str) -> None:
    """With documents on their own, changing the first leaves the losses of the others as they were."""
    other = stream()
    other[1:37] = (other[1:37] * 5 + 1) % 62 + 2
    first, second = run(config_of(way))[2], run(config_of(way), other)[2]
    assert first[38:] == pytest.approx(second[38:], rel=1e-6)
    assert first[1:37] != second[1:37]


@pytest.mark.parametrize("way", ["ttt_documents", "ttt_stream"])
def test_documents_do_not_depend_on_those_beside_them_in_a_batch(way: str) -> None:
    """One document at a time, or five at once: every loss is the same but for the order of sums."""
    first, second = (run(config_of(way, eval_batch_seqs=size))[2] for size in (1, 5))
    assert first == pytest.approx(second, rel=1e-4)


@pytest.mark.parametrize("way", ["ttt_documents", "ttt_stream", "ttt_sgd"])
def test_learning_helps_on_text_that_repeats(way: str) -> None:
    """A stream of one phrase over and over becomes predictable."""
    tokens = torch.tensor([5, 9, 13, 17, 21, 40]).repeat(25)
    tokens[0] = 1
    plain_way = "sliding" if way == "ttt_sgd" else "documents"
    base, learned = run(config_of(plain_way), tokens)[0], run(config_of(way), tokens)[0]
    assert learned.val_loss < base.val_loss - 0.1


def test_a_table_for_evaluation_starts_at_nothing() -> None:
    """The first chunk is scored as without it; then it learns, and only rows that were visited."""
    config = config_of("ttt_sgd", ttt_hash_buckets=512)
    _, _, base = run(config_of("ttt_sgd"))
    _, _, hashed = run(config)
    assert hashed[1:33] == base[1:33]
    assert hashed[40:] != base[40:]


def test_only_the_last_layers_learn_where_they_are_named() -> None:
    """ttt_layers_last_n = 1: everything before stays as it was."""
    config = config_of("ttt_sgd", ttt_layers_last_n=1)
    model, before = model_of(config), model_of(config)
    evaluated(model, stream(), table(), config, World())
    changed = {
        n for (n, a), b in zip(model.named_parameters(), before.parameters(), strict=True) if not torch.equal(a, b)
    }
    assert changed
    assert all(name.startswith("blocks.2.") for name in changed)


def test_a_uniform_model_pays_the_logarithm_of_the_vocabulary() -> None:
    """The logarithm of 64, in nats a token."""
    config = config_of("plain")
    model = model_of(config)
    torch.nn.init.zeros_(model.embedding.weight)
    score, _ = evaluated(model, stream(), table(), config, World())
    assert score.val_loss == pytest.approx(math.log(64))


def test_a_position_that_is_left_out_or_counted_twice_is_no_score() -> None:
    """The tally refuses."""
    config = config_of("plain")
    for windows in (list(plain_windows(150, 16))[:-1], [*plain_windows(150, 16), next(iter(plain_windows(150, 16)))]):
        tally = Tally(stream(), table(), World())
        add_scores(model_of(config), tally, windows, 4)
        with pytest.raises(ValueError, match="exactly once"):
            tally.score()


def test_a_position_without_a_loss_is_no_score() -> None:
    """Fewer losses than positions would count as losses of nothing."""
    with pytest.raises(ValueError, match="3 losses were given for the 4 positions 1 to 4"):
        Tally(stream(), table(), World()).add(torch.zeros(3), 1, 4)


def _rank(rank: int, ranks: int, path: str, way: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{path}/store", rank=rank, world_size=ranks)
    torch.set_num_threads(1)
    config = config_of(way)
    score, tally = evaluated(model_of(config), stream(), table(), config, World(rank, ranks))
    torch.save([score.val_loss, score.bytes, [tuple(event) for event in tally.events]], f"{path}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("way", ["documents", "sliding", "ttt_documents", "ttt_stream", "ttt_sgd"])
def test_two_ranks_score_what_one_does(tmp_path, way: str) -> None:
    """Two real processes share the windows and end with the score of one."""
    torch.multiprocessing.spawn(_rank, args=(2, str(tmp_path), way), nprocs=2)
    alone = run(config_of(way))[0]
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=False) for rank in range(2)]
    assert found[0][:2] == found[1][:2]
    assert found[0][1] == alone.bytes
    assert found[0][0] == pytest.approx(alone.val_loss, rel=1e-5)
    scored = [Event(*e) for _, _, events in found for e in events if e[0] == "score"]
    assert violations(scored) == []
