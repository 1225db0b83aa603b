"""Tensors without content hold zeros, whatever lay in their memory before."""

from __future__ import annotations

import torch

from harness.observe.cpu_run.guest import fidelity
from harness.observe.cpu_run.guest.cuda import memory


def test_nothing_of_what_was_freed_comes_back(shim):
    """Every way of making a tensor without content gives zeros, on every device, in every type."""

    def inside():
        made = []
        for _ in range(20):
            used = torch.full((1 << 12,), float("nan"))
            del used
            like = torch.ones(1 << 12, device="cuda", requires_grad=True)
            made += [
                torch.empty(1 << 12), torch.empty(64, 64, device="cuda", requires_grad=True), torch.empty_like(like),
                torch.empty_strided((64, 64), (64, 1)), like.new_empty(1 << 12), torch.empty(8, dtype=torch.bool),
                torch.empty(1 << 12, dtype=torch.float8_e4m3fn).float(),
            ]  # fmt: skip
        assert not any(tensor.any() for tensor in made)
        assert made[1].requires_grad
        assert made[1].is_cuda
        assert memory.NAME in fidelity.taken()

    shim(inside)


def test_parameters_that_no_initialisation_reaches(shim):
    """A module that is moved from the meta device starts with zeros."""

    def inside():
        with torch.device("meta"):
            layer = torch.nn.Linear(64, 64)
        moved = layer.to_empty(device="cuda")
        assert not any(parameter.any() for parameter in moved.parameters())

    shim(inside)
