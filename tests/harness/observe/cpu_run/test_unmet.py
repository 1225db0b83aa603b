"""Branches that would learn and that a run did not take are told where the clock, a device or a size decides."""

from __future__ import annotations

import textwrap

import pytest

from harness.observe.cpu_run.executed import Executed
from harness.observe.cpu_run.switched import Program, stretches
from harness.observe.cpu_run.unmet import unmet
from harness.observe.reading.evaluate.values import Source
from harness.observe.reading.source.grammar import parse

PROGRAM = """
import os
import time
import torch

tokens = torch.arange(int(open("size").read()))
table = torch.zeros(9)

def adapt(optimizer):
    optimizer.step()

def evaluate(optimizer):
    started = time.perf_counter()
    evaluate.took = elapsed = time.perf_counter() - started
    if {condition}:
        {body}
    return 1

evaluate(torch.optim.SGD([table]))
"""


def lines(condition: str, body: str, taken: bool = False) -> list[int]:
    """The lines of the branches that are told of, where all ran but this one."""
    tree = parse(textwrap.dedent(PROGRAM).format(condition=condition, body=body)).tree
    assert tree is not None
    program = Program(Source("train_gpt.py", tree), [], {})
    own = stretches(tree)
    hits = [int(taken or one.parent is None or one.owner is not None) for one in own]
    return [at.line for at in unmet(program, Executed({"train_gpt.py": own}, {"train_gpt.py": hits}, {"train_gpt.py"}))]


@pytest.mark.parametrize(
    "condition",
    [
        "time.perf_counter() - started < 0.001",
        "elapsed < 0.001",
        "evaluate.took < 0.001",
        "len(tokens) > 10_000_000",
        "'H100' in torch.cuda.get_device_name()",
        "os.path.exists('/dev/nvidia0')",
        "args.world_size > 1",
        "torch.distributed.get_world_size() > 1",
    ],
)
@pytest.mark.parametrize("body", ["adapt(optimizer)", "table[tokens] += 1", "table.index_add_(0, tokens, tokens)"])
def test_told(condition: str, body: str) -> None:
    """What asks for the machine and would learn is told, unless it ran."""
    assert lines(condition, body) == [16]
    assert lines(condition, body, taken=True) == []


@pytest.mark.parametrize(
    ("condition", "body"),
    [
        ("len(tokens) > 10_000_000", "print('large')"),
        ("os.path.exists('cache.pt')", "adapt(optimizer)"),
        ("len(tokens) % 7 == 0", "adapt(optimizer)"),
        ("world_size > 1", "torch.distributed.all_reduce(table)"),
        ("evaluate.head is not None", "adapt(optimizer)"),
    ],
)
def test_not_told(condition: str, body: str) -> None:
    """What learns nothing, and what asks nothing of the machine, is not."""
    assert lines(condition, body) == []
