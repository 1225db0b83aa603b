"""The statements of a tree, each with what surrounds it, in one pass that leaves expressions alone."""

from __future__ import annotations

import ast
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

from harness.observe.reading.source.accesses import own_expressions
from harness.observe.reading.source.index import nodes_under

_CATCHES_IMPORT = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException", "OSError"})

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a statement stands in: a `try` that catches a failed import, a function, classes and loops."""

    guarded: bool = False
    function: ast.FunctionDef | ast.AsyncFunctionDef | None = None
    classes: tuple[ast.ClassDef, ...] = ()
    loops: tuple[ast.For | ast.AsyncFor, ...] = ()

    @property
    def top(self) -> bool:
        """Whether the statement is followed when the file is run or imported, outside any definition."""
        return self.function is None and not self.classes


Item = tuple[ast.stmt, Surroundings]


@dataclass
class Outline:
    """All statements of a file, in the order of the text."""

    statements: list[Item] = field(default_factory=list)
    functions: int = 0
    classes: int = 0

    def on_lines(self, lines: Iterable[int]) -> list[Item]:
        """Statements whose own expressions stand on one of the lines (numbers from 1), in order."""
        wanted = sorted(lines)
        if not wanted:
            return []
        starts, statements = self._starts, self.statements
        places = {place for place in self._decorated if _is_between(wanted, *_decorators(statements[place][0]))}
        for line in wanted:
            # Of the statements that start above a line only the last can reach it.
            first, end = max(bisect_left(starts, line) - 1, 0), bisect_right(starts, line)
            places.update(place for place in range(first, end) if _reaches(statements[place][0], line))
        return [statements[place] for place in sorted(places)]

    def inside(self, function: ast.AST | None) -> list[Item]:
        """Statements of a function itself, in order; None for those outside any."""
        return self._of_functions.get(function, [])

    @cached_property
    def _of_functions(self) -> dict[ast.AST | None, list[Item]]:
        found: dict[ast.AST | None, list[Item]] = {}
        for item in self.statements:
            found.setdefault(item[1].function, []).append(item)
        return found

    @cached_property
    def _starts(self) -> list[int]:
        return [statement.lineno for statement, _ in self.statements]

    @cached_property
    def _decorated(self) -> list[int]:
        """Places of the definitions with decorators, which stand above them."""
        return [
            place
            for place, (statement, _) in enumerate(self.statements)
            if type(statement) not in SIMPLE and getattr(statement, "decorator_list", None)
        ]


def _decorators(definition: ast.stmt) -> tuple[int, int]:
    """Lines from the first decorator to the definition."""
    decorators: list[ast.expr] = getattr(definition, "decorator_list", [])
    return min(decorator.lineno for decorator in decorators), definition.lineno


def _is_between(lines: list[int], first: int, last: int) -> bool:
    place = bisect_left(lines, first)
    return place < len(lines) and lines[place] <= last


def _reaches(statement: ast.stmt, line: int) -> bool:
    """Whether the expressions of a statement, which starts on the line or above, go on to it."""
    if statement.lineno == line:
        return True
    if type(statement) in SIMPLE:
        return line <= (statement.end_lineno or statement.lineno)
    return any(line <= (part.end_lineno or 0) for part in own_expressions(statement))


def outline(tree: ast.Module, *, probes: bool = True) -> Outline:
    """Walk the statements of `tree` without recursion.

    `probes` says whether conditions may ask for a module first, by `find_spec` (the caller knows from the text).
    """
    result = Outline()
    stack: list[Item] = [(node, _TOP) for node in reversed(tree.body)]
    statements = result.statements
    while stack:
        node, around = item = stack.pop()
        statements.append(item)
        kind = type(node)
        if kind in SIMPLE:
            continue
        if kind is ast.FunctionDef or kind is ast.AsyncFunctionDef:
            result.functions += 1
        elif kind is ast.ClassDef:
            result.classes += 1
        for body, inside in reversed(_blocks(node, around, probes=probes)):
            stack.extend([(child, inside) for child in reversed(body)])
    return result


_TOP = Surroundings()
SIMPLE = frozenset(
    {
        ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return, ast.Import, ast.ImportFrom, ast.Raise,
        ast.Assert, ast.Pass, ast.Break, ast.Continue, ast.Delete, ast.Global, ast.Nonlocal,
    }
)  # fmt: skip


Block = tuple[list[ast.stmt], Surroundings]


def _blocks(node: ast.stmt, around: Surroundings, *, probes: bool) -> list[Block]:
    """Return the blocks of a compound statement, each with its surroundings."""
    if isinstance(node, ast.If):
        inside = replace(around, guarded=True) if _decides_import(node.test, probes=probes) else around
        return [(node.body, inside), (node.orelse, inside)]
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return [(node.body, replace(around, loops=(*around.loops, node)[-4:])), (node.orelse, around)]
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return [(node.body, Surroundings(function=node, classes=around.classes))]
    if isinstance(node, (ast.With, ast.AsyncWith)):
        inside = replace(around, guarded=True) if any(_suppresses(item) for item in node.items) else around
        return [(node.body, inside)]
    if isinstance(node, ast.ClassDef):
        return [(node.body, replace(around, classes=(*around.classes, node)))]
    if isinstance(node, (ast.Try, ast.TryStar)):
        catches = any(_catches_import(handler.type) for handler in node.handlers)
        # A handler's import is a second choice: it counts as guarded too.
        inside = replace(around, guarded=True) if catches else around
        handlers = [(handler.body, inside) for handler in node.handlers]
        return [(node.body, inside), *handlers, (node.orelse, around), (node.finalbody, around)]
    if isinstance(node, ast.While):
        return [(node.body, around), (node.orelse, around)]
    if isinstance(node, ast.Match):
        return [(case.body, around) for case in node.cases]
    return []


def _catches_import(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        (name.id if isinstance(name, ast.Name) else getattr(name, "attr", "")) in _CATCHES_IMPORT for name in names
    )


def _decides_import(test: ast.expr, *, probes: bool) -> bool:
    """Whether a condition asks for the module first, or holds for type checkers only."""
    if isinstance(test, (ast.Name, ast.Attribute)):
        return (test.id if isinstance(test, ast.Name) else test.attr) == "TYPE_CHECKING"
    if not probes or not isinstance(test, (ast.Compare, ast.Call, ast.UnaryOp, ast.BoolOp)):
        return False
    return any(
        isinstance(node, (ast.Attribute, ast.Name))
        and (node.attr if isinstance(node, ast.Attribute) else node.id) == "find_spec"
        for node in nodes_under(test)
    )


def _suppresses(item: ast.withitem) -> bool:
    call = item.context_expr
    if not isinstance(call, ast.Call):
        return False
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name == "suppress" and any(_catches_import(argument) for argument in call.args)
