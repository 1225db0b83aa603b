"""The evaluator ends, survives any text, and never contradicts Python."""

from __future__ import annotations

import ast
import textwrap
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests_support.evaluation import run, value

from harness.observe.reading.evaluate.evaluator import evaluate
from harness.observe.reading.evaluate.values import Source, Unknown, raw


@pytest.mark.parametrize(
    "program",
    [
        "x = (1,)\nfor i in range(400):\n    x = (x, x)\nlib(x)",
        "x = []\nfor i in range(400):\n    x = x + [1] + x\nlib(x)",
        "import json\nd = {}\nd['a'] = d\njson.dumps(d)",
        "import t\nx = [0] * 4000\n" + "if t.x():\n    x[3] = 1\nelse:\n    x[4] = 2\n" * 300,
        "def f(x):\n    return f(x + 1) + f(x + 2)\nf(1)",
        "f = lambda x: x\n" + "f = (lambda g: (lambda x: g(g(x))))(f)\n" * 40 + "f(1)",
        (
            "import copy\nfrom torch import nn\nm = nn.Linear(2, 2)\nfor i in range(40):\n"
            "    m = nn.Sequential(m, copy.deepcopy(m))"
        ),
        "import t\n" + "".join("  " * i + "for a in t.x():\n" for i in range(18)) + "  " * 18 + "y = y + 1",
    ],
)
def test_explosive_programs_are_bounded(program: str) -> None:
    """Work that grows without growing the program costs fuel."""
    assert evaluate(Source("a.py", ast.parse(program)), {}, {}, fuel=30_000).trace is not None


def test_deep_and_endless_programs_end() -> None:
    """Fuel and depth end what would not end by itself."""
    assert value(run("def f(n):\n    return f(n + 1)\nx = f(0)"), "x") == "?"
    deep: ast.expr = ast.Name("z", ast.Load())
    for _ in range(20_000):
        deep = ast.UnaryOp(ast.USub(), deep)
    tree = ast.Module([ast.Expr(deep)], [])
    assert evaluate(Source("a.py", tree), {}, {}).trace.notes == ["the code nests too deeply"]
    heavy = "for a in range(500):\n  for b in range(500):\n    for c in range(500):\n      x = [d for d in range(900)]"
    assert evaluate(Source("a.py", ast.parse(heavy)), {}, {}, fuel=20_000).fuel < 20_000


_NAMES = st.sampled_from(["a", "b", "c", "o.x", "o.y"])


_EXPRESSIONS = st.recursive(
    st.one_of(st.integers(-3, 3).map(str), _NAMES, st.sampled_from(["unknown()", "len(items)", "d.get(1, 0)"])),
    lambda inner: st.one_of(
        st.builds("({} + {})".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({} < {})".format, inner, inner),
        st.builds("({} and {})".format, inner, inner),
    ),
    max_leaves=6,
)


_STATEMENTS = st.recursive(
    st.one_of(
        st.builds("{} = {}".format, _NAMES, _EXPRESSIONS),
        st.builds("items.append({})".format, _EXPRESSIONS),
        st.builds("d[{}] = {}".format, _EXPRESSIONS, _EXPRESSIONS),
        st.sampled_from(["pass", "items.clear()", "d.clear()"]),
    ),
    lambda inner: st.one_of(
        st.builds(lambda t, x, y: f"if {t}:\n{_indent(x)}\nelse:\n{_indent(y)}", _EXPRESSIONS, inner, inner),
        st.builds(lambda n, x: f"for i in range({n}):\n{_indent(x)}", st.integers(0, 3), inner),
        st.builds(lambda t, x: f"for i in range(3):\n{_indent(x)}\n    if {t}: break", _EXPRESSIONS, inner),
        st.builds(lambda t, x: f"for i in range(3):\n    if {t}: continue\n{_indent(x)}", _EXPRESSIONS, inner),
        st.builds(lambda x, y: f"try:\n{_indent(x)}\n    may_fail()\nexcept E:\n{_indent(y)}", inner, inner),
        st.builds(lambda x, y: f"{x}\n{y}", inner, inner),
        st.builds(
            lambda t, x, y, e: (
                f"def h():\n    global a, b, c\n{_indent(x)}\n    if {t}: return {e}\n{_indent(y)}\na = h()"
            ),
            _EXPRESSIONS,
            inner,
            inner,
            _EXPRESSIONS,
        ),
        st.builds(lambda t, x: f"while {t}:\n{_indent(x)}\n    if unknown(): break\n    tick()", _EXPRESSIONS, inner),
        st.builds(lambda t, x: f"if {t}:\n{_indent(x)}\n    raise E", _EXPRESSIONS, inner),
    ),
    max_leaves=8,
)


def _indent(text: str) -> str:
    return textwrap.indent(text, "    ")


class _Trace(ast.NodeTransformer):
    """Wraps each condition so that a native run records its truth."""

    def visit_If(self, node: ast.If) -> ast.AST:
        """Record the test of an `if`."""
        self.generic_visit(node)
        call = ast.Call(ast.Name("record", ast.Load()), [ast.Constant(node.lineno), node.test], [])
        node.test = ast.copy_location(call, node.test)
        return node


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(_STATEMENTS, st.lists(st.booleans(), min_size=40, max_size=40))
def test_a_native_run_never_contradicts_the_evaluator(body: str, choices: list[bool]) -> None:
    """Whatever unknown values turn out to be, a condition called always true is never false, and values agree."""
    start = "class O: pass\na, b, c, items, d, o = 0, 1, 2, [], {}, O()\no.x, o.y = 0, 1\n"
    guarded = f"    try:\n{_indent(_indent(body))}\n    except E:\n        a = 5"
    program = f"{start}def main():\n    global a, b, c\n{guarded}\nmain()\n"
    evaluator = evaluate(Source("p.py", ast.parse("from lib import unknown, may_fail, tick, E\n" + program)), {}, {})
    if not evaluator.trace.complete:
        return
    verdicts = {t.node.lineno - 1: t.decided for t in evaluator.trace.tests.values() if isinstance(t.owner, ast.If)}
    remaining = list(choices)

    class E(Exception):  # noqa: N818  the generated programs call it so
        pass

    def may_fail() -> None:
        if remaining and remaining.pop():
            raise E

    def record(line: int, outcome: Any) -> Any:
        assert verdicts.get(line, bool(outcome)) in (None, bool(outcome)), f"line {line}\n{program}"
        return outcome

    left = 300

    def tick() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise TimeoutError

    scope = {
        "tick": tick,
        "unknown": lambda: remaining.pop() if remaining else False,
        "may_fail": may_fail,
        "E": E,
        "record": record,
    }
    tree = ast.fix_missing_locations(_Trace().visit(ast.parse(program)))
    try:
        exec(compile(tree, "p.py", "exec"), scope)
    except (TypeError, TimeoutError):
        return  # None in arithmetic, or a loop that does not end: only what was recorded until then counts
    for name in "abc":
        folded = evaluator.modules["__main__"].slots[name]
        if not isinstance(folded, Unknown):
            assert raw(folded) == scope[name], f"{name}\n{program}"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=200))
def test_any_text_that_parses_is_survived(text: str) -> None:
    """No program makes the evaluator raise."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    evaluate(Source("x.py", tree), {}, {}, fuel=5_000)
