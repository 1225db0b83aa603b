"""How often a training step reads the clock: the run's clock goes on with every reading, so this sets its pace."""

from __future__ import annotations

import ast

from harness.observe.reading.source.grammar import Parsed
from harness.observe.reading.source.index import called, parts_of

_CLOCKS = frozenset({"perf_counter", "time", "monotonic", "process_time", "perf_counter_ns", "time_ns", "monotonic_ns"})
_NOT_TRAINING = ("eval", "ttt", "score", "slid", "quant", "calib", "warmup", "valid")
_BRANCHES = (ast.If, ast.Try, ast.FunctionDef, ast.Lambda)


def readings_per_step(parsed: Parsed) -> int:
    """Clock readings in one round of the training loop that no condition guards; 0 where no such loop was found.

    The training loop is the largest loop outside evaluation that reads the clock unconditionally.
    """
    best, readings = 0, 0
    for statement, around in parsed.outline.statements:
        if not isinstance(statement, (ast.While, ast.For)):
            continue
        if around.function is not None and any(word in around.function.name.lower() for word in _NOT_TRAINING):
            continue
        count = _clock_calls(statement.body)
        size = (statement.end_lineno or statement.lineno) - statement.lineno
        if count and size > best:
            best, readings = size, count
    return readings


def _clock_calls(body: list[ast.stmt]) -> int:
    count = 0
    stack: list[ast.AST] = list(body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.If):
            stack.append(node.test)
            continue
        if isinstance(node, _BRANCHES):
            continue
        count += called(node) in _CLOCKS
        stack.extend(parts_of(node))
    return count
