"""What a program saved itself is loaded by torch's older default, unless it asks for weights only."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from harness.observe.cpu_run.guest import fidelity
from harness.observe.cpu_run.guest.stand_ins import provide_loading
from harness.observe.cpu_run.guest.stand_ins.loading import NAME


class Config:
    """An object that a checkpoint may hold."""

    width = 7


@pytest.fixture(autouse=True)
def _provided(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(torch, "load", torch.load)
    fidelity._used.discard(NAME)
    provide_loading()
    yield
    fidelity._used.discard(NAME)


def saved(what: object) -> io.BytesIO:
    """A file that holds it, and something else before it."""
    file = io.BytesIO(b"head")
    file.seek(4)
    torch.save(what, file)
    file.seek(4)
    return file


def test_objects_are_loaded_and_told_of(tmp_path: Path) -> None:
    """From an open file, at its place, and from a path; a second installation changes nothing."""
    provide_loading()
    assert torch.load(saved({"config": Config()}))["config"].width == 7
    assert NAME in fidelity.taken()
    torch.save({"config": Config()}, tmp_path / "model.pt")
    assert torch.load(tmp_path / "model.pt", map_location="cpu")["config"].width == 7


def test_weights_need_no_leniency() -> None:
    """Tensors are loaded as ever."""
    torch.testing.assert_close(torch.load(saved(torch.ones(3))), torch.ones(3))
    assert NAME not in fidelity.taken()


def test_what_is_asked_for_stays_refused() -> None:
    """A program that wants weights only gets no others; what is no checkpoint fails as ever."""
    with pytest.raises(pickle.UnpicklingError, match="Weights only"):
        torch.load(saved({"config": Config()}), weights_only=True)
    with pytest.raises((pickle.UnpicklingError, EOFError, RuntimeError)):
        torch.load(io.BytesIO(b"none"))
    assert NAME not in fidelity.taken()
