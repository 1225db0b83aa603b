"""A positioned tensor computes as a plain one, and says of which positions its elements speak."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, embedding, log_softmax

from harness.observe.cpu_run.guest import follow, positioned
from harness.observe.cpu_run.guest.places import NOTHING, UNKNOWN
from harness.observe.cpu_run.guest.positioned import Call, is_positioned, place, rows

Tensor = torch.Tensor


def tokens(first: int, count: int) -> Tensor:
    """Tokens that are their own positions, so that every result says where it must stand."""
    made = torch.arange(first, first + count)
    place(made, np.arange(first, first + count))
    return made


def where(tensor: Tensor) -> list[int]:
    """Positions of a tensor's elements, in order."""
    with positioned.off():
        return [int(one) for one in positioned.at(tensor).reshape(-1)]


@pytest.fixture(autouse=True)
def _no_faults() -> Iterator[None]:
    """No rule may fail."""
    positioned.faults.clear()
    yield
    assert positioned.faults == []


Move = Callable[[Tensor, int], Tensor]
MOVES: list[Move] = [
    lambda x, n: x.reshape(-1)[n % x.numel() :],
    lambda x, n: x[n % len(x)] if x.ndim > 1 else x,
    lambda x, n: x.reshape(2, -1) if x.numel() % 2 == 0 else x,
    lambda x, _: x.flatten().to(torch.int32).long(),
    lambda x, _: x.t().contiguous() if x.ndim == 2 else x[None],
    lambda x, n: torch.roll(x, n, 0),
    lambda x, _: torch.cat([x, x], dim=0),
    lambda x, _: torch.stack([x, x]) if x.ndim < 3 else x,
    lambda x, n: x.reshape(-1)[torch.arange(n % x.numel(), -1, -1)],
    lambda x, n: x[x != n] if bool((x != n).any()) else x,
    lambda x, n: x.reshape(-1).index_select(0, torch.tensor([n % x.numel(), 0])),
    lambda x, _: x.unsqueeze(0).expand(2, *x.shape).clone() if x.ndim < 3 else x,
    lambda x, _: torch.chunk(x, 2)[0],
    lambda x, _: torch.stack(list(x)) if len(x) else x,
    lambda x, _: x.flip(0).masked_select(torch.ones_like(x).bool()),
    lambda x, n: x.reshape(-1).unfold(0, 1 + n % x.numel(), 1),
    lambda x, _: x.repeat(2, *[1] * (x.ndim - 1)),
    lambda x, _: torch.take_along_dim(x.reshape(-1), torch.tensor([0, 0]), 0),
    lambda x, _: x.detach().cpu().clone(),
]


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 50), st.integers(2, 24), st.lists(st.tuples(st.integers(0, 18), st.integers(0, 99)), max_size=6))
def test_moving_elements_moves_positions(first: int, count: int, moves: list[tuple[int, int]]) -> None:
    """Whatever elements are moved to, their positions come along: tokens that are their own positions stay so."""
    x = tokens(first, count)
    plain = torch.arange(first, first + count)
    for number, argument in moves:
        if plain.numel() > 500:
            break
        x, plain = MOVES[number](x, argument), MOVES[number](plain, argument)
        assert torch.equal(torch.Tensor.as_subclass(x, torch.Tensor), plain)
        assert type(plain) is torch.Tensor
    assert is_positioned(x)
    assert where(x) == plain.reshape(-1).tolist()


@settings(deadline=None)
@given(st.data())
def test_sums_speak_of_what_they_added(data: st.DataObject) -> None:
    """Sums over any dimensions, of masked and weighted losses, speak of the elements that add to them."""
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    loss = tokens(10, int(np.prod(shape))).reshape(shape).to(torch.float64) + 0.5
    mask = torch.tensor(data.draw(st.lists(st.booleans(), min_size=loss.numel(), max_size=loss.numel()))).reshape(shape)
    dims = data.draw(st.sampled_from([None, *range(-len(shape), len(shape))]))
    kept = loss * mask if data.draw(st.booleans()) else torch.where(mask, loss, 0.0)
    total = kept.sum() if dims is None else kept.sum(dim=dims, keepdim=data.draw(st.booleans()))
    for number, one in enumerate(total.reshape(-1)):
        own = [int(p) for p in rows(one)["at"]]
        with positioned.off():
            value = float(total.reshape(-1)[number])
        assert abs(sum(p + 0.5 for p in own) - value) < 1e-6
    assert sorted(rows(total)["at"].tolist()) == sorted((10 + np.flatnonzero(mask.reshape(-1).numpy())).tolist())


def test_windows_written_into_a_buffer() -> None:
    """What is copied into a plain buffer, or into a view of it, is known there; padding is not."""
    buffer = torch.zeros(3, 6, dtype=torch.int64)
    stream = tokens(0, 20)
    buffer[0, :4] = stream[5:9]
    buffer[1].copy_(stream[10:16])
    assert where(buffer[0]) == [5, 6, 7, 8, UNKNOWN, UNKNOWN]
    assert where(buffer[1, 2:4]) == [12, 13]
    buffer[1].zero_()
    assert where(buffer[1]) == [UNKNOWN] * 6
    assert where(buffer[0, :2]) == [5, 6]


def test_losses() -> None:
    """A loss speaks of its targets; what is ignored adds nothing, padding stands nowhere."""
    logits, target = torch.randn(6, 40), tokens(3, 6)
    each = cross_entropy(logits, target, reduction="none")
    assert where(each) == [3, 4, 5, 6, 7, 8]
    assert rows(cross_entropy(logits, target))["at"].tolist() == [3, 4, 5, 6, 7, 8]
    ignored = torch.where(torch.arange(6) < 2, target, -100)
    assert rows(cross_entropy(logits, ignored, reduction="sum"))["at"].tolist() == [3, 4]
    picked = -log_softmax(logits, -1).gather(-1, target[:, None]).squeeze(-1)
    assert where(picked) == [3, 4, 5, 6, 7, 8]
    assert rows(logits[torch.arange(6), target].mean())["at"].tolist() == [3, 4, 5, 6, 7, 8]


def test_bytes_of_targets() -> None:
    """Bytes looked up for a target, and one more by the token before it, speak of the target."""
    stream = tokens(0, 12)
    sizes, spaced = torch.arange(12), torch.arange(12) % 2 == 0
    x, y = stream[:-1], stream[1:]
    found = sizes[y].to(torch.int16)
    found += (spaced[y] & ~spaced[x]).to(torch.int16)
    assert where(found) == list(range(1, 12))
    assert rows(found.to(torch.float64).sum())["at"].tolist() == list(range(1, 12))


def test_accumulators() -> None:
    """A sum of sums speaks of all; one that had something unknown in it says so."""
    loss = tokens(4, 6).double()
    total = torch.zeros((), dtype=torch.float64)
    total += loss[:2].sum()
    total = total + loss[4:].mean() * 2.0
    assert rows(total)["at"].tolist() == [4, 5, 8, 9]
    assert rows(loss[1] + loss[3] - loss[0])["at"].tolist() == [5, 7, 4]
    assert rows((loss[:2] + loss[2:4])[1])["at"].tolist() == [5, 7]
    dirty = torch.tensor(3.0, dtype=torch.float64)
    dirty += loss[0]
    assert sorted(rows(dirty)["at"].tolist()) == [UNKNOWN, 4]
    groups = torch.zeros(2, dtype=torch.float64)
    groups.index_add_(0, torch.tensor([0, 1, 1, 0, 0, 1]), loss)
    assert [sorted(rows(one)["at"].tolist()) for one in groups] == [[4, 7, 8], [5, 6, 9]]


def test_what_a_model_makes_is_plain() -> None:
    """Embeddings, masks of another shape and all that follows are plain: nothing is followed through a model."""
    x = tokens(0, 8).reshape(2, 4)
    hidden = embedding(x, torch.randn(8, 5))
    gate = (x[:, 1:] != 3).unsqueeze(-1) * hidden[:, 1:]
    for one in (hidden, gate, hidden @ hidden.mT, torch.randn(8, 5)[x], x.new_zeros(3), x.cumsum(0)):
        assert type(one) is torch.Tensor


def test_kernels_of_their_own() -> None:
    """A function with a number for each of as many targets speaks of them, in their order."""
    out = torch.randn(6)
    found = follow.fused(Call(len, "", (torch.randn(6, 9), tokens(2, 6)), {}, out))
    assert found is not None
    assert found[0].tolist() == [2, 3, 4, 5, 6, 7]
    assert follow.fused(Call(len, "", (tokens(2, 6),), {}, torch.randn(6, 9))) is None


def test_gradients() -> None:
    """Gradients flow through positioned losses, bit for bit as through plain ones."""
    results = []
    for target in (torch.arange(3, 9), tokens(3, 6)):
        weight = torch.linspace(-1, 1, 6 * 40).reshape(6, 40).requires_grad_()
        loss = (cross_entropy(weight, target, reduction="none") * (target > 4)).mean()
        loss.backward()
        results.append((f"{loss:.9f}", weight.grad))
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1])


def test_looks_like_a_tensor() -> None:
    """It is a tensor, prints as one, and is saved, pickled and copied as a plain one."""
    x = tokens(0, 4)
    assert isinstance(x, torch.Tensor)
    assert (repr(x), f"{x[2]}", f"{x.double().sum():.2f}") == ("tensor([0, 1, 2, 3])", "2", "6.00")
    stream = io.BytesIO()
    torch.save({"x": x}, stream)
    stream.seek(0)
    loaded: list[Any] = [torch.load(stream)["x"], pickle.loads(pickle.dumps(x)), copy.deepcopy(x)]
    assert [type(one) for one in loaded] == [torch.Tensor] * 3
    assert all(torch.equal(one, torch.arange(4)) for one in loaded)
    assert where(x) == [0, 1, 2, 3]
    saved = io.BytesIO()
    torch.save({"x": torch.arange(4)}, saved)
    assert stream.getvalue() == saved.getvalue()


def test_masks_in_place() -> None:
    """What is filled with zeros, or multiplied by them, adds nothing any more."""
    loss = tokens(0, 6).double() + 1
    loss *= torch.tensor([1, 0, 1, 1, 0, 1])
    loss[0] = 0.0
    loss = loss.masked_fill(torch.arange(6) == 5, 0.0)
    assert where(loss) == [NOTHING, NOTHING, 2, 3, NOTHING, NOTHING]
    assert rows(torch.dot(loss, torch.tensor([1, 1, 0, 1, 1, 1]).double()))["at"].tolist() == [3]


def test_arguments_in_their_other_forms() -> None:
    """A sum over numpy's `axis`, and `where` as a method, speak of what they do in their usual form."""
    loss = tokens(0, 8).reshape(2, 4).double() + 0.5
    assert [rows(one)["at"].tolist() for one in loss.sum(axis=0)] == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert [rows(one)["at"].tolist() for one in torch.mean(loss, axis=1)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    kept = loss[0].where(torch.tensor([True, False, True, False]), 0.0)
    assert where(kept) == [0, NOTHING, 2, NOTHING]
    assert where(torch.where(torch.tensor([True, False, True, False]), input=loss[0], other=0.0)) == where(kept)
    assert len(torch.where(loss[0] > 1)) == 1
    assert type(torch.inner(loss, loss)) is torch.Tensor


def test_faults_are_few_and_short() -> None:
    """A rule that fails at every step of a run does not fill its memory."""
    for _ in range(1_000):
        positioned.failed("add", ValueError("x" * 10_000))
    assert len(positioned.faults) == positioned.MAX_FAULTS
    assert max(map(len, positioned.faults)) <= 300
    positioned.faults.clear()
