"""How many workers a machine has the memory for."""

from __future__ import annotations

import pytest

from harness.model.plan import RunLimits
from harness.model.review import Depth
from harness.sweep.memory import BESIDE, affordable, machine_bytes
from harness.sweep.plan import PlanError

EACH = RunLimits().memory_bytes + BESIDE


def test_sandboxes_at_their_limit_fit() -> None:
    """Never more workers than have all their memory at once, never more than asked for; reading needs no such care."""
    assert affordable(8, Depth.RUN, 3 * EACH + 5) == 3
    assert affordable(2, Depth.RUN, 3 * EACH) == 2
    assert affordable(8, Depth.STATIC, 1) == 8


def test_refusal() -> None:
    """Where not even one fits, the sweep is refused in words."""
    with pytest.raises(PlanError, match="--pr N --depth run"):
        affordable(1, Depth.RUN, EACH - 1)


def test_machine() -> None:
    """There is some memory here."""
    assert machine_bytes() > 1 << 28
