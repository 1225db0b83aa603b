"""Values of expressions, and what is not known."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from tests_support.evaluation import decided, run, value

from harness.observe.reading.evaluate.values import deps


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


def test_machine_variables_are_unknown() -> None:
    """Variables that the machine sets by itself are not taken as absent."""
    evaluator = run("import os\nif os.environ.get('CUDA_VISIBLE_DEVICES'): pass\nif 'HOME' in os.environ: pass")
    assert decided(evaluator) == {}
