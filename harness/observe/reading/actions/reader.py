"""One parsed script into its actions: network, processes, compilers, replaced library names, deleted files."""

from __future__ import annotations

import ast
import bisect
from collections.abc import Iterator, Sequence

from harness.model.actions import Action, ActionKind
from harness.model.base import At, snippet
from harness.observe.reading.actions.catalogue import CALLS, EXECUTORS, PROGRAMS, REPLACED, STARTERS, WORDS
from harness.observe.reading.actions.lines import lines_holding
from harness.observe.reading.actions.names import Names, constants
from harness.observe.reading.source.accesses import own_expressions
from harness.observe.reading.source.outline import SIMPLE, outline

MAX_ACTIONS = 200
"""Actions kept of one script."""
MAX_ALIASES = 50
MAX_NODES = 2_000
"""Nodes of one statement that are visited."""


def read_actions(path: str, tree: ast.Module, text: str, layer: int = 0) -> tuple[Action, ...]:
    """Actions of the program `tree` with the text `text`, in order of lines. Never raises; costs a few milliseconds.

    Only statements that touch a line with a telling word are walked, so that long scripts stay cheap.
    """
    statements = outline(tree).statements
    names = Names(statements)
    lines = _lines(text, names)
    found: list[Action] = []
    for statement, around in statements:
        if not _assigns(statement) and not _touches(lines, statement):
            continue
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


def _lines(text: str, names: Names) -> list[int]:
    """Numbers of the lines that hold a telling word or a short name given to a telling function."""
    telling = [f"{alias}(" for alias, meaning in names.aliases.items() if meaning in CALLS or meaning in STARTERS]
    return lines_holding(text, (*WORDS, *telling[:MAX_ALIASES]))


def _assigns(statement: ast.stmt) -> bool:
    return type(statement) is ast.Assign and type(statement.targets[0]) is ast.Attribute


def _touches(lines: Sequence[int], statement: ast.stmt) -> bool:
    """Whether the expressions of a statement lie on one of the lines."""
    index = bisect.bisect_left(lines, statement.lineno)
    if index == len(lines):
        return False
    if type(statement) in SIMPLE:
        return lines[index] <= (statement.end_lineno or statement.lineno)
    ends = [expression.end_lineno or 0 for expression in own_expressions(statement)]
    return lines[index] <= max([statement.lineno, *ends])


Found = tuple[ActionKind, str, str, ast.AST]


def _of(statement: ast.stmt, names: Names) -> Iterator[Found]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Attribute):
                what = names.resolve(target)
                if what is not None and REPLACED.match(what):
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
