"""Wrappers looked through, and those that are not."""

from __future__ import annotations

import ast
import base64
import bz2
import gzip
import hashlib
import json
import lzma
import zlib
from collections.abc import Mapping

import pytest

from harness.observe.reading.source.folding.payload import MAX_OUTPUT
from harness.observe.reading.source.unwrap import MAX_LAYERS, Unwrapped, unwrap

PROGRAM = "import torch\n\n\ndef main():\n    print('training')\n\n\nif __name__ == '__main__':\n    main()\n"
RAW = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20, "lc": 1}]
DELTA = [{"id": lzma.FILTER_DELTA, "dist": 1}, {"id": lzma.FILTER_LZMA2}]


def b85(data: bytes) -> str:
    """`data` as base85 text."""
    return base64.b85encode(data).decode()


def raw(text: str, filters: list[dict[str, int]]) -> bytes:
    """`text` as raw LZMA data."""
    return lzma.compress(text.encode(), lzma.FORMAT_RAW, filters=filters)


def look(source: str, files: Mapping[str, bytes] | None = None, path: str = "train_gpt.py") -> Unwrapped:
    """`source` unwrapped among `files`."""
    return unwrap(path, source, files or {})


XZ = b85(lzma.compress(PROGRAM.encode()))
RAW_TEXT = b85(raw(PROGRAM, RAW))
B64 = base64.b64encode(zlib.compress(PROGRAM.encode())).decode()
WRAPPERS = {
    f"import lzma,base64;exec(lzma.decompress(base64.b85decode('{XZ}')))": ("b85", "lzma"),
    f"import lzma as L,base64 as B\nexec(L.decompress(B.b85decode('{XZ}')).decode())": ("b85", "lzma"),
    f"import lzma as L,base64 as B\nexec(L.decompress(B.b85decode('{RAW_TEXT}'),format=L.FORMAT_RAW,"
    "filters=[{'id':L.FILTER_LZMA2,'dict_size':1<<20,'lc':1}]))": ("b85", "lzma-raw"),
    f"import lzma,base64\nexec(lzma.decompress(base64.b85decode('{b85(raw(PROGRAM, DELTA))}'),lzma.FORMAT_RAW,None,"
    "[{'id':lzma.FILTER_DELTA,'dist':1},{'id':lzma.FILTER_LZMA2,'preset':9|lzma.PRESET_EXTREME}]))": (
        "b85",
        "lzma-raw",
    ),
    f"from base64 import b64decode as d\nfrom zlib import decompress\nexec(decompress(d(b'{B64}')).decode())": (
        "b64",
        "zlib",
    ),
    f"from zlib import *\nfrom base64 import *\nexec(decompress(b64decode('{B64}')))": ("b64", "zlib"),
    f"exec(__import__('zlib').decompress(__import__('base64').b64decode('{B64}')))": ("b64", "zlib"),
    f"import gzip,binascii\nexec(gzip.decompress(binascii.unhexlify('{gzip.compress(PROGRAM.encode()).hex()}')))": (
        "hex",
        "gzip",
    ),
    f"import bz2\nexec(bz2.decompress(bytes.fromhex('{bz2.compress(PROGRAM.encode()).hex()}')))": ("hex", "bz2"),
    f"import bz2,base64\nexec(bz2.BZ2Decompressor().decompress(base64.a85decode("
    f"{base64.a85encode(bz2.compress(PROGRAM.encode())).decode()!r})))": ("a85", "bz2"),
    f"import codecs,zlib\nexec(zlib.decompress(codecs.decode('{B64}'.encode(),'base64')))": ("b64", "zlib"),
    f"import lzma,base64,linecache\nS=lzma.decompress(base64.b85decode('{XZ}'))\nS=S.decode()\nF=__file__+'.py'\n"
    "linecache.cache[F]=(len(S),None,S.splitlines(True),F)\nexec(compile(S,F,'exec'))": ("b85", "lzma"),
    f"import lzma,base64\n_D=('{XZ[:20]}','{XZ[20:]}')\nexec(lzma.decompress(base64.b85decode(''.join(_D))))": (
        "b85",
        "lzma",
    ),
    f"import lzma,base64\n_b=b'''\n{XZ[:40]}\n{XZ[40:]}\n'''\n"
    "exec(lzma.decompress(base64.b85decode(_b.replace(b'\\n',b''))))": (
        "b85",
        "lzma",
    ),
    f"import lzma,base64\nx='{XZ[::-1]}'[::-1]\nif True:\n    exec(eval('lzma.decompress(base64.b85decode(x))'))": (
        "b85",
        "lzma",
    ),
    f"import lzma,base64,builtins\ngetattr(builtins,'ex'+'ec')(lzma.decompress(base64.b85decode('{XZ}')))": (
        "b85",
        "lzma",
    ),
    f"import lzma,base64\ndef run(t):\n    exec(lzma.decompress(base64.b85decode(t)))\nrun('{XZ}')": ("b85", "lzma"),
    f"import lzma,base64\nexec(compile(lzma.decompress(base64.b85decode('{XZ}')),'<string>','exec'),globals())": (
        "b85",
        "lzma",
    ),
    f"import lzma,base64,tempfile,os,runpy\nc=lzma.decompress(base64.b85decode('{XZ}'))\nd=tempfile.mkdtemp()\n"
    "f=os.path.join(d,'train_gpt.py')\nopen(f,'wb').write(c)\nrunpy.run_path(f,run_name='__main__')": (
        "b85",
        "lzma",
        "runpy",
    ),
    f"import lzma,base64,importlib.util as I,os,sys\nc=lzma.decompress(base64.b85decode('{XZ}'))\np='/tmp/inner.py'\n"
    "if not os.path.exists(p):\n    with open(p,'wb') as f:f.write(c)\ns=I.spec_from_file_location('__main__',p)\n"
    "m=I.module_from_spec(s)\nsys.modules['__main__']=m\ns.loader.exec_module(m)": ("b85", "lzma", "import"),
}


@pytest.mark.parametrize("source", WRAPPERS, ids=range(len(WRAPPERS)))
def test_wrappers_are_looked_through(source: str) -> None:
    """The program comes out, with its codecs, its size and its hash; nothing is opaque."""
    found = look(source)
    assert found.innermost == PROGRAM
    assert found.opaque is None
    fact = found.layers[0].fact
    assert fact.codecs == WRAPPERS[source]
    assert fact.bytes_out == len(PROGRAM)
    assert fact.sha256 == hashlib.sha256(PROGRAM.encode()).hexdigest()
    assert fact.target is None
    assert fact.bytes_in > 0


FILES = {
    "train_impl.py": PROGRAM.encode(),
    "train_gpt_decode.py": PROGRAM.encode(),
    "code.lzma": lzma.compress(PROGRAM.encode()),
    "bundle.json": json.dumps({"a.py": "x = 1", "main.py": PROGRAM}).encode(),
    "vendor/deep/cli.py": PROGRAM.encode(),
}
SHIMS = {
    "exec(open(__file__.replace('train_gpt.py','train_gpt_decode.py')).read())": ("train_gpt_decode.py", ("open",)),
    "exec(open('train_impl.py').read())": ("train_impl.py", ("open",)),
    "from pathlib import Path\nexec(compile(Path(__file__).with_name('train_impl.py').read_text(),'x','exec'))": (
        "train_impl.py",
        ("open",),
    ),
    "import runpy,os\nrunpy.run_path(os.path.join(os.path.dirname(__file__),'train_impl.py'),run_name='__main__')": (
        "train_impl.py",
        ("runpy",),
    ),
    "import runpy\nrunpy.run_module('train_impl', run_name='__main__')": ("train_impl.py", ("runpy",)),
    "from train_impl import main\n\nif __name__ == '__main__':\n    main()\n": ("train_impl.py", ("import",)),
    "import sys\nimport train_impl as t\ndef cli():\n    return t.main()\nsys.exit(cli())\n": (
        "train_impl.py",
        ("import",),
    ),
    "import train_impl  # noqa: F401\n": ("train_impl.py", ("import",)),
    "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parent / 'vendor'))\n"
    "from deep.cli import main\nmain()\n": ("vendor/deep/cli.py", ("import",)),
    "import lzma,os\nexec(lzma.decompress(open(os.path.join(os.path.dirname(__file__),'code.lzma'),'rb').read()))": (
        "code.lzma",
        ("lzma",),
    ),
    "import lzma,pathlib\nexec(lzma.open(pathlib.Path(__file__).with_name('code').with_suffix('.lzma')).read())": (
        "code.lzma",
        ("lzma",),
    ),
    "import json\nb=json.loads(open('bundle.json').read())\nfor n,c in b.items():\n    open(n,'w').write(c)\n"
    "exec(compile(b['main.py'],'main.py','exec'))": ("bundle.json", ("open",)),
    "import subprocess,sys\nsys.exit(subprocess.run([sys.executable,'train_impl.py',*sys.argv[1:]]).returncode)": (
        "train_impl.py",
        ("subprocess",),
    ),
}


@pytest.mark.parametrize("source", SHIMS, ids=range(len(SHIMS)))
def test_shims_lead_to_the_file_they_start(source: str) -> None:
    """A script that only starts another file of the folder is looked through, and names the file."""
    found = look(source, FILES)
    assert found.innermost == PROGRAM
    assert (found.layers[0].fact.target, found.layers[0].fact.codecs) == SHIMS[source]
    assert found.opaque is None


ELSEWHERE = """\
import runpy
from pathlib import Path

folder = Path(__file__).resolve().parents[3] / "records" / "track" / "x"
runpy.run_path(str(folder / "train_gpt.py"))
"""
BOMB = zlib.compress(bytes(MAX_OUTPUT + 1), 9).hex()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import brotli,base64\nexec(brotli.decompress(base64.b85decode('abcde')))", "brotli"),
        ("import marshal\nexec(marshal.loads(b'x'))", "marshal"),
        ("import lzma,base64\nexec(lzma.decompress(base64.b85decode('" + XZ[:-30] + "')))", "ends early"),
        ("exec(open('other.py').read())", "other.py"),
        (ELSEWHERE, "records/track/x/train_gpt.py"),
        ("from train_other import main\nmain()\n", "train_other"),
        ("import os\nexec(os.environ['CODE'])", "not known"),
        ("import urllib.request as u\nexec(u.urlopen('http://x').read())", "not folded"),
        (f"import zlib\nexec(zlib.decompress(bytes.fromhex('{BOMB}')))", "more than"),
        ("import time\nwhile time.time():\n    pass\nfor i in range(999999):\n    pass\nexec('x')", "stopped"),
    ],
)
def test_what_cannot_be_read_is_opaque(source: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrapper that cannot be looked through says why, and where."""
    monkeypatch.setitem(__import__("sys").modules, "brotli", None)
    found = look(source)
    assert not found.layers
    assert found.opaque is not None
    assert reason in found.opaque.value
    assert found.opaque.at.path == "train_gpt.py"


BIG = "import os\n\n\n" + "".join(f"def function_{n}(argument):\n    return argument + {n}\n\n\n" for n in range(200))


@pytest.mark.parametrize(
    "source",
    [
        PROGRAM,
        "",
        "x = (",
        BIG + "source = f'def f(x): return x * {2}'\nexec(source, {})\n",
        BIG + f"import base64\nexec(base64.b64decode('{base64.b64encode(b'y = 1').decode()}'))\n",
        f"import lzma,base64\ndata=lzma.decompress(base64.b85decode('{XZ}'))\nprint(len(data))\n",
        "import train_impl as t\nmodel = t.Model()\nmodel.eval()\nprint(t.score(model))\n",
        "from train_impl import build, train\nbuild()\ntrain()\n",
        "from .train_impl import main, other\n\n__all__ = ['main', 'other']\n",
        "import subprocess\nsubprocess.run(['nvidia-smi'])\n",
        BIG + "exec(open('train_impl.py').read())\n",
    ],
    ids=range(11),
)
def test_other_scripts_stay_themselves(source: str) -> None:
    """Plain programs, data that is only decoded, small generated code, tests and packages are no wrappers."""
    found = look(source, FILES)
    assert found.innermost == source
    assert (found.layers, found.opaque) == ((), None)


def test_layers_in_layers() -> None:
    """A wrapper in a wrapper is looked through, with names that only the outer one imports."""
    inner = f"exec(L.decompress(B.b85decode('{XZ}')))"
    packed = b85(lzma.compress(inner.encode()))
    found = look(f"import lzma as L,base64 as B\nexec(L.decompress(B.b85decode('{packed}')))")
    assert found.innermost == PROGRAM
    assert [layer.fact.bytes_out for layer in found.layers] == [len(inner), len(PROGRAM)]


def test_the_number_of_layers_is_limited() -> None:
    """Wrappers inside one another end at a limit; a script that starts itself does not go on for ever."""
    text = PROGRAM
    for _ in range(MAX_LAYERS + 1):
        text = f"import lzma,base64;exec(lzma.decompress(base64.b85decode('{b85(lzma.compress(text.encode()))}')))"
    found = look(text)
    assert len(found.layers) == MAX_LAYERS
    assert found.opaque is not None
    assert str(MAX_LAYERS) in found.opaque.value
    itself = "exec(open(__file__).read())\n"
    assert look(itself, {"train_gpt.py": itself.encode()}).layers == ()


def test_python_312_inside_a_wrapper() -> None:
    """A program that needs the newer grammar is parsed inside its wrapper too."""
    program = 'd = {"k": 1}\nprint(f"{d["k"]}")\n' * 3
    found = look(
        f"import lzma,base64\nexec(lzma.decompress(base64.b85decode('{b85(lzma.compress(program.encode()))}')))"
    )
    assert found.innermost == program
    assert found.parsed.grammar == "3.12"


def test_a_bundle_of_files() -> None:
    """Files that a wrapper unpacks beside the program can be read by whoever looks at its imports."""
    runner = "import sys\nimport helper\nimport main_part\nargs = helper.parse()\nmain_part.train(args)\n"
    parts = "\n#####\n".join([runner, "def parse(): return 1\n", PROGRAM * 20])
    packed = b85(lzma.compress(parts.encode()))
    source = (
        f"import lzma,base64,tempfile,os,sys\np=lzma.decompress(base64.b85decode('{packed}')).decode()\n"
        "p=p.split('\\n#####\\n')\nd=tempfile.mkdtemp()\n"
        "for n,c in zip(['run.py','helper.py','main_part.py'],p):\n open(os.path.join(d,n),'w').write(c)\n"
        "sys.path.insert(0,d)\nexec(open(os.path.join(d,'run.py')).read())\n"
    )
    found = look(source)
    assert [layer.text for layer in found.layers] == [runner, PROGRAM * 20]
    assert found.layers[1].fact.codecs == ("b85", "lzma", "import")
    assert sorted(name.split("/")[-1] for name in found.written) == ["helper.py", "main_part.py", "run.py"]
    assert found.search


def test_code_beside_the_program_is_kept() -> None:
    """Modules that a full program carries as text and executes are listed, and the program stays itself."""
    module = "def helper(x):\n    return x\n" * 3
    install = "def install(name, text):\n    m = types.ModuleType(name)\n    m.__file__ = name\n"
    install += "    exec(compile(text, m.__file__, 'exec'), m.__dict__)\n"
    source = BIG + f"import types\n{install}install('m', {module!r})\nexec({module!r}, types.__dict__)\n"
    found = look(source)
    assert found.innermost == source
    assert [layer.text for layer in found.embedded] == [module, module]


def test_a_decoy_does_not_hide_what_cannot_be_read() -> None:
    """Where one payload is decoded and another is not, the program comes out and the rest is named."""
    source = f"import lzma,base64,os\nexec(lzma.decompress(base64.b85decode('{XZ}')))\nexec(os.environ['MORE'])\n"
    found = look(source)
    assert found.innermost == PROGRAM
    assert found.opaque is not None
    assert found.opaque.at.line == 3


def test_lines_are_those_of_the_text() -> None:
    """A layer and a reason name the line where the code is executed."""
    source = f"import lzma\nimport base64\n\nx = '{XZ}'\nexec(\n    lzma.decompress(base64.b85decode(x)))\n"
    assert look(source).layers[0].fact.line == 5
    assert ast.parse(source).body[-1].lineno == 5
