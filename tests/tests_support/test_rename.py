"""The renaming tool keeps programs running and leaves no name of the author's."""

from __future__ import annotations

import contextlib
import io

import pytest

from tests_support.rename import rename_identifiers

PROGRAMS = {
    "variables": "total = 0\nfor step in range(4):\n    total += step\nprint(total)\n",
    "functions": "def scale(x, factor=2):\n    return x * factor\nprint(scale(3, factor=4), scale(5))\n",
    "classes": (
        "class Model:\n    layers = 2\n    def __init__(self, width):\n        self.width = width\n"
        "    def size(self):\n        return self.width * self.layers\nmodel = Model(width=3)\nprint(model.size())\n"
    ),
    "dataclass": (
        "from dataclasses import dataclass, replace\n@dataclass\nclass P:\n    left: int\n    right: int = 1\n"
        "p = replace(P(left=1), right=5)\nprint(p.left, p.right)\n"
    ),
    "strings": (
        "import os\nclass H:\n    data_path = os.environ.get('NO_SUCH_PATH', 'x')\nh = H()\n"
        "print(getattr(h, 'data_path'), f'data_path:{h.data_path!r:>8}')\n"
    ),
    "closures": (
        "def outer():\n    n = 0\n    def inner():\n        nonlocal n\n        n += 1\n        return n\n"
        "    return inner\nf = outer()\nf()\nprint(f())\n"
    ),
    "globals": "count = 1\ndef add():\n    global count\n    count += 1\nadd()\nprint(count)\n",
    "comprehension": "pairs = {k: [v for v in range(k)] for k in range(3)}\nprint(pairs, (last := 4), last)\n",
    "exception": "try:\n    1 / 0\nexcept ZeroDivisionError as problem:\n    print(type(problem).__name__)\n",
    "match": (
        "class Point:\n    def __init__(self, a):\n        self.a = a\nmatch Point(3):\n    case Point(a=found):\n"
        "        print(found)\nmatch {'k': 1, 'm': 2}:\n    case {'k': one, **rest}:\n        print(one, rest)\n"
    ),
    "library": (
        "import json\nclass E(json.JSONEncoder):\n    def default(self, o):\n        return 'e'\n"
        "print(json.dumps({'a': object()}, cls=E, indent=None))\n"
    ),
    "shared": "def f(end):\n    return end\nprint(f(end=1), f(2), end='\\n')\n",
    "keywords": "def f(**options):\n    return options['depth']\ndepth = 3\nprint(f(depth=depth))\n",
    "methods": "class A:\n    def append(self, x):\n        return x\nprint(A().append(1), [1].append(2))\n",
    "builtin": (
        "class A:\n    def __init__(self):\n        self.at = 0\n    def next(self):\n        self.at += 1\n"
        "        return self.at\na = A()\nprint(a.next(), a.next(), next(iter([7])))\n"
    ),
    "private": (
        "class A:\n    def __init__(self):\n        self.__x = 1\n    def get(self):\n        return self.__x\n"
        "print(A().get())\n"
    ),
    "lambda": "key = lambda item, sign=-1: sign * item\nprint(sorted([3, 1, 2], key=key))\n",
}


def output(source: str) -> str:
    """What a program prints."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        exec(compile(source, "<program>", "exec"), {"__name__": "__main__"})
    return stream.getvalue()


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("seed", range(3))
def test_same_behaviour(name: str, seed: int) -> None:
    """A renamed program prints the same, and is another text."""
    renamed = rename_identifiers(PROGRAMS[name], seed)
    assert output(renamed) == output(PROGRAMS[name])
    assert renamed == rename_identifiers(PROGRAMS[name], seed)


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("variables", ("total", "step")),
        ("functions", ("scale", "factor")),
        ("classes", ("Model", "width", "layers")),
        ("closures", ("outer", "inner")),
        ("exception", ("problem",)),
        ("match", ("Point", "found", "rest")),
    ],
)
def test_names_are_gone(name: str, gone: tuple[str, ...]) -> None:
    """No identifier of the author's is left where nothing forces it to stay."""
    renamed = rename_identifiers(PROGRAMS[name], 1)
    assert not [word for word in gone if word in renamed]


def test_kept() -> None:
    """Library attributes, environment names, strings and keywords of library calls stay as they are."""
    source = (
        "import os\nimport torch.nn.functional as F\ndef loss(x, y, reduction):\n"
        "    return F.cross_entropy(x.float(), y, reduction='mean')\nseed = int(os.environ.get('SEED', 1337))\n"
    )
    renamed = rename_identifiers(source, 1)
    for text in ("F.cross_entropy(", ".float()", "reduction='mean'", "os.environ.get('SEED', 1337)"):
        assert text in renamed
    assert "loss" not in renamed


def test_refusals() -> None:
    """What does not parse is refused."""
    with pytest.raises(SyntaxError):
        rename_identifiers("def f(:\n", 1)
