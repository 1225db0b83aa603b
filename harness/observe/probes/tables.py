"""Sizes of tables that a program writes out, brought to the load that the real validation set gives them.

Settings that name a table's size are scaled for every run. A size that no setting names is found by what it is: a power
of two as large as a table of the real thing. It is changed for one question only, what probabilities sum to: a table
without collisions gives none away.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence, Set

from harness.model.base import At
from harness.model.plan import Directive, Meaning
from harness.observe.cpu_run.planning.sizes import SLOTS
from harness.observe.cpu_run.trial import Trial
from harness.observe.reading.source.grammar import parse

_OTHER = re.compile(r"(?:^|_)(?:BYTES?|MB|TOKENS?|NUMEL|BATCH|SEQ|LEN|STEPS?|PARAMS?)(?:_|$)")
"""Names of settings that count other things than slots."""
_BITS = range(16, 29)
"""Of a table: fewer are loaded by any stream, more belong to hashes and number formats."""


def loaded(trial: Trial) -> tuple[Directive, ...]:
    """What to change in the launched texts; empty where no such size is written out."""
    launch = trial.submission.launch
    if launch is None or launch.script is None:
        return ()
    set_ = {one.name for rung in trial.plan.rungs for one in rung.overrides}
    scaled = {(one.at.line, one.at.layer) for rung in trial.plan.rungs for one in rung.directives}
    found: list[Directive] = []
    for layer, text in enumerate(trial.texts):
        parsed = parse(text)
        lines = parsed.text.split("\n")
        nodes = list(ast.walk(parsed.tree)) if parsed.tree is not None else []
        given = {id(part) for node in nodes for part in _defaults(node, set_)}
        for node in nodes:
            if not isinstance(node, ast.expr) or not _table(node) or node.end_lineno != node.lineno:
                continue
            if id(node) in given or (node.lineno, layer) in scaled:  # two changes of one line may overlap
                continue
            begin, end = node.col_offset, node.end_col_offset or 0
            found.append(
                Directive(
                    at=At(path=launch.script, line=node.lineno, layer=layer),
                    column=begin,
                    end_column=end,
                    old=lines[node.lineno - 1].encode()[begin:end].decode(),
                    new=str(SLOTS),
                    why="the load of the real validation set",
                    meaning=Meaning.BUCKETS,
                )
            )
    return tuple(found)


def _defaults(node: ast.AST, names: Set[str]) -> Sequence[ast.expr]:
    """What a setting would be, were it not set (`os.environ.get("VAL_BATCH_SIZE", 524288)`), or what is no table by the
    setting's name.
    """
    if not isinstance(node, ast.Call) or len(node.args) != 2 or not isinstance(node.args[0], ast.Constant):
        return ()
    name = node.args[0].value
    return node.args[1:] if name in names or (isinstance(name, str) and _OTHER.search(name)) else ()


def _table(node: ast.expr) -> bool:
    """Whether an expression is the size of a large table: `4194304`, `1 << 22` or `2**22`."""
    if isinstance(node, ast.BinOp) and isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant):
        base, bits = node.left.value, node.right.value
        shifted = isinstance(node.op, ast.LShift) and base == 1
        return (shifted or (isinstance(node.op, ast.Pow) and base == 2)) and bits in _BITS
    if not isinstance(node, ast.Constant) or type(node.value) is not int or node.value <= 0:
        return False
    return node.value & (node.value - 1) == 0 and node.value.bit_length() - 1 in _BITS
