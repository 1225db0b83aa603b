"""Environment variables that a file reads, with their defaults, and the class that holds most of them."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.model.base import Scalar
from harness.model.source import EnvRead
from harness.observe.reading.source.accesses import Names, accesses
from harness.observe.reading.source.folded import Constants, NotConstant
from harness.observe.reading.source.helpers import CASTS, Access, Helper, helper_from
from harness.observe.reading.source.outline import Outline, Surroundings

MAX_READS = 2_000
"""Reads kept of one script; the largest of the field has some 400."""
MAX_NAME = 200
"""Characters of a variable's name."""
_BINDING = frozenset({ast.Import, ast.ImportFrom, ast.Assign})
"""Statements that may give `os`, or something of it, another name."""
_ROUNDS = 4
"""Helpers that call helpers."""
_MAX_LOOP = 200
_MANY = 10
"""Reads that make a class the settings class, however many more stand elsewhere."""
_CONSTRUCTORS = frozenset({"__init__", "__post_init__", "__new__"})


@dataclass(frozen=True)
class Environment:
    """The reads of a file, and the class whose body holds most of them."""

    reads: tuple[EnvRead, ...]
    settings_class: ast.ClassDef | None = None
    omitted: int = 0


def read_environment(outline: Outline, text: str, *, layer: int = 0) -> Environment:
    """Find all reads of environment variables whose names the source decides, in the order of the text."""
    names = Names()
    for statement, _ in outline.statements:
        if type(statement) in _BINDING:
            names.note(statement)
    if "environ" not in text and "getenv" not in text and set(names.aliases) == {"os"}:
        return Environment(())
    return _Reader(outline, text, names, layer).read()


class _Reader:
    def __init__(self, outline: Outline, text: str, names: Names, layer: int) -> None:
        self.outline = outline
        self.text = text
        self.names = names
        self.layer = layer
        self.constants = Constants(self._default)
        self.found: dict[tuple[str, int, bool], EnvRead] = {}
        self.classes: Counter[int] = Counter()
        self.omitted = 0

    def read(self) -> Environment:
        """Find the reads; helpers are learned on the way, and calls of them are reads too."""
        for statement, around in self.outline.statements:
            if around.function is None:
                self._note_constant(statement, around)
        aliases = [name for name in self.names.aliases if name != "os"]
        lines = self._lines("environ") | self._lines("getenv")
        lines |= self._lines(rf"\b(?:{'|'.join(map(re.escape, aliases))})\b") if aliases else set()
        pending: list[tuple[Access, Surroundings]] = []
        for _ in range(_ROUNDS):
            news: dict[str, Helper] = {}
            for access, around, statement in self._accesses(lines):
                pending.append((access, around))
                name, helper = self._helper(access, around, statement)
                if helper is not None and name not in self.names.helpers:
                    news.setdefault(name, helper)
            if not news:
                break
            self.names.helpers = {**self.names.helpers, **news}
            lines = self._lines(rf"\b(?:{'|'.join(re.escape(name.lstrip('.')) for name in news)})\s*\(")
        for access, around in pending:
            self._record(access, around)
        reads = sorted(self.found.values(), key=lambda read: read.line)
        return Environment(tuple(reads), self._holder(), self.omitted)

    def _holder(self) -> ast.ClassDef | None:
        """Return the class with most reads; a model that looks at one or two variables holds no settings."""
        best = self.classes.most_common(1)
        if not best or best[0][1] < min(_MANY, len(self.found) / 4):
            return None
        every = (one for _, around in self.outline.statements for one in around.classes)
        return next((one for one in every if id(one) == best[0][0]), None)

    def _note_constant(self, statement: ast.stmt, around: Surroundings) -> None:
        """Note an assignment outside functions; names of a class are known by the class and their own name."""
        scope = f"{around.classes[-1].name}." if around.classes else ""
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    self.constants.add(scope + target.id, statement.value)
                elif isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
                    for name, value in zip(target.elts, statement.value.elts, strict=False):
                        if isinstance(name, ast.Name):
                            self.constants.add(scope + name.id, value)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            self.constants.add(scope + statement.target.id, statement.value)
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            self.constants.add(scope + statement.target.id, None)

    def _lines(self, pattern: str) -> set[int]:
        """Numbers of the lines that hold `pattern`."""
        found: set[int] = set()
        number, counted = 1, 0
        for match in re.finditer(pattern, self.text):
            number += self.text.count("\n", counted, match.start())
            counted = match.start()
            found.add(number)
        return found

    def _accesses(self, lines: set[int]) -> Iterator[tuple[Access, Surroundings, ast.stmt]]:
        """Reads in the statements on these lines."""
        for statement, around in self.outline.on_lines(lines):
            for access in accesses(statement, self.names):
                yield access, around, statement

    def _helper(self, access: Access, around: Surroundings, statement: ast.stmt) -> tuple[str, Helper | None]:
        """Return the name and nature of the function around a read, if the read's name is its parameter."""
        if access.inside is not None:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                return statement.targets[0].id, helper_from(access.inside, access, method=False)
            return "", None
        if around.function is None:
            return "", None
        method = bool(around.classes) and around.function in around.classes[-1].body
        return ("." if method else "") + around.function.name, helper_from(around.function, access, method=method)

    def _record(self, access: Access, around: Surroundings) -> None:
        self.constants.scope = f"{around.classes[-1].name}." if around.classes else ""
        for name in self._names_of(access, around):
            key = (name, access.line, access.has_default)
            if not name or len(name) > MAX_NAME or not name.isprintable() or key in self.found:
                continue
            if len(self.found) >= MAX_READS:
                self.omitted += 1
                continue
            self.found[key] = EnvRead(
                name=name,
                default=self._scalar(access.default),
                has_default=access.has_default,
                cast=access.cast,
                line=access.line,
                layer=self.layer,
            )
            if around.classes and (around.function is None or around.function.name in _CONSTRUCTORS):
                self.classes[id(around.classes[0])] += 1

    def _names_of(self, access: Access, around: Surroundings) -> Iterable[str]:
        """Names of the variable: one, or those that a loop over constants goes through."""
        node = access.name
        try:
            value = self.constants.fold(node)
        except NotConstant:
            value = None
        if isinstance(value, str):
            return (access.prefix + value + access.suffix,)
        if isinstance(node, ast.Name):
            for loop in reversed(around.loops):
                if isinstance(loop.target, ast.Name) and loop.target.id == node.id:
                    try:
                        values = self.constants.fold(loop.iter)
                    except NotConstant:
                        return ()
                    values = values[:_MAX_LOOP] if isinstance(values, tuple) else ()
                    return [access.prefix + one + access.suffix for one in values if isinstance(one, str)]
        return ()

    def _scalar(self, node: ast.expr | None) -> Scalar:
        if node is None:
            return None
        try:
            value = self.constants.scalar(node)
        except NotConstant:
            return None
        return value if not isinstance(value, str) else value[:500].encode("utf-8", "replace").decode()

    def _default(self, node: ast.Call, depth: int) -> Any:
        """The value of a read where the variable is not set, for defaults that are other settings."""
        statement = ast.Expr(value=node)
        if self.names.resolve(node.func) != "get" and self.names.helper(node.func) is None:
            return NotImplemented
        access = next(accesses(statement, self.names), None)
        if access is None or access.default is None:
            raise NotConstant
        value = self.constants.fold(access.default, depth)
        cast = access.cast if access.cast in CASTS else None
        return (
            {"int": int, "float": float, "bool": bool, "str": str}[cast](value) if cast and value is not None else value
        )
