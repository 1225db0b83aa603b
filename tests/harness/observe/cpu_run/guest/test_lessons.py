"""Optimizer steps are told with the validation tokens of their losses, the line, and when they were."""

from __future__ import annotations

import builtins
import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from harness.observe.cpu_run.guest import follow as _rules  # noqa: F401  it fills the table of rules
from harness.observe.cpu_run.guest.lessons import Lessons
from harness.observe.cpu_run.guest.positioned import place
from harness.observe.cpu_run.guest.sources import SOURCES

PROGRAM = """
weights = torch.zeros(50, 50, requires_grad=True)
optimizer = torch.optim.SGD([weights], 0.1)

def loss(y):
    return torch.nn.functional.cross_entropy(weights[:len(y)], y)

def learn(*pieces):
    for y in pieces:
        backward(loss(y) / 2)
    step()
"""


@pytest.fixture
def told() -> Iterator[tuple[Lessons, dict[str, Any]]]:
    """Lessons, and a program that they are told of."""
    SOURCES.active = True
    found = Lessons()
    found.place_of = lambda name: ("a.py", 0) if name == "a.py" else None
    space: dict[str, Any] = {"__builtins__": vars(builtins), "torch": torch, "step": found.stepped,
                             "backward": found.backward}  # fmt: skip
    exec(compile(textwrap.dedent(PROGRAM), "a.py", "exec"), space)
    yield found, space
    SOURCES.active = False


def tokens(*positions: int) -> torch.Tensor:
    """Tokens at these places of the stream."""
    found = torch.arange(len(positions))
    place(found, np.array(positions))
    return found


def test_steps(told: tuple[Lessons, dict[str, Any]]) -> None:
    """All that gradients were taken of since the last step is in the next one; other tokens are not told of."""
    found, program = told
    before = SOURCES.count
    program["learn"](tokens(3, 4, 5, 9), tokens(4, 5, 6))
    program["learn"](torch.arange(6))
    program["learn"](tokens(7, 8))
    assert [one[1:] for one in found.told] == [["a.py", 0, 11, [(3, 6), (9, 9)]], ["a.py", 0, 11, [(7, 8)]]]
    assert [one[0] for one in found.told] == [before + 2, before + 3], "calls that took losses until then"
    program["step"]()
    assert len(found.told) == 2, "a step without gradients learns nothing"


def test_only_where_runs_are_compared(told: tuple[Lessons, dict[str, Any]]) -> None:
    """An ordinary run is not slowed down."""
    found, program = told
    SOURCES.active = False
    program["learn"](tokens(3, 4))
    assert found.told == []
