"""Cholesky factors of matrices that only a tiny run makes singular.

A Hessian summed over the few calibration tokens of a tiny run has less than full rank, and single precision finds it
not positive definite; at full size it is. Where the factorisation fails, it is repeated with a little more on the
diagonal, as the submissions themselves damp it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used

NAME = "damped Cholesky"
_SHARES = (1e-6, 1e-4, 1e-2, 1e-1)
"""Shares of the mean diagonal that are added in turn."""
_NoFactor: type[RuntimeError] = torch.linalg.LinAlgError  # type: ignore[attr-defined]  # public, but not in __all__


def install() -> None:
    """Patch `torch.linalg.cholesky` and `torch.cholesky`; a second call changes nothing."""
    if torch.linalg.cholesky.__module__ == __name__:
        return
    reason = "few calibration tokens leave the matrix singular; some of its mean diagonal was added"
    stand_in(StandIn(NAME, exact=False, reason=reason))
    torch.linalg.cholesky = _damped(torch.linalg.cholesky)
    torch.cholesky = _damped(torch.cholesky)


def _damped(factorise: Callable[..., Any]) -> Callable[..., Any]:
    def cholesky(matrix: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        try:
            return factorise(matrix, *args, **kwargs)
        except _NoFactor:
            if not bool(torch.isfinite(matrix).all()):
                raise
        used(NAME)
        diagonal = matrix.diagonal(dim1=-2, dim2=-1).abs().mean(-1)[..., None, None].clamp(min=1e-12)
        identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype)
        for share in _SHARES[:-1]:
            try:
                return factorise(matrix + share * diagonal * identity, *args, **kwargs)
            except _NoFactor:
                continue
        return factorise(matrix + _SHARES[-1] * diagonal * identity, *args, **kwargs)

    return cholesky
