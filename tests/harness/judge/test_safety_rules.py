"""Rules about what a program does to the machine, its libraries and its reviewer."""

from __future__ import annotations

import base64
import zlib

import pytest
from tests_support.cases import COMPLETE, findings_of

from harness.model.findings import Finding, Outcome, Severity


def found(rule: str, script: str) -> list[Finding]:
    """Findings, passes left out, of one rule on the complete submission with another script."""
    return [f for f in findings_of({**COMPLETE, "train_gpt.py": script}, rule) if f.outcome is not Outcome.PASS]


GENERATES = "def go(t):\n    return compile(t, 'x', 'exec')\nprint(go(input()))\n"


@pytest.mark.parametrize(
    ("rule", "script", "severity"),
    [
        ("PG701", GENERATES, Severity.DECISION),
        ("PG702", "import time\ntime.perf_counter = lambda: 0.0\nprint(1)\n", Severity.DECISION),
        ("PG702", "import torch.nn.functional as F\nF.cross_entropy = print\nprint(1)\n", Severity.DECISION),
        ("PG702", "import torch\ntorch.compile = lambda f: f\nprint(1)\n", Severity.ADVICE),
        ("PG703", "import subprocess\nsubprocess.run(['lrzip', '-z', 'x'])\n", Severity.ADVICE),
        ("PG703", "import ctypes\nctypes.CDLL('./x.so')\n", Severity.ADVICE),
        ("PG704", "import os\nprint(1)\nos._exit(0)\n", Severity.ADVICE),
        ("PG704", "import shutil\nshutil.rmtree('logs')\n", Severity.ADVICE),
        ("PG705", "import os\nprint(os.environ.get('GITHUB_ACTIONS'))\n", Severity.DECISION),
        ("PG705", "import sys\nprint(sys.gettrace())\n", Severity.DECISION),
        ("PG705", "import os\nprint(os.environ.get('HF_TOKEN'))\n", Severity.ADVICE),
    ],
)
def test_listed(rule: str, script: str, severity: Severity) -> None:
    """Each is listed with its line, and none of them accuses."""
    (finding,) = found(rule, script)
    assert (finding.outcome, finding.severity, finding.violation_class) == (Outcome.WARN, severity, None)
    assert finding.evidence[0].line


@pytest.mark.parametrize(
    "script",
    [
        "import subprocess\nprint(subprocess.run(['nvidia-smi']))\n",
        "import os, sys, warnings\nos.environ.setdefault('A', '1')\nsys.path.insert(0, '.')\nwarnings.simplefilter()\n",
        "import torch\ntorch.backends.cuda.matmul.allow_tf32 = True\ntorch._dynamo.config.cache_size_limit = 8\n",
        "import os\nos.remove('final_model.pt')\nprint(os.environ.get('SMOKE_TEST'), os.environ.get('BOS_TOKEN'))\n",
    ],
)
def test_usual(script: str) -> None:
    """Idioms of the field are no findings of this family."""
    for rule in ("PG702", "PG703", "PG704", "PG705"):
        assert found(rule, script) == []


def test_unpacked() -> None:
    """PG701 passes a wrapper that was unpacked."""
    inner = base64.b85encode(zlib.compress(b"print('hello')\n" * 20)).decode()
    script = f"import zlib, base64\nexec(zlib.decompress(base64.b85decode({inner!r})))\n"
    assert found("PG701", script) == []
    assert [f.outcome for f in findings_of({**COMPLETE, "train_gpt.py": script}, "PG701")] == [Outcome.PASS]
