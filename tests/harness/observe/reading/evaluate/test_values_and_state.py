"""The evaluator on small programs: values, branches, loops, exceptions, calls."""

from __future__ import annotations

import ast
import textwrap
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.observe.reading.evaluate.evaluator import Evaluator, evaluate
from harness.observe.reading.evaluate.values import ListValue, Source, Unknown, deps, raw

EIGHT = {"WORLD_SIZE": "8", "RANK": "0", "LOCAL_RANK": "0"}


def run(program: str, environment: dict[str, str] | None = None, **modules: str) -> Evaluator:
    """Evaluate a program with sibling modules given by name."""
    sources = {name: Source(f"{name}.py", ast.parse(textwrap.dedent(text))) for name, text in modules.items()}
    main = Source("train_gpt.py", ast.parse(textwrap.dedent(program)))
    return evaluate(main, sources, {**EIGHT, **(environment or {})})


def value(evaluator: Evaluator, name: str) -> Any:
    """A global at the end, without dependencies; lists as Python lists."""
    found = raw(evaluator.modules["__main__"].slots[name])
    if isinstance(found, ListValue):
        return None if found.items is None else [raw(item) for item in found.items]
    return "?" if isinstance(found, Unknown) else found


def decided(evaluator: Evaluator) -> dict[str, bool]:
    """Conditions with one truth value, by their text."""
    tests = evaluator.trace.tests.values()
    return {ast.unparse(test.node): test.decided for test in tests if test.decided is not None}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("'a,b'.split(',')", ["a", "b"]),
        ("[i * i for i in range(4) if i % 2]", [1, 9]),
        ("max(3, 4) if 1 < 2 < 3 else 0", 4),
        ("sum(x for x in (1, 2, 3))", 6),
        ("int('12') // 5", 2),
        ("f'{1}-{\"x\"}'", "1-x"),
        ("[a for a, *_ in [(1, 2), (3, 4)]]", [1, 3]),
        ("sorted({3, 1, 2})", [1, 2, 3]),
        ("(lambda a, b=2: a * b)(3)", 6),
        ("dict(a=1, **{'b': 2})['b']", 2),
        ("all([True, 1]) and not any([0, ''])", True),
        ("','.join(p.strip() for p in 'a , b'.split(','))", "a,b"),
        ("isinstance(3, int) and not isinstance('x', (int, float))", True),
        ("[*range(3)][-1]", 2),
        ("(x := 5) + x", 10),
    ],
)
def test_constants_fold(expression: str, expected: Any) -> None:
    """Pure expressions have the value that Python gives them."""
    assert value(run(f"result = {expression}"), "result") == expected


@pytest.mark.parametrize(
    "bomb",
    ["10 ** 10 ** 10", "'x' * 10 ** 12", "1 << 10 ** 9", "[0] * 10 ** 12", "'%1000000000d' % 1", "'a'.ljust(10**10)"],
)
def test_bombs_are_unknown(bomb: str) -> None:
    """A constant that would take gigabytes is not computed."""
    result = value(run(f"result = {bomb}"), "result")
    assert result in ("?", None)


def test_unknown_branch_joins_both_sides() -> None:
    """After a branch of unknown course a variable is known only where both sides agree."""
    evaluator = run("""
        import time
        a, b = 1, 1
        if time.time() > 5:
            a, b = 2, 1
        if a == 2:
            reached = True
    """)
    assert value(evaluator, "b") == 1
    assert value(evaluator, "a") == "?"
    assert "a == 2" not in decided(evaluator)


def test_attributes_join_across_a_branch() -> None:
    """State of objects is undone and joined like variables."""
    evaluator = run("""
        import time
        class A: pass
        a = A()
        a.x = 1
        a.y = []
        if time.time() > 5:
            a.x = 2
            a.y.append(3)
        if a.x == 1: pass
        if a.y: pass
    """)
    assert "a.x == 1" not in decided(evaluator)
    assert "a.y" not in decided(evaluator)


def test_early_return_under_unknown_condition() -> None:
    """A function that may return early gives the join of its returns, and its effects are joined too."""
    evaluator = run("""
        import time
        state = {"n": 0}
        def f(flag):
            if time.time() > 5:
                return 1
            state["n"] = 7
            return 1
        def g():
            if time.time() > 5:
                return 1
            return 2
        same = f(True)
        other = g()
        if state["n"] == 7: pass
    """)
    assert value(evaluator, "same") == 1
    assert value(evaluator, "other") == "?"
    assert "state['n'] == 7" not in decided(evaluator)


def test_loop_of_unknown_length_settles() -> None:
    """What a later iteration can change is not decided by the first."""
    evaluator = run("""
        import time
        previous = None
        count = 0
        while time.time() < 9:
            if previous is not None:
                seen = True
            previous = 3
            count += 1
    """)
    assert "previous is not None" not in decided(evaluator)
    assert value(evaluator, "count") == "?"


def test_break_and_continue_states_are_kept() -> None:
    """A value overwritten after a possible `break` can still be the one that leaves the loop."""
    evaluator = run("""
        import time
        for i in range(3):
            x = 1
            if time.time() > 5:
                break
            x = 2
        if x == 2: pass
        y = 0
        for i in range(3):
            if i == 1:
                continue
            y += 1
    """)
    assert "x == 2" not in decided(evaluator)
    assert value(evaluator, "y") == 2


def test_certain_break_ends_an_unrolled_loop() -> None:
    """A break that certainly happens leaves the state of that iteration."""
    evaluator = run("""
        found = None
        for i in range(10):
            if i * i > 10:
                found = i
                break
        else:
            found = -1
    """)
    assert value(evaluator, "found") == 4


def test_while_with_known_test_is_unrolled() -> None:
    """A short loop over constants gives its exact result."""
    assert value(run("n, k = 100, 0\nwhile n > 1:\n    n //= 2\n    k += 1"), "k") == 6


def test_handlers_see_every_state_of_the_body() -> None:
    """An exception may come between any two statements of a `try` body."""
    evaluator = run("""
        import some_library
        stage = 0
        try:
            stage = 1
            some_library.work()
            stage = 2
        except RuntimeError:
            if stage == 2: pass
            if stage == 0: pass
        failed = False
        try:
            import fast_kernels
        except ImportError:
            failed = True
        if failed: pass
    """)
    assert not {"stage == 2", "failed"} & decided(evaluator).keys()


def test_handler_of_a_body_that_cannot_fail_is_dead() -> None:
    """Where nothing uncertain is done, no exception comes."""
    evaluator = run("try:\n    a = 1 + 1\nexcept ValueError:\n    a = 0")
    assert value(evaluator, "a") == 2


def test_certain_exception_goes_to_its_handler() -> None:
    """A raise that certainly happens skips the rest of the body."""
    evaluator = run("""
        try:
            raise ValueError("x")
            a = 1
        except ValueError:
            a = 2
    """)
    assert value(evaluator, "a") == 2


def test_uncaught_exception_makes_the_evaluation_incomplete() -> None:
    """A launch that would end in an exception says nothing about what follows."""
    trace = run("import os\nif int(os.environ.get('N', '3')) == 3:\n    raise ValueError('no')\nx = 1").trace
    assert not trace.complete
    assert trace.ended == "ValueError at line 3"
    assert run("import sys\nsys.exit(0)").trace.complete


def test_settings_taint_values_transitively() -> None:
    """A value remembers the settings that it was computed from, also through branches and helpers."""
    evaluator = run("""
        import os
        def flag(name, default="0"):
            value = os.environ.get(name)
            if value is None:
                return default == "1"
            return value == "1"
        width = int(os.environ.get("WIDTH", "8")) * 2
        narrow = flag("NARROW")
        half = 1 if narrow else 2
        if half == 2: pass
        if width > 4 and half: pass
    """)
    slots = evaluator.modules["__main__"].slots
    assert deps(slots["width"]) == {"WIDTH"}
    assert deps(slots["half"]) == {"NARROW"}
    by_text = {ast.unparse(test.node): test.deps for test in evaluator.trace.tests.values()}
    assert by_text["half == 2"] == {"NARROW"}


def test_rank_is_unknown_but_set() -> None:
    """Code of other ranks is alive, while the launch is certainly distributed with eight processes."""
    evaluator = run("""
        import os
        distributed = "RANK" in os.environ
        rank = int(os.environ.get("RANK", "0"))
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if rank == 0: pass
        if distributed: pass
        if world > 1: pass
    """)
    assert decided(evaluator) == {"distributed": True, "world > 1": True}


def test_functions_reached_through_callbacks_count() -> None:
    """What is handed to unknown code, stored in a table or used as a thread's target may be called."""
    evaluator = run("""
        import threading, some_library
        def a(): pass
        def b(): pass
        def c(x): pass
        def d(): pass
        def never(): pass
        threading.Thread(target=a).start()
        table = {"b": b}
        table[some_library.pick()]()
        list(map(c, some_library.items()))
        some_library.register(d)
    """)
    tree = evaluator.modules["__main__"].source.tree
    entered = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and id(n) in evaluator.trace.entered}
    assert entered == {"a", "b", "c", "d"}


def test_methods_called_on_unknown_objects_count() -> None:
    """A method name called on something unknown reaches every class that has it; state set that way is unknown."""
    evaluator = run("""
        import some_library
        class Cache:
            ready = False
            def fill(self): self.ready = True
            def __enter__(self): return helper()
            @property
            def size(self): return other()
        def helper(): pass
        def other(): pass
        cache = Cache()
        thing = some_library.wrap(cache)
        thing.fill()
        with thing: pass
        print(thing.size)
        if cache.ready: pass
    """)
    tree = evaluator.modules["__main__"].source.tree
    names = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and id(n) in evaluator.trace.entered}
    assert names == {"fill", "__enter__", "size", "helper", "other"}
    assert "cache.ready" not in decided(evaluator)


def test_callbacks_may_run_at_any_time() -> None:
    """What a callback writes is unknown for good, also when it is written again."""
    evaluator = run("""
        import some_library
        class Cell:
            v = 1
            def put(self, x): self.v = x
        cell = Cell()
        some_library.on_event(cell.put)
        cell.v = 1
        some_library.work()
        if cell.v == 1: pass
    """)
    assert "cell.v == 1" not in decided(evaluator)


def test_finally_runs_for_every_way_out() -> None:
    """A `finally` clause changes the state of paths that have returned, and sees every state of the body."""
    evaluator = run("""
        import some_library
        class S: pass
        s = S()
        s.stage = 0
        s.done = False
        def f():
            try:
                if some_library.early():
                    return
                s.stage = 1
                some_library.work()
                s.stage = 0
            finally:
                if s.stage == 1: pass
                s.done = True
        f()
        if s.done: pass
    """)
    assert not {"s.stage == 1"} & decided(evaluator).keys()
    body = "for i in range(3):\n        try:\n            return 1\n        finally:\n            pass"
    loop = f"def f():\n    {body}\nx = f()"
    assert value(run(loop), "x") == 1


def test_call_that_writes_what_was_there_is_repeated() -> None:
    """A remembered call that changed nothing still writes when the state is another."""
    evaluator = run("""
        class Cell: pass
        cell = Cell()
        def put(): cell.v = 2
        cell.v = 2
        put()
        cell.v = 1
        put()
        result = cell.v
    """)
    assert value(evaluator, "result") == 2


def test_modules_built_alike_share_an_evaluation_only_where_alike() -> None:
    """Layers of one class that differ in a flag are evaluated apart."""
    evaluator = run("""
        import torch
        from torch import nn
        class Layer(nn.Module):
            def __init__(self, i):
                super().__init__()
                self.w = nn.Linear(2, 2)
                self.last = i == 3
                self.cache = None
            def forward(self, x):
                if self.last:
                    special(x)
                if self.cache is None:
                    self.cache = 1
                return self.w(x)
        def special(x): pass
        layers = [Layer(i) for i in range(4)]
        for layer in layers:
            layer(torch.zeros(2))
        caches = [layer.cache for layer in layers]
    """)
    assert "self.last" not in decided(evaluator)
    assert value(evaluator, "caches") == [1, 1, 1, 1]
    tree = evaluator.modules["__main__"].source.tree
    assert "special" in {
        n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and id(n) in evaluator.trace.entered
    }


def test_registered_functions_count() -> None:
    """Functions handed to a library's registration, and a kernel's grid, are reached."""
    evaluator = run("""
        import torch, triton
        @torch.library.custom_op("a::b", mutates_args=())
        def op(x): return x
        @op.register_fake
        def _(x): return x
        def backward(ctx, g): return g
        op.register_autograd(backward)
        @triton.jit
        def kernel(x): pass
        def launch(x):
            def grid(meta): return (1,)
            kernel[grid](x)
        launch(1)
    """)
    tree = evaluator.modules["__main__"].source.tree
    missed = [n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and id(n) not in evaluator.trace.entered]
    assert missed == []


def test_flag_set_later_reopens_a_remembered_call() -> None:
    """A repeated call is evaluated anew when state that it read has changed."""
    evaluator = run("""
        class Layer:
            late = False
            def forward(self, x):
                if Layer.late:
                    return quantise(x)
                return x
        def quantise(x): return x
        layer = Layer()
        layer.forward(1)
        layer.forward(1)
        Layer.late = True
        layer.forward(1)
    """)
    assert "Layer.late" not in decided(evaluator)


def test_dict_views_and_globals_write_through() -> None:
    """Changing `__dict__` or `globals()` changes the object; in an unknown way, the evaluation is not complete."""
    evaluator = run("""
        class A: pass
        a = A()
        a.x = 1
        a.__dict__.update({"x": 2})
        globals()["y"] = 3
    """)
    assert evaluator.trace.complete
    assert evaluator.modules["__main__"].slots["y"] == 3
    assert not run("import z\nglobals().update(z.all())").trace.complete
    assert not run("import z\nexec(z.code())").trace.complete


def test_starting_python_again_is_not_followed() -> None:
    """A child process may run the same file under another environment; installers are no such thing."""
    assert not run("import subprocess, sys\nsubprocess.run([sys.executable, __file__])").trace.complete
    install = "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'x'])"
    assert run(install).trace.complete


def test_sibling_modules_are_followed() -> None:
    """Imports of the submission's own files are evaluated once, also by star."""
    evaluator = run(
        "from config import WIDTH\nfrom helpers import *\nimport config\nw = double(WIDTH) + config.DEPTH",
        config="WIDTH = 4\nDEPTH = 2",
        helpers="def double(x):\n    return 2 * x",
    )
    assert value(evaluator, "w") == 10
    assert not run("from missing_helpers import *").trace.complete


def test_generators_do_not_decide_for_later() -> None:
    """A generator goes on when its consumer asks: what it tests may have changed by then."""
    evaluator = run("""
        import some_library
        class S:
            stop = False
        def produce(s):
            while True:
                if s.stop:
                    return
                yield 1
        state = S()
        for item in produce(state):
            state.stop = some_library.done()
    """)
    assert "s.stop" not in decided(evaluator)


def test_machine_variables_are_unknown() -> None:
    """Variables that the machine sets by itself are not taken as absent."""
    evaluator = run("import os\nif os.environ.get('CUDA_VISIBLE_DEVICES'): pass\nif 'HOME' in os.environ: pass")
    assert decided(evaluator) == {}


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


def test_a_kernel_is_evaluated_once_whatever_its_launches_give_it() -> None:
    """The body of `kernel[grid](...)` is entered, none of its conditions is decided by one launch, and fuel lasts."""
    evaluator = run("""
        import triton
        @triton.jit
        def kernel(x, FORWARD):
            if FORWARD:
                y = 1
            else:
                y = 2
        def launch(flag):
            grid = lambda meta: (1,)
            kernel[grid](object(), FORWARD=flag)
        for step in range(400):
            launch(step == 0)
    """)
    assert "FORWARD" not in decided(evaluator)
    assert evaluator.trace.complete
