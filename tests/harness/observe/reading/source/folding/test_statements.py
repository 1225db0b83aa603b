"""What the constant folder makes of a script's top level."""

from __future__ import annotations

import ast
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.observe.reading.source.folding.statements import Executed, Folding
from harness.observe.reading.source.folding.values import FOLDER, Unknown
from harness.observe.reading.source.folding.workspace import Workspace


def fold(source: str, files: Mapping[str, bytes] | None = None) -> Folding:
    """The script `train_gpt.py`, folded."""
    folding = Folding(Workspace(files or {}), f"{FOLDER}/train_gpt.py")
    folding.run(ast.parse(source))
    return folding


def value(expression: str, before: str = "") -> Any:
    """What `expression` folds to."""
    return fold(f"{before}\nresult = {expression}").names["result"]


def executed(source: str, files: Mapping[str, bytes] | None = None) -> list[Executed]:
    """What the script executes, imports aside."""
    return [event for event in fold(source, files).executed if event.kind != "import"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'a' + 'b' * 3", "abbb"),
        ("b'abc'[::-1]", b"cba"),
        ("''.join(['a', *('b', 'c')])", "abc"),
        ("''.join(chr(c) for c in [104, 105])", "hi"),
        ("bytes(b ^ 42 for b in b'BC')", b"hi"),
        ("bytes([104, 105]).decode()", "hi"),
        ("bytes.fromhex('6869')", b"hi"),
        ("'%s-%d' % ('a', 1)", "a-1"),
        ("'{}-{x}'.format('a', x=1)", "a-1"),
        ("f'{1 + 1}{\"a\"}'", "2a"),
        ("'a b'.split()[1].upper().replace('B', 'c')", "c"),
        ("{'k': 'v'}['k']", "v"),
        ("[1, 2, 3][-1]", 3),
        ("(lambda a, b=2: a + b)(1)", 3),
        ("'a' if 1 < 2 <= 2 else 'b'", "a"),
        ("[y := 5, y][1]", 5),
        ("list(map(chr, range(97, 100)))", ["a", "b", "c"]),
        ("dict(zip(['a'], [1]))", {"a": 1}),
        ("(104).to_bytes(1, 'big')", b"h"),
        ("'abc'.encode().hex()", "616263"),
        ("eval('1 + 1')", 2),
        ("__import__('base64').b64decode('aGk=')", b"hi"),
        ("getattr(__import__('base64'), 'b64decode')('aGk=')", b"hi"),
        ("not 0 and -1", -1),
        ("str(1) + str('a')", "1a"),
        ("sorted([3, 1])[0]", 1),
    ],
)
def test_values(expression: str, expected: object) -> None:
    """Whitelisted operations on constants give what Python gives."""
    assert value(expression) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "'a' * 10**10",
        "[0] * 10**9",
        "1 << 10**12",
        "'{:>999999999}'.format(1)",
        "'%999999999d' % 1",
        "bytes(10**12)",
        "range(10**12)",
        "('a' * 4000).replace('a', 'b' * 4000).replace('b', 'c' * 4000)",
        "(','.join(['a' * 100000] * 1000)).join(['b'] * 100000)",
        "int('9' * 5000)",
        "7 ** 7 ** 7",
        "f'{1:>999999999}'",
        "open('/etc/hostname').read()",
        "__import__('os').listdir('.')",
        "undefined.attribute(1)[2]",
        "1 / 0",
        "[][0]",
        "{[]: 1}",
        "'a' + 1",
        "x.y.z",
        "(10).to_bytes(10**10, 'big')",
    ],
)
def test_what_is_too_large_or_not_known_is_unknown(expression: str) -> None:
    """Bombs, errors, files of the machine and everything that is not whitelisted fold to nothing, at once."""
    started = time.process_time()
    assert isinstance(value(expression), Unknown)
    assert time.process_time() - started < 1


def test_files_are_those_of_the_submission() -> None:
    """Files of the folder can be read by path, by `Path` and beside `__file__`."""
    files = {"data/a.txt": b"hi", "b.bin": b"\x01"}
    before = "import os\nfrom pathlib import Path\nhere = os.path.dirname(os.path.abspath(__file__))\n"
    for expression, expected in {
        "open('data/a.txt').read()": "hi",
        "open(os.path.join(here, 'b.bin'), 'rb').read()": b"\x01",
        "Path(__file__).with_name('b.bin').read_bytes()": b"\x01",
        "(Path(__file__).resolve().parent / 'data' / 'a.txt').read_text()": "hi",
        "__file__.replace('train_gpt.py', 'x.py').split('/')[-1]": "x.py",
        "Path('data/a.txt').exists() and not os.path.exists('data/b.txt')": True,
        "Path('b.bin').suffix + Path('b.bin').stem + Path('b.bin').name": ".binbb.bin",
    }.items():
        folding = fold(f"{before}with open('b.bin') as f: pass\nresult = {expression}", files)
        assert folding.names["result"] == expected, expression


def test_written_files_can_be_run() -> None:
    """A file that the script writes is there for what it runs afterwards."""
    source = "import tempfile, os, runpy\nd = tempfile.mkdtemp()\np = os.path.join(d, 'x.py')\n"
    source += (
        "with open(p, 'w') as f:\n    f.write('print(1)')\n    f.write('#')\nrunpy.run_path(p, run_name='__main__')\n"
    )
    folding = fold(source)
    assert folding.workspace.read(str(folding.executed[0].path)) == b"print(1)#"


def test_functions_are_followed_with_their_arguments() -> None:
    """Calls of the script's own functions carry known arguments to what they execute."""
    source = "def go(a, *, b='y'):\n    exec(a + b)\ndef main():\n    go('x', b='z')\n"
    source += "if __name__ == '__main__':\n    main()\n"
    assert [event.data for event in executed(source)] == ["xz"]
    assert [
        event.data for event in executed("import threading\nthreading.Thread(target=lambda: exec('x')).start()")
    ] == ["x"]


def test_conditions_that_are_not_known_leave_both_values_open() -> None:
    """A script cannot show one payload and run another: what depends on the environment is unknown."""
    source = "import os\nif os.environ.get('A'):\n    p = 'one'\nelse:\n    p = 'two'\nexec(p)\n"
    assert isinstance(executed(source)[0].data, Unknown)
    assert isinstance(value("'a' if input() else 'b'"), Unknown)
    same = "if input():\n    p = 'one'\nelse:\n    p = 'one'\nexec(p)\n"
    assert executed(same)[0].data == "one"
    leaves = "p = 'one'\nif input():\n    p = 'two'\n    raise ValueError\nexec(p)\n"
    assert executed(leaves)[0].data == "one"


def test_loops_and_handlers() -> None:
    """Loops over known values run through; handlers are looked into, and do not change what follows."""
    source = (
        "code = ''\nfor part in ['a', 'b', 'c']:\n    if part == 'c':\n        break\n    code += part\nexec(code)\n"
    )
    assert executed(source)[0].data == "ab"
    source = "p = 'a'\ntry:\n    import x\nexcept ImportError:\n    p = 'b'\n    exec('c')\nexec(p)\n"
    assert [event.data for event in executed(source)] == ["c", "a"]
    assert value("n", "n = 0\nwhile n < 5:\n    n += 1\n") == 5


@pytest.mark.parametrize(
    "source",
    [
        "while True:\n    pass\n",
        "for i in range(1000000):\n    for j in range(1000000):\n        pass\n",
        "def f(n):\n    return f(n + 1)\nf(0)\n",
        "def f():\n    f()\n    f()\nf()\n",
        "x = 'a' * 8000000\n" + "y = x.replace('b', 'c')\n" * 500,
        "x = [1]\nfor i in x:\n    x.append(1)\n",
        "f = lambda: f()\nf()\n",
        "x = " + "(" * 90 + "1" + ")" * 90 + "".join(f"\nx = (x, x, {n})" for n in range(200)),
        "x = " + "-" * 900 + "1\nexec('a')",
        "1[2] = 3\n",
        "a, b = 1\nfor c, (d, e) in [1, 2]: pass\n",
        "x = {}\nx[0:1] = 2\ndel x\nglobal y\n",
    ],
    ids=range(12),
)
def test_folding_ends(source: str) -> None:
    """Endless loops, recursion and floods of copies end at a limit, within seconds."""
    started = time.process_time()
    fold(source)
    assert time.process_time() - started < 5


def test_launches_of_files_of_the_folder() -> None:
    """Processes that start a Python file of the folder are seen, others are not."""
    files = {"train.py": b"print(1)"}
    for call in (
        "subprocess.run([sys.executable, 'train.py', *sys.argv[1:]])",
        "subprocess.check_call(['torchrun', '--nproc', '8', str(Path(__file__).with_name('train.py'))])",
        "os.system('python train.py')",
        "os.execv(sys.executable, [sys.executable, 'train.py'])",
    ):
        found = executed(f"import subprocess, sys, os\nfrom pathlib import Path\n{call}\n", files)
        assert [event.path and event.path.removeprefix(FOLDER + "/") for event in found] == ["train.py"], call
    assert not executed("import subprocess\nsubprocess.run(['nvidia-smi'])", files)


@given(st.text(alphabet="abx01'\"()[]{}=+*%.,: \nifor", max_size=120))
@settings(max_examples=300, deadline=None)
def test_any_code(source: str) -> None:
    """Whatever parses is folded without an exception."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    Folding(Workspace({}), f"{FOLDER}/x.py").run(tree)
