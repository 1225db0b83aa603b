"""Lists of a tree's nodes: complete, in the known order, made once."""

from __future__ import annotations

import ast

import pytest

from harness.observe.reading.source.grammar import parse
from harness.observe.reading.source.index import Index, nodes_under

SIGNS = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)

CONSTRUCTS = """
import a.b as c, d
from .e import f as g
@deco(1)
class K(Base, metaclass=M):
    x: int = 3
    y: str
async def h(p, /, q: int = 1, *r, s, t=2, **u) -> None:
    global v
    async for i in w: await i
    async with o as n: yield
    def inner():
        nonlocal p
        return (yield from p)
if a < b <= c and not d or -e:
    x, *y = {**k, "l": 1}, [z for z in {1} if z], {m: n for m in o}, (lambda j=1: j)
elif (w := f(*args, key=1, **more)):
    del x[1:2:3], y.z
else:
    assert s, "t"
for i in range(3):
    continue
else:
    pass
while True:
    break
try:
    raise E from None
except (A, B) as e:
    s += f"{x!r:>{width}} {y}"
finally:
    v = a if b else ...
with a as b, c:
    match q:
        case {"k": 1, **rest} if rest: pass
        case K(1, n=2) | [a, *_, None] | x.y: pass
        case [*others]: pass
"""


@pytest.mark.parametrize("text", [CONSTRUCTS, "try:\n    x = 1\nexcept* C as d:\n    pass\n", "", "x"])
def test_nodes_under(text: str) -> None:
    """All nodes are there in the order of `ast.walk`; only operators and contexts are left out."""
    tree = ast.parse(text)
    assert nodes_under(tree) == [node for node in ast.walk(tree) if not isinstance(node, SIGNS)]


def test_index() -> None:
    """Nodes of one kind keep their order, and calls are known by the last part of what they call."""
    index = Index(ast.parse("def f():\n    return a.g(1, h(2))\nh(3)\nk()()\n"))
    assert [call.lineno for call in index.of(ast.Call)] == [3, 4, 2, 4, 2]
    assert index.of(ast.Lambda) == []
    assert {name: [call.lineno for call in calls] for name, calls in index.calls.items()} == {
        "h": [3, 2],
        "k": [4],
        "g": [2],
    }


def test_deep_nesting() -> None:
    """A tree far deeper than the stack is listed all the same."""
    deep: ast.expr = ast.Constant(value=1)
    for _ in range(50_000):
        deep = ast.UnaryOp(op=ast.USub(), operand=deep)
    assert len(nodes_under(deep)) == 50_001


def test_once_a_text() -> None:
    """A parsed text makes its index and its outline once, and both of nothing where it does not parse."""
    parsed = parse("x = 1\n")
    assert parsed.index is parsed.index
    assert parsed.outline is parsed.outline
    broken = parse("x = (\n")
    assert broken.index.of(ast.Name) == []
    assert broken.outline.statements == []
