"""Launchers that modal would run."""

import importlib
import sys

import pytest

from harness.observe.cpu_run.guest.stand_ins import install, provide_modal

LAUNCHER = """
import modal

app = modal.App("golf")
image = modal.Image.debian_slim(python_version="3.11").pip_install("torch").add_local_file("a", "/b")
data = modal.Volume.from_name("data", create_if_missing=True)

def build(tag: str) -> modal.Image:
    return image

@app.function(image=image, gpu="H100:8", volumes={"/data": data}, timeout=60 * 60)
def train(seed, steps=1):
    data.commit()
    return seed * steps

@app.cls(gpu="H100")
class Trainer:
    @modal.enter()
    def load(self):
        self.base = 1

    @modal.method()
    def add(self, x):
        return self.base + x

@app.local_entrypoint()
def main(seed: int = 3):
    with modal.enable_output():
        return [train.remote(seed, steps=2), train.spawn(5).get(), *train.map([1, 2]), *train.starmap([(2, 3)])]
"""


@pytest.fixture(autouse=True)
def _as_before():
    """Nothing of modal stays after a test."""
    finders = list(sys.meta_path)
    yield
    sys.meta_path[:] = finders
    sys.modules.pop("modal", None)


@pytest.mark.skipif(importlib.util.find_spec("modal") is not None, reason="modal is installed")
def test_modal_is_missing_unless_it_launches():
    """A script that torchrun starts finds no modal."""
    install()
    with pytest.raises(ModuleNotFoundError, match="modal"):
        importlib.import_module("modal")


def test_a_launcher_runs_here():
    """Apps, images and volumes are declared, and functions run in every way that modal calls them."""
    provide_modal()
    names = {}
    exec(LAUNCHER, names)
    assert names["main"]() == [6, 5, 1, 2, 6]
    assert names["train"](4) == names["train"].local(4) == 4
    assert names["train"].__name__ == "train"
    trainer = names["Trainer"]()
    trainer.load()
    assert trainer.add.remote(2) == 3
