"""Imports and where they come from."""

from __future__ import annotations

import ast
from collections.abc import Mapping

import pytest

from harness.model.source import ImportFact
from harness.observe.reading.source.imports import MAX_IMPORTS, read_imports
from harness.observe.reading.source.modules import find_module
from harness.observe.reading.source.outline import outline
from harness.observe.reading.source.script import read_script


def imports(
    source: str, files: Mapping[str, bytes] | None = None, script: str = "train_gpt.py"
) -> dict[str, ImportFact]:
    """The imports of `source`, by module."""
    return {fact.module: fact for fact in read_imports(outline(ast.parse(source)), script, files or {})}


def test_groups() -> None:
    """The standard library, known packages, files of the folder and forgotten files are told apart."""
    found = imports(
        "import os.path, torch.nn.functional as F\nfrom numpy import array\nimport helper, forgotten\n"
        "from pkg.mod import x\nfrom . import sibling, lost\nfrom .helper import y\nimport distutils\n",
        {"helper.py": b"", "pkg/mod.py": b"", "sibling.py": b"", "fast.cpython-311-x86_64-linux-gnu.so": b""},
    )
    assert {module: fact.group for module, fact in found.items()} == {
        "os.path": "stdlib",
        "torch.nn.functional": "third_party",
        "numpy": "third_party",
        "helper": "local",
        "forgotten": "missing",
        "pkg.mod": "local",
        ".sibling": "local",
        ".lost": "missing",
        ".helper": "local",
        "distutils": "stdlib",
    }
    assert found["pkg.mod"].local == "pkg/mod.py"
    assert found["numpy"].line == 2


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    import forgotten\nexcept ImportError:\n    forgotten = None\n",
        "try:\n    import forgotten\nexcept (ModuleNotFoundError, KeyError):\n    pass\n",
        "try:\n    import forgotten\nexcept:\n    pass\n",
        "try:\n    import torch\nexcept Exception as e:\n    import forgotten\n",
        "try:\n    if True:\n        import forgotten\nexcept builtins.Exception:\n    pass\n",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import forgotten\n",
        "import importlib.util\nif importlib.util.find_spec('forgotten'):\n    import forgotten\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import forgotten\n",
    ],
)
def test_guarded_imports(source: str) -> None:
    """An import whose failure is caught, or that is asked for first, is guarded and not missing."""
    fact = imports(source)["forgotten"]
    assert (fact.guarded, fact.group) == (True, "third_party")


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    import forgotten\nexcept KeyError:\n    pass\n",
        "try:\n    import forgotten\nfinally:\n    pass\n",
        "try:\n    def f():\n        import forgotten\nexcept ImportError:\n    pass\n",
        "try:\n    pass\nexcept ImportError:\n    pass\nelse:\n    import forgotten\n",
        "match 1:\n    case 1:\n        import forgotten\n",
        "async def f():\n    async with x:\n        for y in z:\n            import forgotten\n",
        "while 1:\n    for y in z:\n        pass\n    else:\n        import forgotten\n",
    ],
)
def test_unguarded_imports(source: str) -> None:
    """Other handlers, `finally` and functions defined inside a `try` guard nothing."""
    fact = imports(source)["forgotten"]
    assert (fact.guarded, fact.group) == (False, "missing")


def test_lazy_and_dynamic_imports() -> None:
    """Imports in functions are lazy; names given to the import functions as constants count."""
    found = imports(
        "def f():\n    import brotli\n    return __import__('zlib')\nx = importlib.import_module('torch.nn')\n"
        "class A:\n    import json\n"
    )
    assert {module: fact.lazy for module, fact in found.items()} == {
        "brotli": True,
        "zlib": True,
        "torch.nn": False,
        "json": False,
    }


@pytest.mark.parametrize(
    ("module", "level", "script", "found", "missing"),
    [
        ("helper", 0, "code/run.py", "code/helper.py", False),
        ("top", 0, "code/run.py", "top.py", False),
        ("helper", 2, "code/sub/x.py", "code/helper.py", False),
        ("helper", 1, "run.py", None, True),
        ("", 1, "code/run.py", "code/__init__.py", False),
        ("deep.only", 0, "run.py", "vendor/deep/only.py", False),
        ("spaces", 0, "run.py", "spaces/", False),
        ("native", 0, "run.py", "native.cpython-311.so", False),
        ("twice", 0, "run.py", None, True),
        ("torch", 0, "run.py", None, False),
        ("json", 0, "shadow/run.py", "shadow/json.py", False),
        ("run", 0, "run.py", "run.py", False),
        ("..", 0, "run.py", None, False),
    ],
)
def test_finding_modules(module: str, level: int, script: str, found: str | None, missing: bool) -> None:
    """A module is looked for beside the script, at the top, in packages, and where only one file can be meant."""
    files = dict.fromkeys(
        [
            "code/helper.py", "code/__init__.py", "top.py", "vendor/deep/only.py", "spaces/inner.py",
            "native.cpython-311.so", "a/twice.py", "b/twice.py", "shadow/json.py", "other/torch.py",
        ],
        b"",
    )  # fmt: skip
    assert find_module(module, level, script, files) == (found, missing)


def test_search_path_comes_first() -> None:
    """Folders that the script puts on the path are searched before its own."""
    files = {"vendor/helper.py": b"", "helper.py": b""}
    assert find_module("helper", 0, "run.py", files, ["vendor"])[0] == "vendor/helper.py"


def test_the_number_is_limited() -> None:
    """A flood of imports ends at a limit and is counted; endless names are cut."""
    source = "".join(f"import m{number}\n" for number in range(MAX_IMPORTS + 50))
    found = read_script("x.py", source.encode(), {}).facts
    assert (len(found.imports), found.omitted) == (MAX_IMPORTS, 50)
    assert all(len(fact.module) <= 220 for fact in imports(f"import {'a' * 5000}\n").values())
