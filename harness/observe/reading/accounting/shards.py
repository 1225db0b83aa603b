"""Shards read without skipping their header, and evaluations over batches drawn at random."""

from __future__ import annotations

import ast

from harness.model.base import Fact
from harness.observe.reading.accounting.program import Program
from harness.observe.reading.source.index import Index, called, name_of, nodes_under

MAX_FOUND = 4
_READERS = frozenset({"fromfile", "memmap"})
_HEADER = {256, 512, 1024}
"""256 integers of 32 bits: in integers, in 16-bit tokens, in bytes."""
_MAGIC = {20240520, 256 * 4}
_WORDS = frozenset({"uint16", "<u2", "u2"})
_NO_GRADIENT = frozenset({"no_grad", "inference_mode"})


def read_raw_shards(program: Program) -> tuple[Fact[str], ...]:
    """Reads of whole files of 16-bit numbers, in a program that nowhere reads or skips a shard's header."""
    found: list[Fact[str]] = []
    for node in program.index.of(ast.Call) if _READERS & program.index.calls.keys() else ():
        if called(node) not in _READERS:
            continue
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        words = [*node.args[1:], *(value for key, value in keywords.items() if key == "dtype")]
        if "offset" in keywords or "count" in keywords or "shape" in keywords:
            return ()
        if any(name_of(word) in _WORDS or (isinstance(word, ast.Constant) and word.value in _WORDS) for word in words):
            found.append(Fact(value=called(node) or "", at=program.at(node), text=program.text(node)))
    if not found or _reads_header(program.index):
        return ()
    return tuple(found[:MAX_FOUND])


def _reads_header(index: Index) -> bool:
    """A slice that starts behind a header, or the numbers that stand in one."""
    if any(node.value in _MAGIC for node in index.of(ast.Constant)):
        return True
    return any(_behind_header(node.lower) for node in index.of(ast.Slice) if node.lower is not None)


def _behind_header(start: ast.expr) -> bool:
    if isinstance(start, ast.Constant):
        return start.value in _HEADER
    return not isinstance(start, (ast.Name, ast.BinOp, ast.Subscript, ast.Attribute, ast.UnaryOp))


def read_random_batches(program: Program) -> tuple[Fact[str], ...]:
    """Loops without gradients whose batches come from a function that draws at random, and that take up losses."""
    if "randint" not in program.source or "item" not in program.source:
        return ()
    drawing = {f.name for f in program.functions_around("randint") if _draws_slices(nodes_under(f))}
    if not drawing:
        return ()
    found: list[Fact[str]] = []
    for node in program.index.of(ast.With):
        if not any(called(i.context_expr) in _NO_GRADIENT for i in node.items):
            continue
        for loop in nodes_under(node):
            if isinstance(loop, ast.For) and called(loop.iter) == "range":
                calls = {called(part) for part in nodes_under(loop)}
                if calls & drawing and "item" in calls:
                    found.append(
                        Fact(value=min(c for c in calls & drawing if c), at=program.at(loop), text=program.text(loop))
                    )
    return tuple(found[:MAX_FOUND])


def read_overlaps(program: Program) -> tuple[Fact[str], ...]:
    """Loops that cut pieces of X elements at steps of X // k, where every piece counts by its whole length."""
    weighted = {id(node) for node in program.index.of(ast.AugAssign) if _by_length(node.value)}
    if not weighted:
        return ()
    found: list[Fact[str]] = []
    for function in program.functions_around("//"):
        nodes = nodes_under(function)
        if weighted.isdisjoint(map(id, nodes)):
            continue
        for loop in nodes:
            if isinstance(loop, ast.For) and (size := _overlapping(loop)) is not None:
                fact: Fact[str] = Fact(value=size, at=program.at(loop), text=program.text(loop))
                found += [fact] if fact not in found else []
    return tuple(found[:MAX_FOUND])


def _by_length(value: ast.expr) -> bool:
    """A loss times the length of its piece."""
    if not (isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult)):
        return False
    return {"item", "len"} <= set(map(called, nodes_under(value)))


def _overlapping(loop: ast.For) -> str | None:
    """`X // k` where the loop steps by it and cuts `[i : i + X]`."""
    steps = loop.iter.args if isinstance(loop.iter, ast.Call) and called(loop.iter) == "range" else []
    if len(steps) != 3 or not (isinstance(steps[2], ast.BinOp) and isinstance(steps[2].op, ast.FloorDiv)):
        return None
    size, index = name_of(steps[2].left), name_of(loop.target)
    if size is None or index is None:
        return None
    for node in nodes_under(loop):
        if isinstance(node, ast.Slice) and node.lower is not None and node.upper is not None:
            names = set(map(name_of, nodes_under(node.upper)))
            if name_of(node.lower) == index and {size, index} <= names:
                return ast.unparse(steps[2])[:60]
    return None


def _draws_slices(nodes: list[ast.AST]) -> bool:
    """Draws numbers at random and cuts pieces out of an array."""
    cuts = any(isinstance(node, ast.Slice) and node.lower is not None and node.upper is not None for node in nodes)
    return cuts and any(called(node) == "randint" for node in nodes)
