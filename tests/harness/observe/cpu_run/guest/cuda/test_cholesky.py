"""Cholesky factors: torch's own where there is one, damped where a tiny run leaves the matrix singular."""

from __future__ import annotations

import pytest
import torch

from harness.observe.cpu_run.guest import fidelity
from harness.observe.cpu_run.guest.cuda import cholesky


def hessian(samples: int, size: int = 8) -> torch.Tensor:
    """A sum over so many samples; singular where they are fewer than the size."""
    x = torch.randn(samples, size, generator=torch.Generator().manual_seed(3))
    return x.T @ x


def test_regular_matrices_are_left_alone(shim):
    """Where torch finds a factor, it is torch's, bit for bit, and nothing is said to be stood in for."""
    matrix = hessian(64)
    wanted, upper = torch.linalg.cholesky(matrix), torch.linalg.cholesky(matrix, upper=True)

    def inside():
        assert torch.equal(torch.linalg.cholesky(matrix), wanted)
        assert torch.equal(torch.linalg.cholesky(matrix, upper=True), upper)
        assert torch.equal(torch.cholesky(matrix), wanted)
        assert cholesky.NAME not in fidelity.taken()

    shim(inside)


def test_singular_matrices_are_damped(shim):
    """A factor of the matrix with at most a tenth of its mean diagonal more, named and not called exact."""

    def inside():
        matrix = torch.stack([hessian(3), hessian(64)])
        factor = torch.linalg.cholesky(matrix)
        change = factor @ factor.mT - matrix
        share = matrix.diagonal(dim1=-2, dim2=-1).mean(-1)
        assert (change.diagonal(dim1=-2, dim2=-1) <= 0.1001 * share[:, None]).all()
        assert torch.allclose(change - torch.diag_embed(change.diagonal(dim1=-2, dim2=-1)), torch.zeros(()), atol=1e-3)
        assert cholesky.NAME in fidelity.taken()
        assert not fidelity.known(cholesky.NAME).exact

    shim(inside)


def test_what_damping_cannot_mend(shim):
    """Numbers that are not finite, and what is no square matrix, raise as torch does."""

    def inside():
        with pytest.raises(torch.linalg.LinAlgError):
            torch.linalg.cholesky(torch.full((2, 2), float("nan")))
        with pytest.raises(RuntimeError, match="square"):
            torch.linalg.cholesky(torch.ones(2, 3))
        with pytest.raises(RuntimeError, match="at least 2 dimensions"):
            torch.linalg.cholesky(torch.ones(3))
        assert cholesky.NAME not in fidelity.taken()

    shim(inside)


def test_installed_once(shim):
    """A second installation wraps nothing twice."""

    def inside():
        before = torch.linalg.cholesky, torch.cholesky
        cholesky.install()
        assert (torch.linalg.cholesky, torch.cholesky) == before

    shim(inside)
