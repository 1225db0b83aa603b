"""Facts of whole scripts."""

from __future__ import annotations

import base64
import hashlib
import lzma
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.source import ScriptFacts
from harness.observe.reading.source.script import read_script

PROGRAM = """\
import os
import torch
from helper import thing


class Hyperparameters:
    seed = int(os.environ.get("SEED", 1337))


class Model(torch.nn.Module):
    def forward(self, x):
        return x


async def later():
    import brotli


if __name__ == "__main__":
    print(thing)
"""


def facts(data: bytes, **files: bytes) -> ScriptFacts:
    """Facts of `train_gpt.py` with these bytes; other files by their stem."""
    found = read_script("train_gpt.py", data, {f"{name}.py": text for name, text in files.items()}).facts
    assert ScriptFacts.model_validate_json(found.model_dump_json()) == found
    return found


def test_a_plain_script() -> None:
    """Counts, grammar, imports, reads and frameworks of an ordinary script."""
    data = PROGRAM.encode()
    found = facts(data, helper=b"thing = 1")
    digest = hashlib.sha256(data).hexdigest()
    assert (found.path, found.bytes, found.lines, found.sha256) == ("train_gpt.py", len(data), 20, digest)
    assert (found.decoded_bytes, found.decoded_sha256, found.layers, found.opaque) == (len(data), digest, (), None)
    assert (found.grammar, found.error, found.language) == ("3.11", None, "python")
    assert (found.functions, found.classes, found.runnable, found.frameworks) == (2, 2, True, ("torch",))
    assert found.settings_class is not None
    assert (found.settings_class.value, found.settings_class.at.line) == ("Hyperparameters", 6)
    assert found.settings_class.text == "class Hyperparameters:"
    assert [(read.name, read.default, read.layer) for read in found.env] == [("SEED", 1337, 0)]
    assert {fact.module: fact.group for fact in found.imports} == {
        "os": "stdlib",
        "torch": "third_party",
        "helper": "local",
        "brotli": "third_party",
    }


def test_a_wrapped_script() -> None:
    """Facts of the program come from its innermost text; each fact names its layer."""
    packed = base64.b85encode(lzma.compress(PROGRAM.encode())).decode()
    data = f"import lzma as L,base64 as B\nexec(L.decompress(B.b85decode('{packed}')))".encode()
    reading = read_script("train_gpt.py", data, {})
    found = reading.facts
    assert reading.texts == (data.decode(), PROGRAM)
    assert reading.parsed.source == PROGRAM
    assert (found.bytes, found.decoded_bytes) == (len(data), len(PROGRAM))
    assert found.decoded_sha256 == hashlib.sha256(PROGRAM.encode()).hexdigest()
    assert [layer.codecs for layer in found.layers] == [("b85", "lzma")]
    assert {fact.module: (fact.layer, fact.group) for fact in found.imports} == {
        "lzma": (0, "stdlib"),
        "base64": (0, "stdlib"),
        "os": (1, "stdlib"),
        "torch": (1, "third_party"),
        "helper": (1, "missing"),
        "brotli": (1, "third_party"),
    }
    assert found.env[0].layer == 1
    assert found.settings_class is not None
    assert found.settings_class.at.layer == 1


@pytest.mark.parametrize(
    ("source", "runnable"),
    [
        ("def f(): pass\n", False),
        ("'''Only words.'''\nX = 1\n", False),
        ("import sys\nsys.path.insert(0, '.')\nimport warnings\nwarnings.filterwarnings('ignore')\n", False),
        ("import torch\ntorch.backends.cuda.enable_flash_sdp(True)\ntorch.set_num_threads(1)\n", False),
        ("def f(): pass\nf()\n", True),
        ("if '__main__' == __name__:\n    pass\n", True),
        ("for x in y: pass\n", True),
        ("try:\n    main()\nfinally:\n    pass\n", True),
        ("app = modal.App()\n@app.local_entrypoint()\ndef go(): pass\n", True),
        ("@click.command()\ndef go(): pass\n", True),
        ("if __name__ == '__main__':\n    main(\n", True),
        ("x = (\n", False),
    ],
)
def test_runnable(source: str, runnable: bool) -> None:
    """A script that does something is told from a module, even where it does not parse."""
    assert facts(source.encode()).runnable is runnable


@pytest.mark.parametrize(
    ("source", "frameworks"),
    [
        ("import mlx.core as mx\nimport jax\n", ("mlx", "jax")),
        ("from tensorflow import keras\n", ("tensorflow",)),
        ("try:\n    import modal\nexcept ImportError:\n    pass\n", ("modal",)),
        ("import os\n", ()),
    ],
)
def test_frameworks(source: str, frameworks: tuple[str, ...]) -> None:
    """The frameworks that a script imports, in a fixed order."""
    assert facts(source.encode()).frameworks == frameworks


def test_code_beside_the_program_is_listed() -> None:
    """Code that a program carries as text and executes is a fact of its own."""
    module = "def helper(x):\n    return x\n"
    found = facts(f"{PROGRAM * 3}\nexec({module!r}, {{}})\n".encode())
    assert found.layers == ()
    assert [(layer.bytes_out, layer.codecs) for layer in found.embedded] == [(len(module), ())]


def test_a_script_that_does_not_parse() -> None:
    """The error names its line; the rest of the facts is still there."""
    found = facts(b"import os\nx = [\n")
    assert found.grammar is None
    assert found.error is not None
    assert (found.error.at.line, found.error.text) == (2, "x = [")
    assert (found.lines, found.functions) == (2, 0)


def test_grammar_of_python_312() -> None:
    """A script that only Python 3.12 accepts is read all the same, at its own lines."""
    found = facts(b'import os\nx = {"k": 1}\nprint(f"{x["k"]}")\ny = os.environ.get("A", 1)\n')
    assert (found.grammar, found.error) == ("3.12", None)
    assert found.env[0].line == 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xef\xbb\xbfx = 1\r\ny = 2\r\n",
        "x = 1\n".encode("utf-16"),
        b"\x00" * 5000,
        bytes(range(256)) * 40,
        b"x = '" + b"\xff\xfe" * 100 + b"'\n",
        b"(" * 5000,
        b"exec(" * 180 + b")" * 180,
        b"import os\nos" + b".environ" * 3000,
        b"a" * 3_000_000,
        b"x = f'" + b"{x" * 500,
        b"if x:\n" + b" exec('a')\n" * 20_000,
        b"from " + b"." * 3000 + b" import x\n",
        b"import os\nx = " + b"lambda: " * 300 + b"os.environ.get('A')\n",
        b"x = os.environ.get(" + b"os.environ.get(" * 90 + b"'A'" + b")" * 91,
        b"import subprocess\n" + b"subprocess.run(['python', 'x.py'])\n" * 3000,
        b"def f(" + b",".join(b"a%d" % n for n in range(5000)) + b"): pass\nf()\n",
        "x = '\U0001f600\u202e'\nimport os\nos.environ['\u202e']\n".encode(),
    ],
    ids=range(18),
)
def test_hostile_bytes(data: bytes) -> None:
    """Binary, endless, deep and odd files give facts, never an exception."""
    found = facts(data)
    assert found.bytes == len(data)
    assert (found.grammar is None) == (found.error is not None)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes(data: bytes) -> None:
    """Any bytes are read."""
    facts(data)


@given(st.text(max_size=40), st.binary(max_size=60))
@settings(deadline=None)
def test_any_path_and_neighbour(path: str, data: bytes) -> None:
    """Odd names of the script and of its neighbours do no harm."""
    found = read_script(
        path, b"from x import main\nexec(open(__file__).read())\nmain()\n", {path + "x.py": data, path: data}
    )
    assert found.facts.path == path


def test_importing_the_reader_is_cheap() -> None:
    """The reader runs in a small process: neither torch nor numpy comes with it."""
    code = "import sys, harness.observe.reading.source.script; print(*{'torch', 'numpy', 'scipy'} & set(sys.modules))"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert outcome.stdout.strip() == ""
