"""The code that settings switch on, by reading: what the launch evaluates with them and does not without.

The launch is evaluated twice, as it is and with the settings off; the difference is what they switch on, however far
from their names it stands: behind early returns, in functions, behind flags that are set because of them.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from harness.model.launch import Setting
from harness.observe.reading.evaluate.evaluator import evaluate
from harness.observe.reading.evaluate.trace import Trace
from harness.observe.reading.evaluate.values import Source
from harness.observe.reading.launch.launch import module_names
from harness.observe.reading.source.index import name_of

OFF = "0"
"""Text of an environment variable that switches off: no number, no truth, no step, and the name of no mode."""
_KERNELS = frozenset({"jit", "autotune", "heuristics", "script", "script_method", "kernel"})
"""Last names of decorators whose functions are compiled from their source: the recorder leaves them alone."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, eq=False)
class Stretch:
    """A list of statements that runs as a whole or not at all, up to an exception."""

    body: Sequence[ast.stmt]
    function: str
    """Qualified name of the function around it; empty at the top."""
    owner: ast.FunctionDef | ast.AsyncFunctionDef | None
    """The function whose body it is."""
    parent: int | None
    """Index of the stretch around it."""

    @property
    def mark(self) -> tuple[int, str, bool]:
        """What the recorder says of it as well: first line, function, whether it is the function's body."""
        return self.body[0].lineno, self.function, self.owner is not None or self.parent is None


def stretches(tree: ast.Module) -> list[Stretch]:
    """Every stretch of a text, in the order in which the recorder numbers its blocks."""
    found: list[Stretch] = []
    _gather(tree.body, "", None, None, found)
    return found


def _gather(
    body: Sequence[ast.stmt],
    function: str,
    owner: ast.FunctionDef | ast.AsyncFunctionDef | None,
    parent: int | None,
    found: list[Stretch],
) -> None:
    if body:
        number = len(found)
        found.append(Stretch(body, function, owner, parent))
        for node in body:
            _descend(node, function, number, found)


def _descend(node: ast.stmt, function: str, parent: int, found: list[Stretch]) -> None:
    if isinstance(node, _FUNCTIONS):
        if not any(last_name(decorator) in _KERNELS for decorator in node.decorator_list):
            _gather(node.body, _inside(function, node.name), node, parent, found)
    elif isinstance(node, ast.ClassDef):
        for child in node.body:
            _descend(child, _inside(function, node.name), parent, found)
    elif isinstance(node, ast.Match):
        for case in node.cases:
            _gather(case.body, function, None, parent, found)
    else:
        for name in ("body", "orelse", "finalbody"):
            _gather(getattr(node, name, ()), function, None, parent, found)
        for handler in getattr(node, "handlers", ()):
            _gather(handler.body, function, None, parent, found)


def _inside(function: str, name: str) -> str:
    return f"{function}.{name}" if function else name


def last_name(node: ast.expr) -> str | None:
    """`c` of `a.b.c(...)`; None where nothing is named."""
    while isinstance(node, ast.Call):
        node = node.func
    return name_of(node)


class Program:
    """The texts of a launch, and what is evaluated of them under an environment."""

    def __init__(self, main: Source, modules: Iterable[Source], environment: Mapping[str, str]) -> None:
        self.main = main
        self.sources = (main, *(module for module in modules if module.path != main.path))
        self._environment = dict(environment)
        self._off: dict[frozenset[str], Trace] = {}
        self._modules = module_names(main.path, {source.path: source for source in self.sources})

    @cached_property
    def launched(self) -> Trace:
        """The launch as it is."""
        return self._evaluated(self._environment)

    def without(self, settings: Collection[Setting]) -> Trace | None:
        """The launch with the settings off; None where one of them is neither a variable nor a constant."""
        constants = [self._constant(setting) for setting in settings if setting.env is None]
        off = {setting.env: OFF for setting in settings if setting.env is not None}
        if not settings or None in constants:
            return None
        names = frozenset(setting.name for setting in settings)
        if names not in self._off:
            with _zeroed([constant for constant in constants if constant is not None]):
                self._off[names] = self._evaluated(self._environment | off)
        return self._off[names]

    def _evaluated(self, environment: Mapping[str, str]) -> Trace:
        evaluator = evaluate(self.main, self._modules, environment)
        if not evaluator.trace.entered:
            evaluator.enter_uncalled()
        return evaluator.trace

    def _constant(self, setting: Setting) -> ast.Constant | None:
        """The constant that a setting is declared with."""
        tree = next((source.tree for source in self.sources if source.path == setting.declared.path), None)
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.lineno == setting.declared.line:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if isinstance(node.value, ast.Constant) and setting.name in map(last_name, targets):
                    return node.value
        return None


@contextmanager
def _zeroed(constants: Sequence[ast.Constant]) -> Iterator[None]:
    """The constants off while it lasts: the nodes stay the same, so that what two evaluations met can be compared."""
    before = [constant.value for constant in constants]
    try:
        for constant in constants:
            constant.value = "" if isinstance(constant.value, str) else 0
        yield
    finally:
        for constant, value in zip(constants, before, strict=True):
            constant.value = value
