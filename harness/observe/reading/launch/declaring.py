"""The statements at the top of a text that declare settings, and the variables that they set themselves."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from harness.observe.reading.evaluate.evaluator import Evaluator
from harness.observe.reading.evaluate.values import Source, raw
from harness.observe.reading.source.index import name_of

DISCOVERY_FUEL = 120_000
"""Steps of an evaluation that only declares."""
_SETTING = frozenset({"setdefault", "update"})
"""Methods of `os.environ` that set variables."""


def set_by(wrapper: Source, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that the top of a text sets, as far as they are known."""
    evaluator = Evaluator({}, environment, DISCOVERY_FUEL)
    evaluator.run(declarations(wrapper))
    found = {name: raw(value) for name, value in evaluator.environment.items() if name not in environment}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def declarations(source: Source) -> Source:
    """The top-level statements that can declare something."""
    body = [statement for statement in source.tree.body if _declares(statement)]
    return Source(source.path, ast.Module(body=body, type_ignores=[]), source.layer)


def _declares(statement: ast.stmt) -> bool:
    """Whether a top-level statement can declare something without starting the program."""
    if _sets_environment(statement):
        return True
    if isinstance(statement, ast.If):
        return not any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(statement.test))
    return not isinstance(statement, (ast.Expr, ast.For, ast.While, ast.With, ast.AsyncFor, ast.Raise, ast.Assert))


def _sets_environment(statement: ast.stmt) -> bool:
    """`os.environ.setdefault(...)`, `os.environ.update(...)`, `os.environ[name] = ...`, and loops of nothing else."""
    if isinstance(statement, ast.For):
        return all(map(_sets_environment, statement.body))
    if isinstance(statement, ast.Assign):
        return all(isinstance(one, ast.Subscript) and name_of(one.value) == "environ" for one in statement.targets)
    call = statement.value if isinstance(statement, ast.Expr) else None
    method = call.func if isinstance(call, ast.Call) else None
    return isinstance(method, ast.Attribute) and method.attr in _SETTING and name_of(method.value) == "environ"


def reads_environment(node: ast.AST) -> bool:
    """Whether a piece of a program looks at the environment."""
    return any(isinstance(child, ast.Attribute) and child.attr in ("environ", "getenv") for child in ast.walk(node))


def setting_lines(source: Source) -> frozenset[int]:
    """Lines on which the top of a text calls what sets variables: that it looks whether they are set is no reading."""
    return frozenset(
        line
        for statement in source.tree.body
        if _sets_environment(statement) and not isinstance(statement, ast.Assign)
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    )
