"""Muon: singular values near one, indifferent to the size of gradients and to the number of ranks."""

import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from reference_model.optim.muon import Muon, orthogonalized, row_normalized


def gradient(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    """A random matrix."""
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(16, 16), (8, 40), (40, 8)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    """Five iterations bring them into [0.68, 1.14], tall or wide."""
    values = torch.linalg.svdvals(orthogonalized(gradient(*shape), 5))
    assert values.min() > 0.6
    assert values.max() < 1.2


def test_the_size_of_a_gradient_does_not_matter() -> None:
    """A hundred times the gradient makes the same update."""
    g = gradient(12, 20)
    torch.testing.assert_close(orthogonalized(100 * g, 5), orthogonalized(g, 5), rtol=1e-4, atol=1e-5)


def test_rows_can_be_scaled_when_they_are_normalised() -> None:
    """MuonEq-R: row scaling of the gradient leaves the update as it is."""
    g = gradient(12, 20)
    scaled = g * torch.linspace(0.1, 10, 12)[:, None]
    torch.testing.assert_close(row_normalized(scaled), row_normalized(g), rtol=1e-4, atol=1e-6)


@given(rows=st.integers(2, 24), columns=st.integers(2, 24), seed=st.integers(0, 999))
def test_directions_are_kept(rows: int, columns: int, seed: int) -> None:
    """Of any shape, U and V of the gradient stay: only singular values move, and none turns round."""
    g = gradient(rows, columns, seed)
    u, s, v = torch.linalg.svd(g, full_matrices=False)
    middle = u.T @ orthogonalized(g, 5) @ v.T
    torch.testing.assert_close(middle, middle.diagonal().diag(), rtol=0, atol=1e-3)
    assert middle.diagonal()[s > 1e-2 * s[0]].min() > 0.3
    assert middle.diagonal().max() < 1.25


def test_one_step_by_hand() -> None:
    """Nesterov momentum, decoupled decay, factor for tall matrices."""
    p = nn.Parameter(gradient(8, 2, 1))
    before, g = p.detach().clone(), gradient(8, 2, 2)
    p.grad = g.clone()
    Muon([p], lr=0.1, momentum=0.9, decay=0.5).step()
    expected = before * (1 - 0.1 * 0.5) - 0.1 * 2.0 * orthogonalized(g + 0.9 * g, 5)
    torch.testing.assert_close(p.detach(), expected)


def _rank(rank: int, ranks: int, path: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{path}/store", rank=rank, world_size=ranks)
    torch.save(_trained(), f"{path}/{rank}.pt")
    dist.destroy_process_group()


def _trained() -> list[torch.Tensor]:
    """Three matrices after three steps, and their momentum."""
    parameters = [nn.Parameter(gradient(6, 4, seed)) for seed in range(3)]
    optimizer = Muon(parameters, lr=0.1, momentum=0.9)
    for step in range(3):
        for seed, p in enumerate(parameters):
            p.grad = gradient(6, 4, 100 * step + seed)
        optimizer.step()
    return [p.detach() for p in parameters] + [optimizer.state[p]["buffer"] for p in parameters]


def test_the_number_of_ranks_does_not_matter(tmp_path) -> None:
    """Two real processes that share the matrices end with the weights of one, and each with all of its momentum."""
    torch.multiprocessing.spawn(_rank, args=(2, str(tmp_path)), nprocs=2)
    for rank in range(2):
        for ours, alone in zip(torch.load(tmp_path / f"{rank}.pt"), _trained(), strict=True):
            torch.testing.assert_close(ours, alone)
