"""Weights that are read back are made larger once, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from harness.observe.cpu_run.guest import sharpening
from harness.observe.cpu_run.guest.files import Files


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """What torch does is put back after each test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Module, "load_state_dict", torch.nn.Module.load_state_dict)
        yield


def _loaded(weight: float = 1.0) -> torch.nn.Linear:
    module = torch.nn.Linear(2, 2)
    module.load_state_dict({"weight": torch.full((2, 2), weight), "bias": torch.ones(2)})
    return module


def test_only_what_was_read_back() -> None:
    """Matrices of the first module that is given weights after a file was read back; gains and biases stay."""
    files = Files()
    sharpening.install(files, 16.0)
    assert _loaded().weight.eq(1).all(), "nothing was read back: these are weights of training"
    files.read["model.bin"] = 1
    sharp = _loaded()
    assert sharp.weight.eq(16).all()
    assert sharp.bias.eq(1).all()
    assert _loaded(3.0).weight.eq(3).all(), "weights of later come of these"


def test_not_asked_for() -> None:
    """A factor of 1 leaves torch as it is."""
    load = torch.nn.Module.load_state_dict
    files = Files()
    files.read["model.bin"] = 1
    sharpening.install(files, 1.0)
    assert torch.nn.Module.load_state_dict is load
    assert _loaded().weight.eq(1).all()
