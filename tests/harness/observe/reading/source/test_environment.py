"""Environment variables that a script reads."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.source import EnvRead
from harness.observe.reading.source.environment import MAX_READS, Environment, read_environment
from harness.observe.reading.source.outline import outline


def environment(source: str) -> Environment:
    """What is read from `source`."""
    return read_environment(outline(ast.parse(source)), source)


def reads(source: str) -> dict[str, EnvRead]:
    """The reads of `source`, by name."""
    return {read.name: read for read in environment(source).reads}


@pytest.mark.parametrize(
    ("expression", "default", "has_default", "cast"),
    [
        ("os.environ.get('A')", None, False, None),
        ("os.environ.get('A', '1')", "1", True, None),
        ("os.environ.get('A', default='x')", "x", True, None),
        ("os.getenv('A', 5)", 5, True, None),
        ("os.getenv(key='A')", None, False, None),
        ("os.environ['A']", None, False, None),
        ("int(os.environ.get('A', 2 * 1024))", 2048, True, "int"),
        ("float(os.environ.get('A', 1e-3))", 0.001, True, "float"),
        ("bool(int(os.environ.get('A', '0')))", "0", True, "bool"),
        ("os.environ.get('A', '0') == '1'", "0", True, "bool"),
        ("os.environ.get('A', 'no').strip().lower() in ('1', 'true')", "no", True, "bool"),
        ("int(os.environ.get('A', 0)) != 0", 0, True, "bool"),
        ("float(os.environ.get('A', 0)) > 0.5", 0, True, "float"),
        ("os.environ.get('A', 'sgd') == 'adam'", "sgd", True, None),
        ("'A' in os.environ", None, False, None),
        ("'A' not in os.environ", None, False, None),
        ("os.environ.get('A') or 'fallback'", "fallback", True, None),
        ("int(os.environ.get('A') or 3)", 3, True, "int"),
        ("os.environ.get('A', str(2 ** 4))", "16", True, None),
        ("os.environ.get('A', ','.join(('a', 'b')))", "a,b", True, None),
        ("os.environ.get('A', f'run-{1 + 1}')", "run-2", True, None),
        ("os.environ.get('A', 'x' if 1 > 2 else 'y')", "y", True, None),
        ("os.environ.get('A', -1)", -1, True, None),
        ("os.environ.get('A', os.path.join('data', 'b'))", "data/b", True, None),
        ("os.environ.get('A', str(uuid.uuid4()))", None, True, None),
        ("os.environ.get('A', 10 ** 10 ** 10)", None, True, None),
        ("os.environ.get('A', 1e308 * 10)", None, True, None),
        ("__import__('os').environ.get('A', 1)", 1, True, None),
        ("[x for x in os.environ.get('A', '1,2').split(',') if x]", "1,2", True, None),
        ("dict(a=int(os.environ.get('A', 1)))", 1, True, "int"),
        ("(y := os.environ.get('A', 1))", 1, True, None),
        ("os.environ.setdefault('A', 'x')", "x", True, None),
        ("os.environ.pop('A', None)", None, True, None),
        ("tuple(int(x) for x in os.environ.get('A', '1').split(','))", "1", True, None),
    ],
)
def test_forms_of_reading(expression: str, default: Any, has_default: bool, cast: str | None) -> None:
    """Every usual way of reading a variable is seen, with its default and the cast it goes through."""
    read = reads(f"import os\nx = {expression}\n")["A"]
    assert (read.default, read.has_default, read.line) == (default, has_default, 2)
    assert read.cast == cast


@pytest.mark.parametrize(
    "source",
    [
        "from os import environ\nx = environ.get('A', 1)\n",
        "from os import environ as E, getenv as G\nx = E['A']\n",
        "from os import getenv as G\nx = G('A')\n",
        "import os as o\nx = o.environ.get('A')\n",
        "import os\nE = os.environ\nx = E.get('A')\n",
        "import os\ng = os.environ.get\nx = g('A', 2)\n",
        "import os\nfor n in ('A', 'B'):\n    if n not in os.environ:\n        print(n)\n",
        "import os\nNAME = 'A'\nx = os.environ.get(NAME)\n",
        "import os\nassert os.environ.get('A'), 'set A'\n",
        "import os\nwith open(os.environ['A']) as f:\n    pass\n",
        "import os\ndef f(x=os.environ.get('A')):\n    pass\n",
        "import os\n@d(os.environ.get('A'))\nclass C:\n    pass\n",
        "import os\nif (1 +\n    2 and\n    os.environ.get('A')):\n    pass\n",
        "import os; y = 1; x = os.environ.get('A', 1); z = 2\n",
    ],
)
def test_aliases_and_places(source: str) -> None:
    """Other names of `os.environ` are followed, wherever the read stands."""
    assert "A" in reads(source)


HELPERS = {
    "def _e(name, default, cast=str):\n    return cast(os.environ.get(name, default))\nx = _e('A', 7, int)\n": (
        7,
        "int",
    ),
    "def _e(k, d, t=str):\n    v = os.environ.get(k, str(d))\n    if t == bool:\n        return bool(int(v))\n"
    "    return t(v)\nx = _e('A', 7)\n": (7, "str"),
    "def env_bool(name: str, default: bool) -> bool:\n    v = os.environ.get(name)\n    if v is None:\n"
    "        return default\n"
    "    return v.lower() not in {'0', 'no'}\nx = env_bool('A', True)\n": (True, "bool"),
    "def flag(n, d=False):\n    return os.getenv(n, '1' if d else '0') == '1'\nx = flag('A', d=True)\n": (True, "bool"),
    "f = lambda k, d: float(os.environ.get(k, d))\nx = f('A', 0.5)\n": (0.5, "float"),
    "def g(k):\n    return os.environ.get('PG_' + k, '3')\nx = int(g('A'))\n": ("3", "int"),
    "def g(k):\n    return os.environ.get(f'PG_{k}', 3)\nx = g('A')\n": (3, None),
    "def low(k, d):\n    return os.environ.get(k, d)\ndef high(k, d):\n    return int(low(k, d))\nx = high('A', 4)\n": (
        4,
        "int",
    ),
    "class C:\n    def env(self, k, d):\n        return int(os.environ.get(k, d))\n    def load(self):\n"
    "        self.a = self.env('A', 8)\n": (8, "int"),
    "def many(k, d):\n    return [int(x) for x in os.environ.get(k, d).split(',')]\nx = many('A', '1,2')\n": (
        "1,2",
        None,
    ),
    "def alias(a, b, default):\n    return os.environ.get(a, os.environ.get(b, default))\nx = alias('A', 'B', 6)\n": (
        6,
        None,
    ),
    "def kw(*, name, default=2):\n    return int(os.environ.get(name, default))\nx = kw(name='A')\n": (2, "int"),
    "def fixed(name):\n    return int(os.environ.get(name, 11))\nx = fixed('A')\n": (11, "int"),
    "def opt(name):\n    v = os.environ.get(name)\n    return float(v) if v else None\nx = opt('A')\n": (None, "float"),
}


@pytest.mark.parametrize("source", HELPERS, ids=range(len(HELPERS)))
def test_helpers(source: str) -> None:
    """A function that reads the variable its caller names is understood by the flow of its parameters."""
    found = reads(f"import os\n{source}")
    read = found.get("A") or found["PG_A"]
    assert (read.default, read.cast) == HELPERS[source]
    assert read.line == source.count("\n") + 1


def test_defaults_that_are_other_settings() -> None:
    """A default may name a constant or another setting: it is folded as if nothing were set."""
    found = reads(
        "import os\nBASE = 512\nclass H:\n    dim = int(os.environ.get('DIM', BASE))\n"
        "    wide = int(os.environ.get('WIDE', 4 * dim))\n"
        "    late = int(os.environ.get('LATE', os.environ.get('OLD', '3')))\n"
        "class Other:\n    dim = 7\n    x = os.environ.get('X', dim)\nz = os.environ.get('Z', H.dim)\n"
        "BASE2 = 1\nBASE2 += 1\nq = os.environ.get('Q', BASE2)\na = os.environ.get('P', a)\n"
    )
    assert {name: read.default for name, read in found.items()} == {
        "DIM": 512,
        "WIDE": 2048,
        "LATE": "3",
        "OLD": "3",
        "X": 7,
        "Z": 512,
        "Q": None,
        "P": None,
    }


def test_writes_are_no_reads() -> None:
    """Setting, deleting and copying the environment reads no variable."""
    assert (
        reads("import os\nos.environ['A'] = '1'\ndel os.environ['B']\nos.environ.update(C='1')\ne = dict(os.environ)\n")
        == {}
    )


def test_settings_class() -> None:
    """The class whose body reads most variables holds the settings; a model that looks at one does not."""
    settings_body = "".join(f"    a{n} = int(os.environ.get('A{n}', {n}))\n" for n in range(9))
    model = "class Model:\n    def forward(self, x):\n        return x if os.environ.get('DEBUG') else None\n"
    found = environment(f"import os\n{model}class Hyperparameters:\n{settings_body}")
    assert found.settings_class is not None
    assert (found.settings_class.name, found.settings_class.lineno) == ("Hyperparameters", 5)
    assert environment(f"import os\n{model}").settings_class is None
    in_init = "class Args:\n    def __init__(self):\n        self.x = int(os.environ.get('X', 1))\n"
    holder = environment(f"import os\n{in_init}").settings_class
    assert holder is not None
    assert holder.name == "Args"


def test_floods_end() -> None:
    """Thousands of reads are cut at a limit and counted; odd and endless names are left out."""
    source = "import os\n" + "".join(f"x = os.environ.get('V{n}')\n" for n in range(MAX_READS + 10))
    found = environment(source)
    assert len(found.reads) == MAX_READS
    assert found.omitted == 10
    assert reads(f"import os\nos.environ.get('{'A' * 5000}')\nos.environ.get('\\ud800')\nos.environ.get('')\n") == {}


def test_chains_of_constants_end() -> None:
    """Names that stand for names, in circles or growing, give no value and take no time."""
    source = "import os\na = b\nb = a\n" + "c0 = 'x' * 10\n"
    source += "".join(f"c{n + 1} = f'{{c{n}}}{{c{n}}}'\n" for n in range(60))
    source += "x = os.environ.get('A', a)\ny = os.environ.get('B', c60)\n"
    found = reads(source)
    assert found["A"].default is None
    assert found["B"].default is None


@given(st.text(alphabet="osenvirgt.'A,()[]=: \nlambdif", max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_code(text: str) -> None:
    """Whatever parses is read without an exception."""
    source = f"import os\nx = os.environ.get('A', 1)\n{text}"
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return
    assert "A" in reads(source)
