"""A training script in the style of the competition runs unchanged under the shim."""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import socket
from pathlib import Path

import torch

from harness.observe.cpu_run.guest import cuda, fidelity

PROGRAM = Path(__file__).with_name("program.py")
LAUNCHED = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}


def _printed() -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        runpy.run_path(str(PROGRAM), run_name="__main__")
    return text.getvalue()


def _check(text: str) -> None:
    losses = [float(loss) for loss in re.findall(r"step \d loss ([\d.]+)", text)]
    assert len(losses) == 8
    assert losses[-1] < losses[0] - 1
    assert "changed True" in text
    assert "keys module._orig_mod.embed.weight" in text


def test_trains_quantises_reloads_and_evaluates(shim):
    """The program runs to its end, learns, and its timings are those of the virtual clock."""

    def inside():
        text = _printed()
        _check(text)
        assert "step 0 loss" in text
        assert " 2ms" in text
        assert {"autocast", "cuda devices", "torch.compile", "one-process collectives"} <= fidelity.taken()

    shim(inside, **LAUNCHED)


def test_two_runs_are_the_same(shim, tmp_path):
    """Two children forked from the same state print the same, digit for digit."""
    for name in ("a", "b"):
        shim(lambda name=name: (tmp_path / name).write_text(_printed()), **LAUNCHED)
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text()


def test_products_in_float32_give_nearly_the_same_run(shim, tmp_path):
    """With and without bfloat16 units a run has the same losses up to the order of sums."""

    def emulated():
        cuda.precision.install(units=False)
        (tmp_path / "emulated").write_text(_printed())

    shim(lambda: (tmp_path / "own").write_text(_printed()), **LAUNCHED)
    shim(emulated, **LAUNCHED)
    own, other = (
        [float(loss) for loss in re.findall(r"step \d loss ([\d.]+)", (tmp_path / name).read_text())]
        for name in ("own", "emulated")
    )
    assert torch.allclose(torch.tensor(own), torch.tensor(other), atol=0.05)


def test_two_processes(shim, tmp_path):
    """Two real processes run the program over Gloo and both learn."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])

    def rank(number: int) -> None:
        os.environ.update({"RANK": str(number), "LOCAL_RANK": str(number)})
        cuda.use_processes()
        (tmp_path / str(number)).write_text(_printed())

    def both():
        child = os.fork()
        if child == 0:
            code = 1
            try:
                rank(1)
                code = 0
            finally:
                os._exit(code)
        rank(0)
        assert os.waitpid(child, 0)[1] == 0

    shim(both, WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    _check((tmp_path / "0").read_text())
    assert "changed True" in (tmp_path / "1").read_text()
