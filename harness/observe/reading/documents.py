"""Where a model's attention ends with each document, and where a position still takes in the one before it.

Attention over packed documents is told by the library's function for sequences of different lengths; a shift by one
position by its slices: `x[:, 1:] + g * x[:, :-1]`, zeros before `x[:, :-1]`, padding, `torch.roll(x, 1)`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from harness.model.base import At
from harness.model.documents import DocumentFacts, Shift
from harness.model.launch import LaunchFacts
from harness.observe.reading.actions.live import is_dead
from harness.observe.reading.expressions import Assigned, last_name, lines_of, own_nodes, root_name, same_name
from harness.observe.reading.source.accesses import own_expressions
from harness.observe.reading.source.grammar import Parsed
from harness.observe.reading.source.index import nodes_under
from harness.observe.reading.source.outline import SIMPLE, Item
from harness.observe.reading.source.script import ScriptReading

MAX_SHIFTS = 40

_VARLEN = re.compile(r"varlen_(?:\w+_)?(?:func|attn)$|varlen_attn$")
"""Attention of libraries over sequences of different lengths in one batch."""
_HINT = re.compile(r":\s*-\s*1\b|\broll\(")
_JOINS = frozenset({"cat", "concat", "concatenate", "hstack"})
_MASKS = frozenset({"masked_fill", "masked_fill_", "where", "eq", "ne", "logical_not", "isin"})


def read_documents(script: ScriptReading, launch: LaunchFacts | None) -> DocumentFacts | None:
    """Facts of the innermost program of a script; None where its attention knows no documents."""
    if script.parsed.tree is None or "varlen" not in script.parsed.text:
        return None
    layer = len(script.facts.layers)

    def place(line: int) -> At:
        return At(path=script.facts.path, line=line, layer=layer)

    def is_live(at: At) -> bool:
        return launch is None or script.facts.path != launch.script or not is_dead(launch, at)

    apart = next((at for line in _calls(script.parsed) if is_live(at := place(line))), None)
    if apart is None:
        return None
    shifts = []
    for statement, around in script.parsed.outline.on_lines(lines_of(_HINT, script.parsed.text)):
        inside = around.classes and around.function is not None and type(statement) in SIMPLE
        if inside and (parts := _shifted(statement)):
            at = place(statement.lineno)
            masked = _is_masked(script.parsed, (statement, around), parts)
            shifts.append(Shift(at=at, masked=masked, live=is_live(at)))
    return DocumentFacts(apart=apart, shifts=tuple(shifts[:MAX_SHIFTS]))


def _calls(program: Parsed) -> Iterator[int]:
    """Lines that call attention over sequences of different lengths, under whatever name it was imported."""
    names = {
        alias.asname or alias.name
        for statement in program.index.of(ast.ImportFrom)
        for alias in statement.names
        if _VARLEN.search(alias.name)
    }
    for call in program.index.of(ast.Call):
        name = last_name(call.func)
        if name in names if isinstance(call.func, ast.Name) else _VARLEN.search(name):
            yield call.lineno


def _shifted(statement: ast.stmt) -> list[ast.expr]:
    """What a statement shifts by one position; empty where it shifts nothing."""
    found: list[ast.expr] = []
    for node in own_nodes(statement):
        if isinstance(node, ast.BinOp):
            found += _mixed(node)
        elif isinstance(node, ast.Call):
            found += _moved(node)
        elif isinstance(whole := _but_last(node), ast.Call) and last_name(whole.func) == "pad":
            found += whole.args[:1]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", statement)]
    if isinstance(statement, (ast.Assign, ast.AugAssign)) and any(_but_first(one) is not None for one in targets):
        found += [whole for node in nodes_under(statement.value) if (whole := _but_last(node)) is not None]
    return found


def _mixed(node: ast.BinOp) -> list[ast.expr]:
    """`x` of `x[:, 1:] + g * x[:, :-1]`; plain differences of neighbours, as of bounds, are none."""
    if isinstance(node.op, ast.Sub) and _but_first(node.left) is not None and _but_last(node.right) is not None:
        return []
    inner = nodes_under(node)
    later = [whole for one in inner if (whole := _but_first(one)) is not None]
    earlier = [whole for one in inner if (whole := _but_last(one)) is not None]
    return [whole for whole in earlier if any(same_name(whole, other) for other in later)]


def _moved(call: ast.Call) -> list[ast.expr]:
    """`x` of `cat([zeros, x[:, :-1]])`, of `pad(x[:, :-1], ...)` and of `roll(x, 1)`."""
    name = last_name(call.func)
    first = call.args[0] if call.args else None
    if name in _JOINS and isinstance(first, (ast.List, ast.Tuple)) and len(first.elts) == 2:
        whole = _but_last(first.elts[1])
        return [] if whole is None else [whole]
    if name == "pad" and first is not None:
        whole = _but_last(first)
        return [] if whole is None else [whole]
    if name == "roll" and isinstance(call.func, ast.Attribute):
        whole, by = call.func.value, [*call.args, *(word.value for word in call.keywords if word.arg == "shifts")]
        if last_name(whole) == "torch" and by:
            whole, *by = by
        return [whole] if by and isinstance(by[0], ast.Constant) and by[0].value == 1 else []
    return []


def _but_last(node: ast.AST) -> ast.expr | None:
    """`x` of `x[:, :-1]`."""
    for part in _slices(node):
        if part.lower is None and isinstance(part.upper, ast.UnaryOp) and isinstance(part.upper.op, ast.USub):
            last = part.upper.operand
            if isinstance(last, ast.Constant) and last.value == 1 and isinstance(node, ast.Subscript):
                return node.value
    return None


def _but_first(node: ast.AST) -> ast.expr | None:
    """`x` of `x[:, 1:]`."""
    for part in _slices(node):
        first = part.lower
        if part.upper is None and isinstance(first, ast.Constant) and first.value == 1:
            return node.value if isinstance(node, ast.Subscript) else None
    return None


def _slices(node: ast.AST) -> list[ast.Slice]:
    if not isinstance(node, ast.Subscript):
        return []
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return [part for part in parts if isinstance(part, ast.Slice) and part.step is None]


def _is_masked(program: Parsed, item: Item, shifted: Iterable[ast.expr]) -> bool:
    """Whether a comparison, a mask, or a parameter that what is shifted is not made of goes into a shift.

    Where the statement only shifts, the mask may come later: then all of the function is looked at.
    """
    statement, around = item
    function = around.function
    inside = [one for one, where in program.outline.statements if where.function is function and type(one) in SIMPLE]
    mixes = any(isinstance(node, ast.BinOp) for node in own_nodes(statement))
    assigned = Assigned(program.outline)
    start = [part for one in ([statement] if mixes else inside) for part in own_expressions(one)]
    whole = [node for one in assigned.reaching(start, function) for node in nodes_under(one)]
    if any(map(_masks, whole)):
        return True
    factors = assigned.reaching([node for node in whole if isinstance(node, ast.BinOp)], function)
    names = {name for one in factors for name in _names(one)}
    given = {argument.arg for argument in function.args.args[1:]} if function is not None else set()
    made_of = assigned.reaching(shifted, function, without=getattr(statement, "value", None))
    others = given - {name for one in made_of for name in _names(one)}
    return bool(names & others) or any(_sets_entry(one) in names for one in inside)


def _sets_entry(statement: ast.stmt) -> str | None:
    """`mask` of `mask[starts] = 0`."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Constant):
        return None
    return next((root_name(target) for target in statement.targets if isinstance(target, ast.Subscript)), None)


def _names(expression: ast.expr) -> Iterator[str]:
    return (node.id for node in nodes_under(expression) if isinstance(node, ast.Name))


def _masks(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return isinstance(node.ops[0], (ast.Eq, ast.NotEq))
    return isinstance(node, ast.Call) and last_name(node.func) in _MASKS
