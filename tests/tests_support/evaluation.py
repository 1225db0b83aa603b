"""Small programs evaluated, and what to ask of them."""

from __future__ import annotations

import ast
import textwrap
from typing import Any

from harness.observe.reading.evaluate.evaluator import Evaluator, evaluate
from harness.observe.reading.evaluate.values import ListValue, Source, Unknown, raw

EIGHT = {"WORLD_SIZE": "8", "RANK": "0", "LOCAL_RANK": "0"}


def run(program: str, environment: dict[str, str] | None = None, **modules: str) -> Evaluator:
    """Evaluate a program with sibling modules given by name."""
    sources = {name: Source(f"{name}.py", ast.parse(textwrap.dedent(text))) for name, text in modules.items()}
    main = Source("train_gpt.py", ast.parse(textwrap.dedent(program)))
    return evaluate(main, sources, {**EIGHT, **(environment or {})})


def value(evaluator: Evaluator, name: str) -> Any:
    """A global at the end, without dependencies; lists as Python lists."""
    found = raw(evaluator.modules["__main__"].slots[name])
    if isinstance(found, ListValue):
        return None if found.items is None else [raw(item) for item in found.items]
    return "?" if isinstance(found, Unknown) else found


def decided(evaluator: Evaluator) -> dict[str, bool]:
    """Conditions with one truth value, by their text."""
    tests = evaluator.trace.tests.values()
    return {ast.unparse(test.node): test.decided for test in tests if test.decided is not None}
