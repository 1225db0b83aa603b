"""Losses that come out of one row of scores over the vocabulary are told from those that were mixed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, log_softmax

from harness.observe.cpu_run.guest import follow as _rules  # noqa: F401  it fills the table of rules
from harness.observe.cpu_run.guest import positioned
from harness.observe.cpu_run.guest.positioned import place, rows
from harness.observe.cpu_run.guest.sources import SOURCES, Sources, checksums
from harness.observe.cpu_run.rows import Rows, rows_of

POSITIONS = np.arange(5, 11)


def told(found: Rows, sources: Sources = SOURCES) -> Rows:
    """The elements with what is known of where they come from."""
    sources.tell(found)
    return found


@pytest.fixture
def logits() -> torch.Tensor:
    """Scores of six tokens."""
    return torch.randn(6, 40, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def targets() -> Iterator[torch.Tensor]:
    """Six tokens of the stream, while sources are watched."""
    found = torch.tensor([1, 0, 39, 7, 7, 2])
    place(found, POSITIONS)
    SOURCES.active = True
    yield found
    SOURCES.active = False
    assert positioned.faults == []


def test_losses_of_one_row(logits: torch.Tensor, targets: torch.Tensor) -> None:
    """However a loss is taken out of a row, the row is known, and it is the row that the scores are."""
    wanted = checksums(logits).tolist()
    for loss in (cross_entropy(logits, targets, reduction="none"), cross_entropy(logits, targets),
                 cross_entropy(logits, targets, reduction="sum").double()):  # fmt: skip
        assert told(rows(loss))["source"].tolist() == wanted
    logarithms = log_softmax(logits, -1)
    wanted = checksums(logarithms).tolist()
    for loss in (-logarithms.gather(1, targets[:, None]).squeeze(1), -logarithms[torch.arange(6), targets],
                 torch.nn.functional.nll_loss(logarithms, targets)):  # fmt: skip
        assert told(rows(loss.sum()))["source"].tolist() == wanted
    chances = logits.softmax(-1)
    loss = -chances.gather(-1, targets[:, None]).log()
    assert told(rows(loss.double().sum()))["source"].tolist() == checksums(chances).tolist()


def test_losses_of_no_row(logits: torch.Tensor, targets: torch.Tensor) -> None:
    """What was changed for the token alone, or taken out of no distribution, comes from no row."""
    mixed = -(0.9 * logits.softmax(-1).gather(1, targets[:, None]) + 0.1).log()
    assert not told(rows(mixed.sum()))["source"].any()
    assert not told(rows((-(logits * 0.1).gather(1, targets[:, None])).sum()))["source"].any()
    assert not told(rows(cross_entropy(logits, targets, label_smoothing=0.1)))["source"].any()


def test_rows_that_are_no_distribution(logits: torch.Tensor, targets: torch.Tensor) -> None:
    """What the probabilities of a row sum to is known; of other numbers it is not."""
    chances = 1.5 * logits.softmax(-1)
    for loss in (-chances.gather(1, targets[:, None]).log(), -chances.log()[torch.arange(6), targets]):
        found = told(rows(loss.sum()))
        assert not found["source"].any()
        assert found["total"] == pytest.approx(1.5)
    assert told(rows(cross_entropy(logits, targets)))["total"].tolist() == [1.0] * 6
    assert not told(rows((logits.gather(1, targets[:, None])).sum()))["total"].any()


def test_rows_are_told_apart(logits: torch.Tensor) -> None:
    """One bit of one score makes another row; the same bits make the same, wherever they stand."""
    other = logits.clone()
    other[2, 5] = torch.nextafter(other[2, 5], torch.tensor(9.0))
    assert (checksums(logits) == checksums(other)).tolist() == [True, True, False, True, True, True]
    assert checksums(logits[[3]]) == checksums(logits)[3]


def test_when(logits: torch.Tensor, targets: torch.Tensor) -> None:
    """A score was taken when it was last taken without learning from it, else when it was first taken."""

    def scored() -> torch.Tensor:
        return cross_entropy(logits, targets, reduction="none")

    def learnt() -> torch.Tensor:
        return cross_entropy(logits.clone().requires_grad_(), targets, reduction="none").detach()

    before = SOURCES.count
    scored()
    again = scored()
    learnt()
    assert set(told(rows(again.sum()))["when"]) == {before + 2}
    logits += 1e-2 * torch.randn(logits.shape)
    first = learnt()
    learnt()
    assert set(told(rows(first.sum()))["when"]) == {before + 4}


def test_asleep(logits: torch.Tensor) -> None:
    """Nothing is kept unless it is asked for."""
    found = Sources()
    found.took(POSITIONS, np.zeros(6), logits, logits=True)
    found.active = True
    assert not told(rows_of(POSITIONS, np.zeros(6)), found)["source"].any()
