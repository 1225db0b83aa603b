"""Rewritten source does what it did, on the lines it had, and tells which blocks ran and what was added up."""

from __future__ import annotations

import ast
import builtins
import textwrap
import traceback
from typing import Any

import pytest

from harness.model.base import At
from harness.model.plan import Directive
from harness.observe.cpu_run.guest.rewriting import (
    ADDED,
    ADDEND,
    HIT,
    IMPORTED,
    JOINED,
    PART,
    REVISED,
    SUMS,
    TAKEN,
    Rewriter,
)


class Seen:
    """What a rewritten text told."""

    def __init__(self) -> None:
        self.rewriter = Rewriter()
        self.hits: list[int] = []
        self.added: list[tuple[int, Any]] = []
        self.addends: list[Any] = []
        self.looked_up: list[Any] = []
        self.joined: list[tuple[str, Any]] = []
        self.parts: list[tuple[str, Any]] = []
        self.revised: list[tuple[str, str, Any]] = []
        self.imported_after: int | None = None

    def run(self, text: str) -> dict[str, Any]:
        """Execute a text rewritten; its variables."""
        names = {
            HIT: self.hits.append,
            SUMS: self.hits.append,
            ADDED: lambda site, value: self.added.append((site, value)),
        }
        names[ADDEND] = self._addend
        names[TAKEN] = self._taken
        names[JOINED] = lambda site, *values: self.joined.append((self.rewriter.sites[site].target, values))
        names[PART] = self._part
        names[REVISED] = self._revise
        names[IMPORTED] = lambda: setattr(self, "imported_after", len(self.hits))
        space: dict[str, Any] = {"__builtins__": {**vars(builtins), **names}, "__name__": "__main__"}
        exec(self.rewriter.compiled(textwrap.dedent(text), "a.py", 0, "a.py"), space)
        return space

    def _addend(self, _: int, value: Any) -> Any:
        self.addends.append(value)
        return value

    def _part(self, site: int, value: Any) -> Any:
        self.parts.append((self.rewriter.sites[site].target, value))
        return value

    def _revise(self, site: int, signs: str, *values: Any) -> None:
        self.revised.append((self.rewriter.sites[site].target, signs, values))

    def _taken(self, values: Any, index: Any) -> Any:
        self.looked_up.append(index)
        return values[index]

    def lines(self) -> list[tuple[str, int]]:
        """Function and first line of the blocks that ran, in order."""
        return [(self.rewriter.blocks[n].function, self.rewriter.blocks[n].line) for n in self.hits]

    def sums(self) -> list[tuple[str, Any]]:
        """Targets and their values after each addition."""
        return [(self.rewriter.sites[n].target, value) for n, value in self.added]


def test_blocks() -> None:
    """Each block that runs is told once for every time, with the function around it."""
    seen = Seen()
    seen.run(
        '''
        """About."""
        from __future__ import annotations
        import os
        def f(n):
            """About."""
            if n:
                return 1
            else:
                return 2
        class C:
            def g(self):
                for _ in range(2):
                    f(0)
                try:
                    1 / 0
                except ZeroDivisionError:
                    pass
                finally:
                    f(1)
                match 3:
                    case 3: pass
                    case _: pass
        C().g()
        '''
    )
    assert seen.lines() == [
        ("", 2), ("C.g", 13), ("C.g", 14), ("f", 6), ("f", 10), ("C.g", 14), ("f", 6), ("f", 10), ("C.g", 16),
        ("C.g", 18), ("C.g", 20), ("f", 6), ("f", 8), ("C.g", 22),
    ]  # fmt: skip
    assert seen.imported_after == 1
    assert {b.line for b in seen.rewriter.blocks} >= {8, 23}


def test_additions() -> None:
    """Both forms of adding and of taking away, and sums, are told with the value after them; nothing else is."""
    seen = Seen()
    seen.run(
        """
        class Box: n = 1
        total, box, table, keep = 0, Box(), {"a": 1}, [0]
        total += 2
        total = total + 3
        total = 4 + total
        box.n += 1
        table["a"] += 5
        keep[len(keep) - 1] += 1
        total -= 1
        total = total - 2
        total = 2 - total
        other = total + 1
        whole = sum(i for i in range(4)) / 2
        """
    )
    assert seen.addends == [2, 3, 4, 1, 5, 1, 2]
    assert seen.sums() == [
        ("total", 2),
        ("total", 5),
        ("total", 9),
        ("box.n", 2),
        ("table['a']", 6),
        ("total", 8),
        ("total", 6),
        ("whole", 3.0),
    ]
    assert [site.minus for site in seen.rewriter.sites] == [False] * 5 + [True] * 2 + [False] * 3


def test_sums_of_parts_and_quotients_of_sums() -> None:
    """Variables that are added together are told of, and what is divided where the dividend is a sum."""
    seen = Seen()
    space = seen.run(
        """
        class Pile(list):
            def sum(self):
                return sum(self)
        short, long, rest = 1, 2, 4
        whole = short + long
        every = short + long + rest
        same = whole
        more = short + 1
        twice = [short] + [long]
        def score(pile, count):
            return float(-pile.sum() / count) / 2
        found = score(Pile([3, 5]), 4)
        half = rest / 2
        """
    )
    assert seen.joined == [("whole", (3, 1, 2)), ("every", (7, 1, 2, 4))]
    parts = [("-pile.sum()", -8), ("count", 4), ("float(-pile.sum() / count)", -2.0), ("2", 2)]
    assert seen.parts == parts
    assert (space["found"], space["half"]) == (-1.0, 2.0)


def test_parts_that_are_replaced() -> None:
    """What takes parts out of a variable and puts others in is told of before it is done."""
    seen = Seen()
    space = seen.run(
        """
        total, old, new = 7, 2, 1
        box = {"a": 5}
        total = total - old + new
        box["a"] = box["a"] + new - old - old
        other = total - old + new
        total = old - total + new
        total = total - len([old]) + new
        """
    )
    assert seen.revised == [("total", "+-+", (7, 2, 1)), ("box['a']", "++--", (5, 1, 2, 2))]
    assert (space["total"], space["box"], space["other"]) == (-3, {"a": 2}, 5)


def test_lookups() -> None:
    """What is looked up by two indices is told of, once, where it is read and neither index is written out."""
    seen = Seen()
    space = seen.run(
        """
        table, i, j = {(1, 2): 3, (2, 2): 4, (1, 0): 5}, 1, 2
        def f():
            return table[i, j] + 1
        found = [f(), table[i + 1, j], table[i, 0], (lambda: table[i, j])()]
        table[i, i] = table[i, j]
        """
    )
    assert space["found"] == [4, 4, 5, 3]
    assert space["table"][1, 1] == 3
    assert seen.looked_up == [(1, 2), (2, 2), (1, 2)]


def test_addends() -> None:
    """What is added is evaluated once, where it was, in its order, and added in place where it was."""
    seen = Seen()
    space = seen.run(
        """
        order = []
        def say(value):
            order.append(value)
            return value
        class Pile(list):
            def __iadd__(self, other):
                self.append(other)
                return self
        pile = kept = Pile()
        pile += say(7)
        total = 1
        total = total + say(2) * say(3)
        total = say(4) + total
        same = pile is kept
        """
    )
    assert space["order"] == [7, 2, 3, 4]
    assert (space["kept"], space["same"], space["total"]) == ([7], True, 11)
    assert seen.addends == [7, 6, 4]


def test_lines_of_a_traceback() -> None:
    """An exception is raised on the line that it had."""
    text = "import os\n\n\ndef f():\n    x = 0\n    x += 1\n    raise ValueError(x)\n\n\nf()\n"
    with pytest.raises(ValueError, match="1") as caught:
        Seen().run(text)
    lines = [frame.lineno for frame in traceback.extract_tb(caught.value.__traceback__) if frame.filename == "a.py"]
    assert lines == [10, 7]


@pytest.mark.parametrize(
    "text",
    ["", "# only a comment\n", '"""About."""\n', "from __future__ import annotations\n", "x = 1", "import os; x = 1"],
)
def test_small_texts(text: str) -> None:
    """Texts without statements, or with nothing but a docstring, run."""
    Seen().run(text)


def test_what_does_not_parse() -> None:
    """A syntax error is the one that the submission would see."""
    with pytest.raises(SyntaxError):
        Seen().run("def f(:\n")


def test_newer_grammar() -> None:
    """F-strings of Python 3.12 run on 3.11, too."""
    assert Seen().run("d = {'a': 1}\ns = f'{d['a']}{f'{1 + 1}'}'\n")["s"] == "12"


@pytest.mark.parametrize("decorator", ["@jit", "@triton.jit", "@triton.autotune(configs=[])", "@torch.jit.script"])
def test_kernels_are_left_alone(decorator: str) -> None:
    """A function that is compiled from its source keeps it."""
    seen = Seen()
    text = f"{decorator}\ndef kernel(x):\n    x += 1\n    return x\n"
    tree = ast.parse(text)
    seen.rewriter.compiled(text, "a.py", 0, "a.py")
    assert seen.rewriter.sites == []
    assert [block.opens for block in seen.rewriter.blocks] == [True]
    assert isinstance(tree.body[0], ast.FunctionDef)


def test_behaviour_is_kept() -> None:
    """A program with closures, generators, classes, comprehensions and globals gives the same with and without."""
    text = """
    import functools
    count = 0
    def step(n):
        global count
        count += n
        def inner():
            nonlocal n
            n += 1
            return n
        return inner()
    def items():
        total = 0
        for i in range(5):
            total += i
            got = yield total
            if got: total += got
    @functools.lru_cache
    def cached(x): return x + 1
    class A:
        seen = []
        def __init__(self): self.seen += [1]
        @property
        def p(self): return len(self.seen)
    g = items(); first = [next(g), g.send(10)]
    result = (step(1), step(2), count, first, list(g), cached(2), A().p, A().p, [x for x in range(3) if x])
    """
    plain: dict[str, Any] = {}
    exec(textwrap.dedent(text), plain)
    assert Seen().run(text)["result"] == plain["result"]


def directive(layer: int, line: int, column: int, old: str, new: str) -> Directive:
    """A directive for a.py."""
    at = At(path="a.py", line=line, layer=layer)
    return Directive(at=at, column=column, end_column=column + len(old), old=old, new=new, why="smaller")


def test_directives() -> None:
    """Those of one text are followed together or not at all; a text out of a wrapper is known by what they replace."""
    astray, size = directive(0, 1, 8, "6", "7"), directive(0, 2, 7, "512", "64")
    inner = directive(1, 1, 4, "9", "3")
    rewriter = Rewriter([astray, size, inner])
    space: dict[str, Any] = {"__builtins__": {**vars(builtins), HIT: id, IMPORTED: int}}
    exec(rewriter.compiled("s = 'é', 6, 'ü'\nsize = 512\n", "a.py", 0, "a.py"), space)
    assert (space["s"], space["size"]) == (("é", 6, "ü"), 512)
    rewriter.directives = [directive(0, 1, 10, "6", "7"), size, inner]
    exec(rewriter.compiled("s = 'é', 6, 'ü'\nsize = 512\n", "a.py", 0, "a.py"), space)
    assert (space["s"], space["size"]) == (("é", 7, "ü"), 64)
    exec(rewriter.compiled("n = 8", "a.py", 2, "b.py"), space)
    exec(rewriter.compiled("m = 9", "a.py", 3, "b.py"), space)
    assert (space["n"], space["m"]) == (8, 3)
    assert rewriter.followed == rewriter.directives
