"""What a program does against itself is its own fault at every size."""

from __future__ import annotations

import ast

import pytest

from harness.observe.cpu_run.contradictions import contradiction
from harness.observe.cpu_run.report import Raised, Stack

READER = "def read(k, d, t):\n return bool(int(get(k, str(d))))\n\n"


@pytest.mark.parametrize(
    ("script", "message", "certain"),
    [
        (READER + "x = read('FP_STORAGE', False, bool)\n", "invalid literal for int() with base 10: 'False'", True),
        (READER + "x = read('FP_STORAGE', 0, bool)\n", "invalid literal for int() with base 10: 'False'", False),
        (READER + "x = read('FP_STORAGE', default, bool)\n", "invalid literal for int() with base 10: 'no'", False),
        (READER + "\nx = read('FP_STORAGE', 'a', bool)\n", "invalid literal for int() with base 10: 'a'", False),
        (READER + "x = float(get('RATE', 'high'))\n", "could not convert string to float: 'high'", True),
    ],
)
def test_a_default_that_its_reader_refuses(script: str, message: str, certain: bool) -> None:
    """The text that was refused is the default that a line of the trace writes out; a value given is no proof."""
    frames = tuple(Stack(path="train_gpt.py", line=line, function="f", whose="submission") for line in (4, 2))
    raised = Raised(exception="ValueError", message=message, frames=frames)
    assert (contradiction(raised, ast.parse(script)) is not None) is certain


@pytest.mark.parametrize(
    ("script", "certain"),
    [
        ("kept = {k: v for k, v in state.items() if not k.endswith('.log_step')}\n", True),
        ("kept = {k: v for k, v in state.items() if not k.endswith(('.step', '.log_step'))}\n", True),
        ("kept = {k: v for k, v in state.items() if k.endswith('.log_step')}\n", False),
        ("kept = {k: v for k, v in state.items() if not k.endswith('.scale')}\n", False),
    ],
)
def test_keys_that_are_left_out_and_demanded(script: str, certain: bool) -> None:
    """Every missing key has an ending by which the program leaves it out; one that has none may be missing by size."""
    words = 'Error(s) in loading state_dict for GPT:\n\tMissing key(s) in state_dict: "a.log_step", "b.0.log_step". '
    raised = Raised(exception="RuntimeError", message=words)
    assert (contradiction(raised, ast.parse(script)) is not None) is certain
    other = Raised(exception="RuntimeError", message=words.replace("b.0.log_step", "b.0.weight"))
    assert contradiction(other, ast.parse(script)) is None
