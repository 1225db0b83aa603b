"""One parsed script into its actions: network, processes, compilers, replaced library names, deleted files."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.model.actions import Action, ActionKind
from harness.model.base import At, snippet
from harness.observe.reading.actions.catalogue import CALLS, EXECUTORS, PROGRAMS, REPLACED, STARTERS, WORDS
from harness.observe.reading.actions.lines import lines_holding
from harness.observe.reading.actions.names import Names, constants
from harness.observe.reading.source.accesses import own_expressions
from harness.observe.reading.source.grammar import Parsed
from harness.observe.reading.source.outline import Item

MAX_ACTIONS = 200
"""Actions kept of one script."""
MAX_NODES = 2_000
"""Nodes of one statement that are visited."""


def read_actions(path: str, parsed: Parsed, layer: int = 0) -> tuple[Action, ...]:
    """Actions of the program `parsed`, in order of lines; nothing where it does not parse. Never raises.

    Only statements that replace something, or lie on a line with a telling call, are walked.
    """
    names = Names(parsed.outline.statements)
    found: list[Action] = []
    for statement, around in _telling(parsed, names):
        for kind, what, argument, node in _of(statement, names):
            at = At(path=path, line=getattr(node, "lineno", statement.lineno), layer=layer)
            found.append(
                Action(
                    kind=kind,
                    what=what[:120],
                    argument=snippet(argument, 160) or None,
                    at=at,
                    lazy=around.function is not None,
                    guarded=around.guarded,
                )
            )
        if len(found) >= MAX_ACTIONS:
            break
    return tuple(sorted(found[:MAX_ACTIONS], key=lambda action: action.at.line or 0))


def _telling(parsed: Parsed, names: Names) -> list[Item]:
    """Statements that replace something, or stand on a line with a call that is an action, in order."""
    calls = parsed.index.calls
    named = (WORDS | names.aliases.keys()) & calls.keys()
    words = [word for word in named if any(any(_call(call, names)) for call in calls[word])]
    lines = lines_holding(parsed.text, [f"{word}(" for word in words])
    replacing = [statement for statement in parsed.index.of(ast.Assign) if _replaces(statement, names)]
    return parsed.outline.on_lines([*lines, *(statement.lineno for statement in replacing)])


def _replaces(statement: ast.Assign, names: Names) -> bool:
    """Whether an assignment gives a library's name another meaning."""
    return type(statement.targets[0]) is ast.Attribute and any(_replaced(target, names) for target in statement.targets)


def _replaced(target: ast.expr, names: Names) -> str | None:
    what = names.resolve(target) if isinstance(target, ast.Attribute) else None
    return what if what is not None and REPLACED.match(what) else None


Found = tuple[ActionKind, str, str, ast.AST]


def _of(statement: ast.stmt, names: Names) -> Iterator[Found]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if what := _replaced(target, names):
                yield ActionKind.REPLACE, what, _replacement(statement.value), target
    stack: list[ast.AST] = list(own_expressions(statement))
    budget = MAX_NODES
    while stack and budget:
        budget -= 1
        node = stack.pop()
        if isinstance(node, ast.Call):
            yield from _call(node, names)
        stack.extend(ast.iter_child_nodes(node))


def _replacement(value: ast.expr) -> str:
    return (
        type(value).__name__ if not isinstance(value, (ast.Name, ast.Attribute, ast.Constant)) else ast.unparse(value)
    )


def _call(node: ast.Call, names: Names) -> Iterator[Found]:
    what = names.resolve(node.func)
    if what is None:
        return
    if what == "setattr" and len(node.args) == 3:
        owner = names.resolve(node.args[0])
        target = f"{owner}.{constants(node.args[1])}"
        if REPLACED.match(target):
            yield ActionKind.REPLACE, target, _replacement(node.args[2]), node
    elif what in CALLS:
        yield CALLS[what], what, " ".join(map(constants, node.args[:3])), node
    elif what in STARTERS:
        words = " ".join(constants(argument, 200) for argument in node.args)
        kind = next((kind for pattern, kind in PROGRAMS if pattern.search(words)), ActionKind.PROCESS)
        yield kind, what, words, node
    elif what in EXECUTORS and node.args and not isinstance(node.args[0], ast.Constant):
        yield ActionKind.EXECUTE, what, constants(node.args[0]), node
    elif what.endswith(".from_pretrained") and what.split(".")[0] in {
        "transformers",
        "diffusers",
        "sentence_transformers",
    }:
        yield ActionKind.DOWNLOAD, what, " ".join(map(constants, node.args[:1])), node
