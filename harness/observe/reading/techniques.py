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
from harness.observe.reading.source.accesses import own_expressions
from harness.observe.reading.source.outline import SIMPLE, Surroundings, outline
from harness.observe.reading.source.script import ScriptReading

MAX_SCRIPTS = 40
MAX_FACTS = 40
"""Places kept of one technique in one script."""
MAX_NODES = 2_000
MAX_BODIES = 8 << 20
"""Characters of function bodies that are searched in one script: functions may be nested in each other."""

_STATES = re.compile(r"\.(?:state_dict|named_parameters|parameters|items|named_buffers)\(")
_AVERAGES = re.compile(
    r"\blerp_?\(|_foreach_(?:lerp|mul)_\(|AveragedModel\(|\.mul_\([^\n]{0,120}\.add_\(|\.add_\([^\n]{0,120}\.(?:mul|div)_\("
    r"|\.mean\((?:dim\s?=\s?)?0\)|\]\s?\+=|\]\.add_\(|\]\s?/=|\]\.div_\(|get_ema_multi_avg_fn|swa_utils"
    r"|\+ ?\(1(?:\.0)? ?- ?\w|\+ ?\w{1,40} ?\* ?\(1(?:\.0)? ?- ?\w|\*\s?\([\w.]{1,40}\s?-\s?[\w.]{1,40}\)"
)
_ROUNDS = re.compile(r"\b(?:round_?|rint|floor|clamp|sign|fake_quantize_per_\w{1,40})\(")
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
        for technique, line in _of(script.parsed.tree, script.parsed.text):
            counts[technique] = counts.get(technique, 0) + 1
            if counts[technique] > MAX_FACTS:
                continue
            at = At(path=script.facts.path, line=line, layer=layer)
            live = not (launch is not None and script.facts.path == named and is_dead(launch, at))
            found.append(TechniqueFact(technique=technique, at=at, live=live))
    return tuple(found)


def _of(tree: ast.Module, text: str) -> Iterator[tuple[Technique, int]]:
    lines = text.split("\n")
    statements = outline(tree).statements
    rounds = _ROUNDS.search(text) is not None
    budget = MAX_BODIES
    for statement, around in statements:
        if isinstance(statement, ast.ClassDef):
            if rounds and any(_last(base) == "Function" for base in statement.bases):
                yield Technique.FAKE_QUANTISATION, statement.lineno
            continue
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = "\n".join(line[:400] for line in lines[statement.lineno - 1 : statement.end_lineno])
            budget -= len(body)
            if budget < 0:
                break
            if not _in_optimizer(around) and _STATES.search(body):
                match = _AVERAGES.search(body)
                if match is not None:
                    yield Technique.AVERAGE, statement.lineno + body.count("\n", 0, match.start())
            continue
        own = lines[statement.lineno - 1 : statement.end_lineno] if type(statement) in SIMPLE else ()
        if not rounds:
            continue
        straight = any("detach(" in line for line in own) and _passes_through(statement)
        if straight or (any(".copy_(" in line or ".data" in line for line in own) and _writes_computed(statement)):
            yield Technique.FAKE_QUANTISATION, statement.lineno
    words = [(Technique.PACK, _PACKS), (Technique.UNPACK, _UNPACKS)]
    for technique, told in words:
        for line in lines_holding(text, told, MAX_FACTS):
            yield technique, line


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _in_optimizer(around: Surroundings) -> bool:
    return any(_last(base).endswith("Optimizer") for owner in around.classes for base in owner.bases)


def _passes_through(statement: ast.stmt) -> bool:
    """Whether an expression adds a difference whose gradient is stopped: `w + (q - w).detach()` in any spelling."""
    stack: list[ast.AST] = list(own_expressions(statement))
    budget = MAX_NODES
    while stack and budget:
        budget -= 1
        node = stack.pop()
        if isinstance(node, ast.Call) and _last(node.func) == "detach":
            owner = node.func.value if isinstance(node.func, ast.Attribute) else node.args[0] if node.args else None
            if isinstance(owner, ast.BinOp) and isinstance(owner.op, ast.Sub):
                return True
        elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Sub, ast.Add)):
            sides = (node.left, node.right)
            if any(isinstance(side, ast.Call) and _last(side.func) == "detach" for side in sides):
                return True
        stack.extend(ast.iter_child_nodes(node))
    return False


def _writes_computed(statement: ast.stmt) -> bool:
    """Whether a value that may be computed takes the place of weights: `p.data.copy_(round(p / s) * s)`.

    Values that are looked up (`p.data.copy_(saved[name].to(d))`) restore weights and do not count.
    """
    value: ast.expr | None = None
    if isinstance(statement, ast.Assign) and any(_last(target) == "data" for target in statement.targets):
        value = statement.value
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        value = call.args[0] if _last(call.func) == "copy_" and call.args else None
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and _last(value.func) in _CONVERTS:
        value = value.func.value
    return isinstance(value, (ast.BinOp, ast.Name)) or (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
    )
