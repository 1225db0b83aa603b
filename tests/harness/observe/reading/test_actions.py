"""Actions of scripts: recognised by what the library calls them, with place and circumstances."""

from __future__ import annotations

import pytest

from harness.model.actions import Action, ActionKind
from harness.model.base import At, Fact
from harness.model.launch import BranchFact, LaunchFacts
from harness.observe.reading.actions.live import is_dead
from harness.observe.reading.actions.reader import MAX_ACTIONS, read_actions
from harness.observe.reading.source.grammar import parse


def actions(text: str) -> tuple[Action, ...]:
    """Actions of a text."""
    return read_actions("train_gpt.py", parse(text))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("from huggingface_hub import hf_hub_download as d\nd('a/b')\n", ActionKind.DOWNLOAD),
        ("import urllib.request as u\nu.urlretrieve('http://x')\n", ActionKind.DOWNLOAD),
        ("import subprocess as s\ns.run(['git', 'clone', 'x'])\n", ActionKind.DOWNLOAD),
        ("import os\nos.system('curl -O x')\n", ActionKind.DOWNLOAD),
        ("from transformers import AutoModel\nm = AutoModel.from_pretrained('x')\n", ActionKind.DOWNLOAD),
        (
            "import sys, subprocess\nsubprocess.check_call([sys.executable, '-m', 'pip', 'install', 'x'])\n",
            ActionKind.INSTALL,
        ),
        ("import subprocess\nsubprocess.run(['python', 'data/cached_challenge_fineweb.py'])\n", ActionKind.DATA_SCRIPT),
        ("import subprocess\nsubprocess.run(['gcc', '-O3', 'x.c'])\n", ActionKind.COMPILE),
        ("import subprocess\nsubprocess.run(['nvidia-smi'])\n", ActionKind.PROCESS),
        ("from ctypes import CDLL\nCDLL('./x.so')\n", ActionKind.LIBRARY),
        ("__import__('os')._exit(0)\n", ActionKind.EXIT),
        ("import time as t\nt.time = lambda: 0\n", ActionKind.REPLACE),
        ("import math\nsetattr(math, 'log', abs)\n", ActionKind.REPLACE),
        ("import torch.nn.functional as F\nF.cross_entropy = print\n", ActionKind.REPLACE),
        ("import zlib\nexec(zlib.decompress(open('x', 'rb').read()))\n", ActionKind.EXECUTE),
    ],
)
def test_kinds(text: str, kind: ActionKind) -> None:
    """Each kind is met under any alias, at its line."""
    (action,) = actions(text)
    assert action.kind is kind
    assert action.at.line == text.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        "class A:\n    def run(self): ...\nA().run(['git', 'clone'])\n",
        "def compile(x): ...\ncompile(1)\n",
        "import torch\nmodel = torch.compile(f)\nmodel.eval()\n",
        "import os\nos.environ.setdefault('A', 'pip install')\n",
        "import torch\ntorch.backends.cudnn.allow_tf32 = True\n",
        "class T:\n    pass\ntime = T()\ntime.time = 1\n",
        "exec('x = 1')\n",
    ],
)
def test_twins(text: str) -> None:
    """Names of the script's own, settings of libraries and constants are no actions."""
    assert actions(text) == ()


def test_renaming_changes_nothing() -> None:
    """The name that a script gives to a function does not move a finding."""
    one = "import subprocess\ndef fetch(a):\n    subprocess.run(['wget', a])\n"
    (first,) = actions(one)
    (second,) = actions(
        one.replace("fetch", "q")
        .replace("import subprocess", "import subprocess as z")
        .replace("    subprocess", "    z")
    )
    assert (first.kind, first.what, first.at.line, first.lazy) == (second.kind, second.what, second.at.line, True)


def test_guarded() -> None:
    """An action whose failure is caught is told apart."""
    text = "try:\n    import x\nexcept ImportError:\n    __import__('os').system('pip install x')\n"
    (action,) = actions(text)
    assert action.guarded


def test_many() -> None:
    """A hostile text with very many calls is cut, and long expressions do not recurse."""
    many = "import os\n" + "os.remove(a)\n" * (3 * MAX_ACTIONS) + "x = " + "-" * 50 + "1\n"
    assert len(actions(many)) == MAX_ACTIONS


def test_dead() -> None:
    """A line is dead inside a decided branch or an unreached function, of the same layer only."""
    at = At(path="a.py", line=5)
    branch = BranchFact(line=4, test="x", value=False, dead_first=5, dead_last=6)
    assert is_dead(LaunchFacts(script="a.py", reason="name", branches=(branch,)), at)
    function = Fact(value="f", at=At(path="a.py", line=1, end_line=9, layer=1))
    launch = LaunchFacts(script="a.py", reason="name", unreached=(function,))
    assert not is_dead(launch, at)
    assert is_dead(launch, at.model_copy(update={"layer": 1}))
