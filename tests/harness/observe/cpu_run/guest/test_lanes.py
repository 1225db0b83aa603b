"""Scores that are computed for the realised token alone are computed again for every token of the vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, log_softmax

from harness.observe.cpu_run.guest import arrays, lookups, positioned
from harness.observe.cpu_run.guest import follow as _rules  # noqa: F401  it fills the table of rules
from harness.observe.cpu_run.guest.lanes import ALPHABET, LANES, Alphabet, Block
from harness.observe.cpu_run.guest.positioned import place, rows
from harness.observe.cpu_run.guest.sources import SOURCES
from harness.observe.cpu_run.rows import Rows

SIZE, COUNT = 40, 6
Tensor = torch.Tensor
HINTS = torch.tensor([3, 0, 39, 5, 7, 11])
BETA = 1.5


def made(seed: int) -> Tensor:
    """Logits of six tokens."""
    return 3 * torch.randn(COUNT, SIZE, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def targets() -> Iterator[Tensor]:
    """Six tokens of the stream, while rows are followed; nothing may fail."""
    found = torch.tensor([1, 0, 39, 7, 7, 2])
    stream = np.arange(100) % SIZE
    stream[5 : 5 + COUNT] = found.numpy()
    positioned.faults.clear()
    SOURCES.active = ALPHABET.active = True
    place(found, ALPHABET.enter(found.numpy(), np.arange(5, 5 + COUNT), stream))
    yield found
    SOURCES.active = ALPHABET.active = False
    assert positioned.faults == []


def told(losses: Tensor) -> Rows:
    """What is known of losses when they are summed up."""
    found = rows(losses.sum())
    assert found["at"].tolist() == list(range(5, 5 + COUNT))
    assert found["value"] == pytest.approx(losses.tolist())
    return found


def tilted(losses: Tensor, logits: Tensor, targets: Tensor) -> Tensor:
    """One entry raised, and the norm in closed form."""
    chance = logits.softmax(-1).gather(1, HINTS[:, None]).squeeze(1).double()
    hit = (targets == HINTS).to(torch.float64)
    return losses.double() - BETA * hit + torch.log1p(chance * (np.exp(BETA) - 1))


def test_when(targets: Tensor) -> None:
    """A loss was taken by the call that it came out of, whatever other call took the same value."""
    logits = made(1)
    before = SOURCES.count
    first = cross_entropy(logits, targets, reduction="none")
    again = cross_entropy(logits.clone().requires_grad_(), targets, reduction="none")
    cross_entropy(logits, targets, reduction="none")
    for losses, call in ((first.double(), 1), (again.detach().double(), 2)):
        found = told(losses)
        SOURCES.tell(found)
        assert set(found["when"]) == {before + call}


def test_a_tilt_with_its_norm(targets: Tensor) -> None:
    """Its row sums to 1, however the loss was taken, and is the same whatever token came."""
    logits = made(1)
    losses = cross_entropy(logits, targets, reduction="none")
    taken = -log_softmax(logits, -1).gather(1, targets[:, None]).squeeze(1)
    looked_up = -log_softmax(logits, -1)[torch.arange(COUNT), targets]
    for one in (losses, taken, looked_up):
        found = told(tilted(one, logits, targets))
        assert found["mixed"].all()
        assert found["total"] == pytest.approx(1, abs=1e-5)
        assert found["source"].all()


def test_losses_as_they_are(targets: Tensor) -> None:
    """What is only moved, or changed at other places, is out of the row that it was taken from."""
    logits = made(2)
    losses = cross_entropy(logits, targets, reduction="none")
    before = told(losses)["source"].tolist()
    for one in (losses.double().reshape(2, 3).flatten(), torch.where(HINTS > 99, 2 * losses, losses), losses * 1.0,
                torch.cat([losses[:2], losses[2:]])):  # fmt: skip
        found = told(one)
        assert found["source"].tolist() == before
        assert (found["total"] == 1).all()


def test_a_tilt_without_its_norm(targets: Tensor) -> None:
    """A row that sums to more than 1 is no distribution, though the realised token did not profit."""
    logits = made(3)
    losses = cross_entropy(logits, targets, reduction="none") - BETA * (targets == HINTS).double()
    found = told(losses)
    assert (found["total"] > 1).all()
    assert found["total"].max() > 1.5
    assert not found["source"][found["total"] > 1.5].any()


def test_a_gate_on_the_token(targets: Tensor) -> None:
    """A norm that is paid for some tokens alone: the sum over all tells, whatever token came."""
    logits = made(4)
    begins = torch.arange(SIZE) % 2 == 0
    losses = cross_entropy(logits, targets, reduction="none").double()
    gated = torch.where(begins[targets], losses, tilted(losses, logits, targets))
    by_hand = []
    for row, hint in zip(logits.double().softmax(-1), HINTS.tolist(), strict=True):
        boosted = row.clone()
        boosted[hint] *= np.exp(BETA)
        by_hand.append(float(torch.where(begins, row, boosted / boosted.sum()).sum()))
    assert told(gated)["total"] == pytest.approx(by_hand, abs=1e-5)


def test_mixtures(targets: Tensor) -> None:
    """A mixture of two rows sums to 1; with a hashed table that is asked for the token it sums to what it does."""
    one, other = made(5).softmax(-1), made(6).softmax(-1)
    both = 0.7 * one.gather(1, targets[:, None]) + 0.3 * other.gather(1, targets[:, None])
    assert told(-both.squeeze(1).log())["total"] == pytest.approx(1, abs=1e-5)
    table = torch.tensor([0.5, 0.9, 0.1, 0.8])
    context = torch.tensor([4, 9, 3, 1, 0, 5])
    keys = (targets * 31 ^ context) & 3
    mixed = 0.7 * one.gather(1, targets[:, None]).squeeze(1) + 0.3 * table[keys]
    found = told(-mixed.clamp(min=1e-9).log())
    wanted = [0.7 + 0.3 * float(table[(torch.arange(SIZE) * 31 ^ key) & 3].sum()) for key in context.tolist()]
    assert found["total"] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_tables(targets: Tensor, mode: Any) -> None:
    """A table by tokens is what it was when it was asked; if it was filled since it tells nothing."""
    with mode():
        counts = torch.rand(SIZE) + 0.1
        chances = counts / counts.sum() * 1.2
        neural = made(3).softmax(-1).gather(1, targets[:, None]).squeeze(1)
        found = -(neural / 2 + chances[targets] / 2).log()
        assert told(found)["total"] == pytest.approx(1.1, rel=1e-5)
        later = -(neural / 2 + chances[targets] / 2).log()
        chances += 1
        assert told(later)["total"] == pytest.approx(1.1 if mode is torch.inference_mode else 0, rel=1e-5)


def test_tables_for_fewer_tokens(targets: Tensor) -> None:
    """Of a table that lacks the last tokens the others are summed up: that is too little to acquit."""
    later, scale = targets[3:], torch.Generator().manual_seed(1)
    neural, counts = made(3)[3:].softmax(-1), torch.rand(3, SIZE - 1, generator=scale) / 5
    one, other = (table[torch.arange(3), later] for table in (neural, counts))
    found = rows((-(one / 2 + other / 2).log()).sum())
    assert found["total"] == pytest.approx((neural[:, :-1].sum(1) / 2 + counts.sum(1) / 2).tolist(), rel=1e-5)
    assert not found["source"].any()
    whole = counts / counts.sum(1, keepdim=True) * neural[:, :-1].sum(1, keepdim=True)
    same = rows((-(one / 2 + whole[torch.arange(3), later] / 2).log()).sum())
    assert not same["source"].any(), "those that were left out may have got more"


def test_experts(targets: Tensor) -> None:
    """What several experts give to a token, in one dimension, becomes one score: an expert that gives every token the
    same is more than its share, whichever way they are mixed.
    """
    logits, weights = made(5), torch.tensor([0.5, 0.3, 0.2])
    counts = torch.rand(COUNT, SIZE, generator=torch.Generator().manual_seed(1)) + 0.1
    counts /= counts.sum(1, keepdim=True)
    rows_of_losses = log_softmax(logits, -1)
    entropy = -(rows_of_losses.exp() * rows_of_losses).sum(-1)
    wanted = 0.8 + 0.2 * SIZE * (-entropy).exp()
    neural = -rows_of_losses.gather(1, targets[:, None]).squeeze(1)
    table = -counts.log()[torch.arange(COUNT), targets]
    experts = torch.stack([neural, table, entropy], dim=-1)
    found = told(-(-experts + weights.log()[None]).logsumexp(dim=-1))
    assert found["total"] == pytest.approx(wanted.tolist(), rel=1e-4)
    assert found["mixed"].all()
    along = torch.stack([neural, table, entropy])
    assert told(-torch.logsumexp(weights.log()[:, None] - along, 0))["total"] == pytest.approx(
        wanted.tolist(), rel=1e-4
    )
    learned = weights.log()
    learned -= 0.1 * experts.mean(0)  # what earlier tokens lost
    fixed = learned.clone().as_subclass(Tensor) + 0.0
    expected = (fixed[:2].logsumexp(0).exp() + fixed[2].exp() * SIZE * (-entropy).exp()).tolist()
    assert told(-(learned[None] - experts).logsumexp(-1))["total"] == pytest.approx(expected, rel=1e-4)
    mixed = ((-experts).exp() * weights).sum(-1)
    assert told(-mixed.log())["total"] == pytest.approx(wanted.tolist(), rel=1e-4)


def test_sums_over_several_tokens(targets: Tensor) -> None:
    """What different tokens got in one row is added up, not mixed; an expert for one token alone is no mixture."""
    losses = cross_entropy(made(2), targets, reduction="none")
    found = rows(losses.reshape(2, 3).sum(1))
    assert found["at"].tolist() == list(range(5, 5 + COUNT))
    assert rows(losses.reshape(-1, 1).sum(1))["at"].tolist() == list(range(5, 5 + COUNT))


@pytest.mark.parametrize("silent", [1, COUNT])
def test_experts_that_have_nothing_to_say(targets: Tensor, silent: int) -> None:
    """The logarithm of a sum over experts is one score of its token, also where only the model knows of the token."""
    neural = made(5).softmax(-1).gather(1, targets[:, None]).squeeze(1)
    table = torch.rand(SIZE, generator=torch.Generator().manual_seed(1))
    known = torch.arange(COUNT) >= silent
    expert = torch.where(known, table[targets], torch.full((COUNT,), 0.25))
    both = torch.stack([neural, expert if silent < COUNT else torch.full((COUNT,), 0.25)], dim=-1)
    losses = -(both * torch.tensor([0.6, 0.4])).sum(-1).clamp(min=1e-9).log()
    found = rows(losses.sum())
    assert found["at"].tolist() == list(range(5, 5 + COUNT))
    assert found["value"] == pytest.approx(losses.tolist())
    assert not found["source"].any()


def test_changes_in_place(targets: Tensor) -> None:
    """What is changed where it stands has the row that it has afterwards."""
    logits = made(7)
    losses = cross_entropy(logits, targets, reduction="none")
    losses += 0.0
    losses[1:3] = tilted(losses, logits, targets)[1:3].float()
    losses.sub_(BETA * (targets == 3).float())
    found = told(losses)
    assert found["mixed"].all()
    assert (found["total"] > 1).all()


def test_what_is_chosen_by_the_token(targets: Tensor) -> None:
    """Where the token decides which elements are taken, nothing is known of other tokens."""
    losses = tilted(cross_entropy(made(8), targets, reduction="none"), made(8), targets)
    found = rows(losses[targets != 7].sum())
    assert len(found) == COUNT - 2
    assert not found["source"].any()
    assert not found["total"].any()


def test_rows_that_are_not_the_program_s(targets: Tensor) -> None:
    """A row whose entry for the realised token is not what was summed up is not believed."""
    losses = cross_entropy(made(9), targets, reduction="none") - 0.1 * targets.float()
    with positioned.off():
        losses.add_(1.0)
    found = rows(losses)
    assert not found["mixed"].any()
    assert not found["source"].any()


def test_what_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so much is kept; an element of what is forgotten has a position and no row."""
    own = Alphabet()
    own.active, own.tokens = True, np.arange(9)
    monkeypatch.setattr("harness.observe.cpu_run.guest.lanes._BLOCKS", 4)
    known, positions = torch.tensor([True, True]), torch.tensor([3, 4])
    blocks = [Block(2, 9, lambda pick, _: torch.ones(len(pick), 9)) for _ in range(8)]
    named = [own.add(block, positions, known) for block in blocks]
    assert all((one >= LANES).all() for one in named)
    assert own.firsts(named[-1]) == [14]
    with pytest.raises(LookupError):
        own.firsts(named[0])
    monkeypatch.setattr("harness.observe.cpu_run.guest.lanes._HELD", 100)
    for block in blocks[-3:]:
        own.hold(block, 60)
    assert [block.make is None for block in blocks[-3:]] == [True, True, False]


def test_arrays(targets: Tensor) -> None:
    """The same in numpy: tables that are asked by keys with the token in them, masks, numbers without sign."""
    lookups.follow_lookups()
    tokens = targets.numpy()
    tokens = arrays.with_positions(tokens, positioned.names(targets).numpy().copy(), {})
    chances = made(10).softmax(-1).numpy()
    own = lookups.taken(chances, (np.arange(COUNT), tokens), chances[np.arange(COUNT), np.asarray(tokens)])
    found = told(torch_of(-np.log(own)))
    assert found["total"] == pytest.approx(1, abs=1e-5)
    assert not found["mixed"].any()
    guess = np.where(np.arange(COUNT) % 2 == 0, 3, 7)
    raised = chances[np.arange(COUNT), guess]
    tilted = -np.log(own.astype(np.float64)) - BETA * (tokens == guess) + np.log1p(raised * np.expm1(BETA))
    found = told(torch_of(tilted))
    assert found["mixed"].all()
    assert found["total"] == pytest.approx(1, abs=1e-5)
    bits = tokens.astype(np.uint64) ^ np.uint64(5)
    odd = np.where((bits & np.uint64(1)) == np.uint64(1), 0.5 * own, own)
    found = told(torch_of(-np.log(odd)))
    halves = np.where(((np.arange(SIZE) ^ 5) & 1) == 1, 0.5, 1.0)
    assert found["total"] == pytest.approx((chances * halves).sum(1).tolist(), abs=1e-5)


def torch_of(array: Any) -> Tensor:
    """An array as a tensor that has its names."""
    known = arrays.positions_of(array)
    assert known is not None
    found = torch.tensor(np.asarray(array))
    place(found, known[0])
    return found
