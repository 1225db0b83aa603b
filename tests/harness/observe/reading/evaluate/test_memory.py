"""Calls that are recalled instead of evaluated give what an evaluation would give."""

from __future__ import annotations

import ast
import math
import textwrap
from typing import Any

from harness.observe.reading.evaluate.evaluator import Evaluator, evaluate
from harness.observe.reading.evaluate.values import ListValue, Source, Unknown, raw

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


def run(program: str) -> Evaluator:
    """Evaluate a program that has the usual imports."""
    return evaluate(Source("train_gpt.py", ast.parse(HEAD + textwrap.dedent(program))), {}, {"WORLD_SIZE": "8"})


def value(evaluator: Evaluator, name: str) -> Any:
    """A global at the end, without dependencies; lists as Python lists."""
    found = raw(evaluator.modules["__main__"].slots[name])
    if isinstance(found, ListValue):
        return None if found.items is None else [raw(item) for item in found.items]
    return "?" if isinstance(found, Unknown) else found


BLOCKS = """
    class Inner(nn.Module):
        def __init__(self, dim):
            super().__init__()
            self.fc = nn.Linear(dim, dim, bias=False)
            self.tied = self.fc.weight
            self.notes = [dim]
    class Block(nn.Module):
        def __init__(self, dim):
            super().__init__()
            self.inner = Inner(dim)
            self.scale = nn.Parameter(torch.ones(dim))
"""


def test_modules_built_alike_have_parameters_of_their_own() -> None:
    """Ten blocks of one constructor hold ten times the parameters; a tensor shared inside a block counts once."""
    evaluator = run(f"{BLOCKS}\n    model = nn.ModuleList([Block(4) for _ in range(10)])\n")
    shapes = [shape for trace in evaluator.trace.models[-1:] for _, shape, _ in trace.tensors]
    assert sum(math.prod(shape) for shape in shapes if shape is not None) == 10 * (16 + 4)


def test_modules_built_alike_do_not_share_what_changes() -> None:
    """A list or attribute changed on one of them stays as it was on the others."""
    program = """
        blocks = [Block(4) for _ in range(5)]
        blocks[3].inner.notes.append(7)
        blocks[3].inner.dim = 9
        changed, other = blocks[3].inner.notes, blocks[4].inner.notes
        seen = hasattr(blocks[4].inner, 'dim')
    """
    evaluator = run(textwrap.dedent(BLOCKS) + textwrap.dedent(program))
    assert (value(evaluator, "changed"), value(evaluator, "other"), value(evaluator, "seen")) == ([4, 7], [4], False)


def test_a_constructor_that_counts_its_calls_is_evaluated_each_time() -> None:
    """A constructor with an effect outside of its object is no blueprint."""
    program = """
        made = []
        class Block(nn.Module):
            def __init__(self, dim):
                super().__init__()
                made.append(dim)
                self.index = len(made)
        blocks = [Block(4) for _ in range(5)]
        last = blocks[4].index
    """
    assert value(run(program), "last") == 5


def test_an_object_that_refers_to_itself_is_built_around_the_new_one() -> None:
    """A bound method or back reference kept by a constructor leads to the new object, not to the one copied."""
    program = """
        class Part(nn.Module):
            def __init__(self, owner):
                super().__init__()
                self.owner = [owner]
        class Block(nn.Module):
            def __init__(self, dim):
                super().__init__()
                self.width = dim
                self.part = Part(self)
                self.own = self.get
            def get(self):
                return self.width
        blocks = [Block(4) for _ in range(3)]
        blocks[2].width = 6
        through, bound, first = blocks[2].part.owner[0].width, blocks[2].own(), blocks[1].own()
    """
    evaluator = run(program)
    assert [value(evaluator, name) for name in ("through", "bound", "first")] == [6, 6, 4]


def test_modules_that_differ_below_what_a_call_read_are_not_taken_for_each_other() -> None:
    """A method gives each module its own answer, whether it reads a size, a switch or the parts of a part."""
    program = """
        class Part(nn.Module):
            def __init__(self, width):
                super().__init__()
                self.width = width
        class Block(nn.Module):
            def __init__(self, width):
                super().__init__()
                self.part = Part(width)
            def size(self):
                return self.part.width + 1
        sizes = [Block(width).size() for width in (1, 1, 2, 3, 1, 5, 6, 7, 8, 9, 10, 1)]
    """
    assert value(run(program), "sizes") == [2, 2, 3, 4, 2, 6, 7, 8, 9, 10, 11, 2]


def test_what_a_call_goes_over_counts_as_read() -> None:
    """A function that goes over the modules of a model sees one that was added since."""
    program = """
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.a = nn.Linear(2, 2)
        def count(model):
            return len([m for m in model.modules()])
        model = Model()
        before = count(model)
        model.b = nn.Linear(2, 2)
        after = count(model)
    """
    evaluator = run(program)
    assert (value(evaluator, "before"), value(evaluator, "after")) == (2, 3)


def test_a_switch_turned_between_calls_is_seen() -> None:
    """A call recalled on a module built alike is evaluated anew once the module's state has changed."""
    program = """
        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.on = False
            def mode(self):
                return 'on' if self.on else 'off'
        one, two = Block(), Block()
        seen = [one.mode(), two.mode(), two.mode()]
        two.on = True
        seen += [one.mode(), two.mode()]
        two.on = False
        seen += [two.mode()]
    """
    assert value(run(program), "seen") == ["off", "off", "off", "off", "on", "off"]


def test_a_variable_that_a_call_perhaps_sets_depends_on_what_it_was() -> None:
    """A call that sets a global on one path only is not recalled once that global has another value."""
    program = """
        import sys
        def perhaps():
            global g
            if len(sys.argv) > 1:
                g = 1
        perhaps()
        first = g
        g = 2
        perhaps()
        second = g
    """
    evaluator = run(program)
    assert (value(evaluator, "first"), value(evaluator, "second")) == (1, "?")
