"""Conditions that the launch decides, and the lines that are dead because of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import islice, pairwise

from harness.model.base import At, Fact, snippet
from harness.model.launch import BranchFact
from harness.observe.reading.evaluate.trace import TestTrace, Trace
from harness.observe.reading.evaluate.tree import blocks, statements
from harness.observe.reading.evaluate.values import Source
from harness.observe.reading.source.outline import SIMPLE

MAX_BRANCHES = 400
MAX_UNREACHED = 300
MAX_NODES = 400
"""Nodes of a condition beyond which its text is not given."""


def branch_facts(trace: Trace, main: Source) -> tuple[BranchFact, ...]:
    """Decided conditions of the launched file, in order of lines; those without dead lines only if settings decide.

    Nothing is reported of an evaluation that is not complete: what it did not see may open a branch.
    """
    if not trace.complete:
        return ()
    spans = dict(_dead_after(main.tree, trace))
    facts: list[BranchFact] = []
    for test in sorted(trace.tests.values(), key=lambda test: getattr(test.node, "lineno", 0)):
        value = test.decided
        if value is None or test.source is not main or not hasattr(test.node, "lineno"):
            continue
        first, last = _dead(test, value, spans)
        if not test.deps and first is None:
            continue
        facts.append(
            BranchFact(
                line=test.node.lineno,
                layer=main.layer,
                test=_text(test.node),
                value=value,
                because=tuple(sorted(test.deps)),
                dead_first=first,
                dead_last=last,
            )
        )
    dead_first = sorted(facts, key=lambda fact: fact.dead_first is None)[:MAX_BRANCHES]
    return tuple(sorted(dead_first, key=lambda fact: fact.line))


def _text(node: ast.expr) -> str:
    if sum(1 for _ in islice(ast.walk(node), MAX_NODES)) == MAX_NODES:
        return "(a long condition)"
    try:
        return snippet(ast.unparse(node), 200)
    except (RecursionError, ValueError):
        return type(node).__name__


def _dead(test: TestTrace, value: bool, spans: dict[int, tuple[int, int]]) -> tuple[int | None, int | None]:  # noqa: FBT001
    """First and last line that the decision closes; none where they share a line with the condition itself."""
    owner = test.owner
    if not isinstance(owner, (ast.If, ast.While)) or owner.test is not test.node:
        return None, None
    dead = [] if isinstance(owner, ast.While) and value else owner.orelse if value else owner.body
    if not dead:
        return spans.get(id(owner), (None, None)) if isinstance(owner, ast.If) else (None, None)
    first = _first_line(dead[0])
    alone = first > (owner.test.end_lineno or owner.lineno)
    return (first, _last_line(dead[-1])) if alone else (None, None)


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _dead_after(tree: ast.Module, trace: Trace) -> Iterator[tuple[int, tuple[int, int]]]:
    """Statements that follow an `if` which always leaves: they were never executed although the `if` was."""
    for node in (tree, *(node for node in statements(tree) if type(node) not in SIMPLE)):
        for block in blocks(node):
            yield from _after(block, trace)


def _after(block: list[ast.AST], trace: Trace) -> Iterator[tuple[int, tuple[int, int]]]:
    for statement, following in pairwise(block):
        if not (isinstance(statement, ast.If) and isinstance(following, ast.stmt)):
            continue
        last = block[-1]
        if id(statement) in trace.executed and id(following) not in trace.executed and isinstance(last, ast.stmt):
            yield id(statement), (_first_line(following), _last_line(last))


def unreached(trace: Trace, main: Source) -> tuple[Fact[str], ...]:
    """Functions of the launched file that nothing entered; those inside an unreached function are not listed."""
    if not trace.complete:
        return ()
    found: list[Fact[str]] = []
    stack: list[tuple[ast.AST, str]] = [(main.tree, "")]
    while stack and len(found) < MAX_UNREACHED:
        node, prefix = stack.pop()
        for child in (child for block in blocks(node) for child in block):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                name = f"{prefix}{child.name}"
                if id(child) in trace.entered:
                    stack.append((child, f"{name}."))
                else:
                    at = At(path=main.path, line=child.lineno, end_line=child.end_lineno, layer=main.layer)
                    found.append(Fact(value=name[:200], at=at))
            elif type(child) not in SIMPLE:
                stack.append((child, f"{prefix}{child.name}." if isinstance(child, ast.ClassDef) else prefix))
    return tuple(sorted(found, key=lambda fact: fact.at.line or 0))
