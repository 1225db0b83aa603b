"""What is about to be added to a sum: its number, and the numbers that it is itself made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from harness.observe.cpu_run.guest.places import UNKNOWN
from harness.observe.cpu_run.rows import Rows, negated, rows_of

_ROUNDED = 1e-2
"""Relative difference that half precision leaves in a sum."""


def number_of(value: Any) -> float | None:
    """A number, or what a tensor or array of one element holds; None for anything else, and for what is learnt from."""
    if isinstance(value, bool) or getattr(value, "requires_grad", False):
        return None
    try:
        if isinstance(value, (int, float)):
            return float(value)
        if getattr(value, "size", None) is None or _count(value) != 1:
            return None
        with torch._C.DisableTorchFunctionSubclass():
            return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None


def elements_of(value: object) -> Rows | None:
    """The fractions that an array or a tensor holds, in order, at no known place."""
    try:
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            with torch._C.DisableTorchFunctionSubclass():
                numbers = value.detach().to(torch.float64).reshape(-1).numpy()
        elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
            numbers = np.array(value, np.float64).reshape(-1)
        else:
            return None
        return rows_of(np.full(len(numbers), UNKNOWN, np.int64), numbers)
    except (TypeError, ValueError, RuntimeError):
        return None


def single(number: float) -> Rows:
    """A number that is added as it is, at no known place: the score of a token or of a byte, for all that is known."""
    return rows_of(np.array([UNKNOWN], np.int64), np.array([number]))


def adding_up_to(added: float | None, elements: Rows | None) -> Rows | None:
    """The elements of what was added, up to their sign; None where something else was added than their sum."""
    if added is None or elements is None:
        return None
    total = math.fsum(elements["value"])
    if math.isclose(total, added, rel_tol=_ROUNDED):
        return elements
    return negated(elements) if math.isclose(-total, added, rel_tol=_ROUNDED) else None


def _count(value: object) -> int:
    numel = getattr(value, "numel", None)
    size = numel() if callable(numel) else getattr(value, "size", None)
    return size if isinstance(size, int) else -1
