"""Which names code binds."""

from __future__ import annotations

import ast
import textwrap

from harness.observe.reading.flow.names import bound_names, stored_names


def test_bound_names() -> None:
    """Every way to bind counts; functions inside, declared names and names that are only read do not."""
    body = ast.parse(
        textwrap.dedent(
            """
            import os.path as p, sys.flags
            global g
            g = a = b[i] = (c, [d, *e]) = read
            f: int = 1
            f += 1
            for h, j.k in read:
                with open(read) as l, read:
                    m = 1
            if (n := read) and read:
                pass
            while (o := read):
                pass
            try:
                q = 1
            except OSError as r:
                s = 1
            match read:
                case 1:
                    t = 1
            def inner(): hidden = 1
            class Inner: hidden = 1
            """
        )
    ).body
    assert bound_names(body) == {*"acdefhlmnopqrst", "sys", "inner", "Inner"}


def test_stored_names() -> None:
    """A target binds the names that it consists of, not those that it reads."""
    target = ast.parse("a, (b, *c), d[e], f.g = h").body[0]
    assert isinstance(target, ast.Assign)
    assert sorted(stored_names(target.targets[0])) == ["a", "b", "c"]
    assert stored_names(target.value) == []
