"""Functions that build the table of bytes per piece, and the three ways in which they count a space wrongly."""

from __future__ import annotations

import ast

from harness.model.accounting import ByteTable
from harness.model.base import At
from harness.observe.reading.accounting.program import Program
from harness.observe.reading.source.index import called, nodes_under

MARK = "\u2581"
MAX_TABLES = 6
_STRIPPING = frozenset({"lstrip", "strip", "replace", "removeprefix", "split"})
_SUMS = frozenset({ast.Assign, ast.AugAssign})
"""Statements that may add to a sum."""


def read_tables(program: Program) -> tuple[ByteTable, ...]:
    """Tables of bytes that functions of the program build from the pieces of a SentencePiece vocabulary."""
    if MARK not in program.source and r"\u2581" not in program.source.lower():
        return ()
    index = program.index
    marks = {id(node) for node in (*index.calls.get("startswith", ()), *index.of(ast.Compare)) if _asks_for_mark(node)}
    lengths = {id(call) for call in index.calls.get("len", ()) if _is_length(call)}
    if not marks or not lengths:
        return ()
    stores = [
        store
        for store in index.of(ast.Assign)
        if isinstance(store.targets[0], ast.Subscript) and _holds(store.value, lengths)
    ]
    mask: At | None = None
    looked = False
    found: list[ByteTable] = []
    for function in program.functions_around("encode("):
        filled = [store for store in stores if function.lineno <= store.lineno <= (function.end_lineno or 0)]
        nodes = nodes_under(function) if filled else []
        if marks.isdisjoint(map(id, nodes)):
            continue
        if not looked:
            mask, looked = _mask(program), True
        plus = next((store for store in filled if _is_length_plus_one(store.value)), None)
        found.append(
            ByteTable(
                at=program.at(filled[0]),
                text=program.text(filled[0]),
                mark_kept=not any(map(_strips, nodes)),
                space_in_table=program.at(plus) if plus is not None else None,
                space_at_evaluation=mask,
            )
        )
        if len(found) >= MAX_TABLES:
            break
    return tuple(found)


def _holds(node: ast.AST, wanted: set[int]) -> bool:
    """Whether one of the nodes with these identities stands under `node`."""
    return not wanted.isdisjoint(map(id, nodes_under(node)))


def _asks_for_mark(node: ast.AST) -> bool:
    """`piece.startswith(MARK)`, or a comparison of a piece's first character with it."""
    if called(node) == "startswith" and isinstance(node, ast.Call) and node.args:
        return isinstance(node.args[0], ast.Constant) and node.args[0].value == MARK
    return isinstance(node, ast.Compare) and any(
        isinstance(c, ast.Constant) and c.value == MARK for c in node.comparators
    )


def _is_length(node: ast.AST) -> bool:
    """`len(text.encode(...))`."""
    return called(node) == "len" and isinstance(node, ast.Call) and any(called(a) == "encode" for a in node.args)


def _is_length_plus_one(node: ast.expr) -> bool:
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)):
        return False
    sides = (node.left, node.right)
    return any(isinstance(s, ast.Constant) and s.value == 1 for s in sides) and any(map(_is_length, sides))


def _strips(node: ast.AST) -> bool:
    """`piece[1:]`, or a method that takes the mark away."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        return node.slice.lower is not None
    if called(node) in _STRIPPING and isinstance(node, ast.Call) and node.args:
        return isinstance(node.args[0], ast.Constant) and node.args[0].value == MARK
    return False


def _mask(program: Program) -> At | None:
    """Where a sum grows by `leading[target] & ~boundary[previous]`."""
    masks = {id(node) for node in program.index.of(ast.BinOp) if _is_mask(node)}
    if not masks:
        return None
    for node in program.index.nodes:
        if type(node) not in _SUMS:
            continue
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
            value: ast.expr = node.value
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.Add):
            value = node.value
        else:
            continue
        if _holds(value, masks):
            return program.at(node)
    return None


def _is_mask(node: ast.BinOp) -> bool:
    if not isinstance(node.op, ast.BitAnd):
        return False
    sides = (node.left, node.right)
    inverted = [s for s in sides if isinstance(s, ast.UnaryOp) and isinstance(s.op, ast.Invert)]
    return len(inverted) == 1 and all(isinstance(_bare(side), ast.Subscript) for side in sides)


def _bare(node: ast.expr) -> ast.expr:
    return node.operand if isinstance(node, ast.UnaryOp) else node
