"""What a run prints of sizes against what it wrote, read and executed, in a real sandbox."""

from __future__ import annotations

import textwrap

import pytest
from tests_support.cases import facts_of
from tests_support.sandbox import needs_sandbox

from harness.model.cpu_run import CpuRunFacts
from harness.observe.cpu_run.runner import CpuRunner

SCRIPT = """
import os, pathlib, zlib
import torch
import helper

layer = torch.nn.Linear(30, 40)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
layer(torch.ones(30)).sum().backward()
optimizer.step()
torch.save(layer.state_dict(), "final_model.pt")
torch.load("final_model.pt")
torch.load("final_model.pt")
raw = open("table.bin", "rb").read()
blob = zlib.compress(pathlib.Path("final_model.pt").read_bytes())
open("final_model.ptz", "wb").write(blob)
code = len(pathlib.Path(__file__).read_text().encode())
print(f"Code size: {code} bytes")
print(f"Serialized model int8+zlib: {len(blob)} bytes")
print(f"Total submission size int8+zlib: {len(blob) + code:,} bytes")
open("final_model.ptz", "rb").read()
"""


@pytest.fixture(scope="module")
def run(runner: CpuRunner) -> CpuRunFacts:
    """The run of a script that writes a raw checkpoint and an artifact, with a helper and a table beside it."""
    files = {
        "train_gpt.py": textwrap.dedent(SCRIPT).replace("\n", "\r\n").encode(),
        "helper.py": b"size = 1\n",
        "unused.py": b"size = 2\n",
        "table.bin": bytes(900),
    }
    return runner.run(facts_of(files), files)


@needs_sandbox
def test_files(run: CpuRunFacts) -> None:
    """When files were written and read last, also those that no event of Python tells of."""
    assert run.failure is None
    files = {file.path: file for file in run.files}
    raw, artifact = files["final_model.pt"], files["final_model.ptz"]
    assert raw.reloaded
    assert artifact.reloaded
    assert raw.read is not None
    assert artifact.written is not None
    assert artifact.read is not None
    assert raw.read < artifact.written < artifact.read


@needs_sandbox
def test_sizes(run: CpuRunFacts) -> None:
    """The printed sizes, the code that ran in both of its sizes, and what of the folder was read."""
    weighed = run.weighed
    assert weighed is not None
    assert weighed.total is not None
    assert weighed.code is not None
    assert weighed.model is not None
    artifact = next(file for file in run.files if file.path == "final_model.ptz")
    assert weighed.model.value == artifact.size
    assert weighed.total.value == artifact.size + weighed.code.value
    program = {code.path: (code.size, code.read_as) for code in weighed.program}
    lines = SCRIPT.count("\n")
    assert program == {
        "helper.py": (9, 9),
        "train_gpt.py": (weighed.code.value + lines, weighed.code.value),
    }
    assert [(file.path, file.size) for file in weighed.shipped] == [("table.bin", 900)]
