"""What a program prints where it averages its parameters, and which logs show that it got there.

A line is the average's own where the same block prints it that averages, or that loads the average into a model, up to
the nearest condition: who enters the block prints the line. A log without that line tells something only where it
holds lines that the same function prints shortly before and after.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.model.actions import Announcement, Technique
from harness.model.base import At, Fact, snippet
from harness.model.logs import LogFacts
from harness.observe.reading.averages import Average, averages
from harness.observe.reading.expressions import last_name, own_nodes
from harness.observe.reading.source.grammar import Parsed
from harness.observe.reading.source.index import nodes_under
from harness.observe.reading.source.outline import SIMPLE, Item
from harness.observe.reading.source.script import ScriptReading
from harness.observe.reading.text import decode

MAX_SCRIPTS = 20
MAX_LOGS = 40
MAX_AVERAGES = 20
"""Averages of one script that are looked at."""
MAX_LINES = 20
"""Lines kept of one average."""
BEFORE, AFTER = 3, 6
"""How many of the nearest lines around an average are looked for in a log."""
MAX_HITS = 5_000
"""Places of a log at which one line is compared."""
MIN_LETTERS = 6
"""Letters in a row of constant text by which a printed line is known again."""

_LETTERS = re.compile(r"[A-Za-z]")
_PLACEHOLDER = re.compile(r"%[-+ #0-9.]*[a-zA-Z]|\{[^{}]*\}")
"""Where `%` and `format` put values."""
_GUARDS = (ast.If, ast.ExceptHandler, ast.match_case)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_LOADS = frozenset({"load_state_dict", "copy_"})
_QUOTES = ("'", '"')


@dataclass(frozen=True)
class _Print:
    """A statement that prints: what it calls, the constant parts of its text in order, and its line."""

    printer: str
    parts: tuple[str, ...]
    line: int

    @property
    def text(self) -> str:
        """The constant parts, with `...` for values."""
        return snippet("...".join(self.parts), 120)


def read_announcements(
    scripts: Sequence[ScriptReading], logs: Sequence[LogFacts], files: Mapping[str, bytes]
) -> tuple[Announcement, ...]:
    """Every average of the scripts' innermost programs; `files` hold the bytes of the logs by path.

    An average that prints nothing of its own is there too, without lines.
    """
    known = [_Log(log, files[log.path]) for log in logs if log.path in files and log.duplicate_of is None][:MAX_LOGS]
    found: list[Announcement] = []
    for script in scripts[:MAX_SCRIPTS]:
        if script.parsed.tree is None or "torch" not in script.facts.frameworks:
            continue
        program = _Program(script.parsed, script.parsed.tree)
        found += [_announcement(script, program, one, known) for one in program.averages[:MAX_AVERAGES]]
    return tuple(found)


def _announcement(script: ScriptReading, program: _Program, average: Average, logs: Iterable[_Log]) -> Announcement:
    layer = len(script.facts.layers)

    def place(line: int) -> At:
        return At(path=script.facts.path, line=line, layer=layer)

    lines = program.lines_of(average)[:MAX_LINES]
    before, after = program.around(lines)
    shown: list[At] = []
    passed: list[Fact[str]] = []
    for log in logs if lines else ():
        own = log.first(lines)
        if own is not None:
            shown.append(own.at)
        elif log.whole and (left := log.first(before)) is not None and (right := log.first(after)) is not None:
            passed += [left, right]
    return Announcement(
        technique=Technique.AVERAGE,
        at=place(average.statement.lineno),
        lines=tuple(Fact[str](value=one.text, at=place(one.line)) for one in lines),
        shown=tuple(shown),
        passed=tuple(passed),
    )


class _Program:
    """One file: its averages, the block that each statement stands in, and what it prints."""

    def __init__(self, parsed: Parsed, tree: ast.Module) -> None:
        self._tree = tree
        self._index = parsed.index
        self._found = parsed.outline
        self.averages = averages(parsed)
        self._owners: dict[ast.AST, tuple[ast.AST, list[ast.stmt]]] = {}
        """Each statement inside another to that other (or its handler or case) and the block of it."""
        for statement, _ in self._found.statements if self.averages else ():
            if type(statement) in SIMPLE:
                continue
            for holder in (statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
                for name in ("body", "orelse", "finalbody"):
                    block = getattr(holder, name, None)
                    if isinstance(block, list):
                        self._owners.update((child, (holder, block)) for child in block)

    def lines_of(self, average: Average) -> list[_Print]:
        """Lines that the block of an average prints, and the blocks that load what it averaged."""
        function = average.around.function
        blocks, guard = self._climb(average.statement)
        if guard is None and function is not None:
            for statement in self._calling(function.name):
                blocks += self._climb(statement)[0]
        for statement, around in self._holding(_holders(average)):
            if around.function is function:
                above, guard = self._climb(statement)
                if guard is not None and any(map(_loads, nodes_under(guard))):
                    blocks += above
        found = {one.line: one for block in blocks for one in _prints(block)}
        return [found[line] for line in sorted(found)]

    def around(self, lines: Sequence[_Print]) -> tuple[list[_Print], list[_Print]]:
        """The nearest lines that the same function prints before and after what `lines` stand in, nearest first."""
        numbers = {one.line for one in lines}
        holding = [(s, a.function) for s, a in self._found.statements if s.lineno in numbers]
        if not holding:
            return [], []
        statement, function = holding[-1]
        guard = self._climb(statement)[1] or statement
        printers = {one.printer for one in lines}
        others = [
            one
            for other, _ in self._found.inside(function)
            if (one := _print(other)) is not None and one.printer in printers
        ]
        first, last = getattr(guard, "lineno", 0), getattr(guard, "end_lineno", 0)
        before = [one for one in reversed(others) if one.line < first]
        return before[:BEFORE], [one for one in others if one.line > last][:AFTER]

    def _calling(self, name: str) -> Iterator[ast.stmt]:
        """Simple statements that call the function of that name."""
        calls = {id(call): call for call in self._index.calls.get(name, ()) if isinstance(call.func, ast.Name)}
        for statement, _ in self._found.on_lines({call.lineno for call in calls.values()}):
            if type(statement) in SIMPLE and any(id(node) in calls for node in own_nodes(statement)):
                yield statement

    def _holding(self, names: frozenset[str]) -> list[Item]:
        """Simple statements that name one of `names`."""
        if not names:
            return []
        lines = {node.lineno for node in self._index.of(ast.Name) if node.id in names}
        return [
            item
            for item in self._found.on_lines(lines)
            if type(item[0]) in SIMPLE and any(getattr(node, "id", None) in names for node in own_nodes(item[0]))
        ]

    def _climb(self, statement: ast.stmt) -> tuple[list[list[ast.stmt]], ast.AST | None]:
        """Blocks from the one of a statement up to the nearest condition, and that condition if there is one."""
        blocks: list[list[ast.stmt]] = []
        node: ast.AST = statement
        while node in self._owners:
            node, block = self._owners[node]
            blocks.append(block)
            if isinstance(node, _GUARDS):
                return blocks, node
            if isinstance(node, _DEFINITIONS):
                return blocks, None
        return [*blocks, self._tree.body], None


class _Log:
    """The lines of a log outside the source code that it prints."""

    def __init__(self, facts: LogFacts, data: bytes) -> None:
        self._facts = facts
        self._data = data
        self.whole = not facts.truncated and any(run.final is not None and run.steps is not None for run in facts.runs)
        """Whether it shows training and score, and nothing of it was left out."""

    @cached_property
    def _text(self) -> str:
        text = decode(self._data).text
        source = self._facts.embedded
        if source is None:
            return text
        lines = text.split("\n")
        lines[source.first_line - 1 : source.last_line] = [""] * (source.last_line - source.first_line + 1)
        return "\n".join(lines)

    def first(self, lines: Iterable[_Print]) -> Fact[str] | None:
        """The first of some lines that the log holds, at its place there."""
        for one in lines:
            place = self._find(one.parts)
            if place is not None:
                number = self._text.count("\n", 0, place) + 1
                return Fact[str](value=one.text, at=At(path=self._facts.path, line=number))
        return None

    def _find(self, parts: Sequence[str]) -> int | None:
        text, needle = self._text, max(parts, key=len)
        place = text.find(needle)
        for _ in range(MAX_HITS):
            if place < 0:
                return None
            start, end = text.rfind("\n", 0, place) + 1, text.find("\n", place)
            if _is_printed(text[start : end if end >= 0 else len(text)], parts):
                return place
            place = text.find(needle, place + len(needle))
        return place if place >= 0 else None  # too many to look at: that none is the line cannot be said


def _is_printed(line: str, parts: Sequence[str]) -> bool:
    """Whether a line holds all parts in their order, and does not quote them as source code does."""
    at = 0
    for part in parts:
        at = line.find(part, at)
        if at < 0 or line[at - 1 : at] in _QUOTES:
            return False
        at += len(part)
    return True


def _prints(block: Sequence[ast.stmt]) -> Iterator[_Print]:
    for statement in block:
        one = _print(statement)
        if one is not None:
            yield one


def _print(statement: ast.stmt) -> _Print | None:
    """What a statement prints, where it is a call with a text to be known again as its first argument."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return None
    call = statement.value
    text = call.args[0] if call.args else None
    pieces = text.values if isinstance(text, ast.JoinedStr) else [text]
    lines: list[list[str]] = [[]]
    for piece in pieces:
        if isinstance(piece, ast.Constant) and isinstance(piece.value, str):
            first, *others = piece.value.split("\n")
            lines[-1].append(first)
            lines += [[other] for other in others]
    longest = max(lines, key=lambda line: sum(map(len, line)))
    parts = tuple(part.strip() for piece in longest for part in _PLACEHOLDER.split(piece) if part.strip())
    printer = _dotted(call.func)
    if printer is None or not any(len(_LETTERS.findall(part)) >= MIN_LETTERS for part in parts):
        return None
    return _Print(printer, parts, statement.lineno)


def _dotted(node: ast.expr) -> str | None:
    """`a.b.c` as written, for at most three dots."""
    words: list[str] = []
    while isinstance(node, ast.Attribute) and len(words) < 3:
        words.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(words)]) if isinstance(node, ast.Name) else None


def _holders(average: Average) -> frozenset[str]:
    """Names of what an average is kept in; none where that is part of an object."""
    statement = average.statement
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AugAssign):
        targets = [statement.target]
    elif isinstance(statement, ast.Expr):
        node: ast.expr = statement.value
        while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            node = node.func.value
        targets = [node]
    return frozenset(
        one.value.id for one in targets if isinstance(one, ast.Subscript) and isinstance(one.value, ast.Name)
    )


def _loads(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and last_name(node.func) in _LOADS
