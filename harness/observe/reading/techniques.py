"""Structures of code that descriptions speak of: averages, fake quantisation, an artifact packed and read back.

Recognised by the calls of libraries and by the shape of expressions, never by the names an author chose.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from harness.model.actions import Technique, TechniqueFact
from harness.model.base import At
from harness.model.launch import LaunchFacts
from harness.observe.reading.actions.lines import lines_holding
from harness.observe.reading.actions.live import is_dead
from harness.observe.reading.averages import LIBRARY, averages
from harness.observe.reading.expressions import Assigned, last_name, own_nodes, same_name
from harness.observe.reading.source.accesses import own_expressions
from harness.observe.reading.source.grammar import Parsed
from harness.observe.reading.source.index import nodes_under
from harness.observe.reading.source.outline import SIMPLE, Outline
from harness.observe.reading.source.script import ScriptReading

MAX_SCRIPTS = 40
MAX_FACTS = 40
"""Places kept of one technique in one script."""
MAX_DEPTH = 3
"""Calls that are followed from the place of a straight-through gradient to the rounding."""

_HINTS = (
    "round(", "round_(", "rint(", "floor(", "floor_(", "sign(", "trunc(", "fake_quantize", "ones_like", "int8",
    "float8_", "clamp(", "clamp_(",
)  # fmt: skip
"""Without one of these a file rounds nothing."""
_PLACES = ("detach(", "floor(", ".copy_(", ".data")
_ROUNDS = frozenset({"round", "round_", "rint", "floor", "floor_", "sign", "trunc"})
_NO_TENSORS = frozenset({"math", "np", "numpy"})
_NARROW = re.compile(r"u?int[1-8]$|float8_\w+$")
_CONVERTS = frozenset(
    {"to", "type_as", "float", "half", "bfloat16", "view_as", "reshape", "view", "contiguous", "cuda", "cpu"}
)
_PACKS = (".compress(", ".save(", "savez(", "savez_compressed(", "save_file(", ".dump(", " compress(")
_UNPACKS = ("decompress(", "load(", "load_file(", "loads(", "load_state_dict(", "frombuffer(", "stream_reader(")


def techniques_of(scripts: Sequence[ScriptReading], launch: LaunchFacts | None) -> tuple[TechniqueFact, ...]:
    """Techniques of each script's innermost program; those that the launch never reaches are marked."""
    named = launch.script if launch is not None else None
    found: list[TechniqueFact] = []
    for script in scripts[:MAX_SCRIPTS]:
        if script.parsed.tree is None:
            continue
        layer = len(script.facts.layers)
        counts: dict[Technique, int] = {}
        for technique, line in _of(script.parsed):
            counts[technique] = counts.get(technique, 0) + 1
            if counts[technique] > MAX_FACTS:
                continue
            at = At(path=script.facts.path, line=line, layer=layer)
            live = not (launch is not None and script.facts.path == named and is_dead(launch, at))
            found.append(TechniqueFact(technique=technique, at=at, live=live))
    return tuple(found)


def _of(program: Parsed) -> Iterator[tuple[Technique, int]]:
    for average in averages(program):
        yield Technique.AVERAGE, average.statement.lineno
    if any(hint in program.text for hint in _HINTS):
        for line in _fake_quantisations(program):
            yield Technique.FAKE_QUANTISATION, line
    words = [(Technique.AVERAGE, LIBRARY), (Technique.PACK, _PACKS), (Technique.UNPACK, _UNPACKS)]
    for technique, told in words:
        for line in lines_holding(program.text, told, MAX_FACTS):
            yield technique, line


def _fake_quantisations(program: Parsed) -> Iterator[int]:
    """Lines where a rounded value takes the place of weights, or passes its gradient straight through."""
    roundings = _Roundings(program.outline)
    for statement, _ in program.outline.statements:
        functional = isinstance(statement, ast.ClassDef) and any(last_name(b) == "Function" for b in statement.bases)
        if functional and roundings.reached(statement):
            yield statement.lineno
    for statement, around in program.outline.on_lines(lines_holding(program.text, _PLACES)):
        written = type(statement) in SIMPLE and (_passes_through(statement) or _writes_computed(statement))
        if written and roundings.feeds(statement, around.function):
            yield statement.lineno


class _Roundings:
    """Which functions of a file round tensors, and which statements use what was rounded."""

    def __init__(self, found: Outline) -> None:
        self._assigned = Assigned(found)
        self._functions: dict[str, list[ast.stmt]] = {}
        for statement, _ in found.statements:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self._functions.setdefault(statement.name, []).append(statement)
        self._known: dict[tuple[ast.AST, int], bool] = {}

    def reached(self, place: ast.AST, depth: int = MAX_DEPTH) -> bool:
        """Whether a function, class or expression holds a rounding of a tensor, or calls what does."""
        key = (place, depth)
        if key not in self._known:
            self._known[key] = False  # for functions that call themselves
            self._known[key] = any(_rounds(node) for node in nodes_under(place)) or self._called(place, depth)
        return self._known[key]

    def _called(self, place: ast.AST, depth: int) -> bool:
        names = {last_name(node.func) for node in nodes_under(place) if isinstance(node, ast.Call)} if depth else set()
        return any(self.reached(one, depth - 1) for name in names for one in self._functions.get(name, ()))

    def feeds(self, statement: ast.stmt, function: ast.stmt | None) -> bool:
        """Whether a rounding goes into a statement, by itself or through what names of its function were assigned."""
        reaching = self._assigned.reaching(own_expressions(statement), function)
        return any(map(self.reached, reaching))


def _rounds(node: ast.AST) -> bool:
    """A rounding of tensors: by name, to three values by thresholds, or to a type of eight bits or fewer."""
    if isinstance(node, ast.Attribute):
        return _NARROW.match(node.attr) is not None and last_name(node.value) == "torch"
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    name = node.func.attr
    if name == "where" and len(node.args) == 3:
        one = node.args[1]
        return isinstance(one, ast.Call) and last_name(one.func) == "ones_like"
    return name.startswith("fake_quantize") or (name in _ROUNDS and last_name(node.func.value) not in _NO_TENSORS)


def _passes_through(statement: ast.stmt) -> bool:
    """Whether a gradient goes past a rounding: `w + (q - w).detach()` in any spelling, `y - y.floor()`."""
    for node in own_nodes(statement):
        if isinstance(node, ast.Call) and last_name(node.func) == "detach":
            owner = node.func.value if isinstance(node.func, ast.Attribute) else node.args[0] if node.args else None
            if owner is not None and (
                _rounds(owner) or (isinstance(owner, ast.BinOp) and isinstance(owner.op, ast.Sub))
            ):
                return True
        elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Sub, ast.Add)):
            sides = (node.left, node.right)
            if any(isinstance(side, ast.Call) and last_name(side.func) == "detach" for side in sides):
                return True
            if isinstance(node.right, ast.Call) and _rounds(node.right) and _is_of(node.right, node.left):
                return True
    return False


def _is_of(call: ast.Call, value: ast.expr) -> bool:
    """Whether a rounding, as function or method, is of this value."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else call
    return any(same_name(part, value) for part in (owner, *call.args[:1]))


def _writes_computed(statement: ast.stmt) -> bool:
    """Whether a value that may be computed takes the place of weights: `p.data.copy_(round(p / s) * s)`.

    Values that are looked up (`p.data.copy_(saved[name].to(d))`) restore weights and do not count.
    """
    value: ast.expr | None = None
    if isinstance(statement, ast.Assign) and any(last_name(target) == "data" for target in statement.targets):
        value = statement.value
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        value = call.args[0] if last_name(call.func) == "copy_" and call.args else None
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and last_name(value.func) in _CONVERTS:
        value = value.func.value
    values = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
    return any(
        isinstance(one, (ast.BinOp, ast.Name)) or (isinstance(one, ast.Call) and isinstance(one.func, ast.Name))
        for one in values
    )
