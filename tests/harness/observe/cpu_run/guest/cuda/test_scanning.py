"""Scans without a compiler, against loops."""

from __future__ import annotations

import pytest
import torch

from harness.observe.cpu_run.guest.cuda.scanning import associative_scan
from harness.observe.cpu_run.guest.fidelity import NotSupported


def decaying(left, right):
    """Two steps of h = d h + v, as one."""
    return left[0] * right[0], right[1] + right[0] * left[1]


@pytest.mark.parametrize("length", [1, 2, 3, 8, 13])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_is_a_loop(length, reverse):
    """A linear recurrence along the middle dimension, from either end; its gradients too."""
    decay = torch.rand(2, length, 3, dtype=torch.float64, requires_grad=True)
    value = torch.randn(2, length, 3, dtype=torch.float64, requires_grad=True)
    _, scanned = associative_scan(decaying, (decay, value), dim=1, reverse=reverse)
    memory, steps = torch.zeros(2, 3, dtype=torch.float64), {}
    for t in range(length)[:: -1 if reverse else 1]:
        memory = decay[:, t] * memory + value[:, t]
        steps[t] = memory
    looped = torch.stack([steps[t] for t in range(length)], 1)
    torch.testing.assert_close(scanned, looped)
    torch.testing.assert_close(
        torch.autograd.grad(scanned.square().sum(), value), torch.autograd.grad(looped.square().sum(), value)
    )


def test_programs_find_it_where_torch_has_it(shim):
    """Both ways of importing it; it runs under the patches without compiling anything."""

    def inside():
        from torch._higher_order_ops import associative_scan as short
        from torch._higher_order_ops.associative_scan import associative_scan as long

        x = torch.arange(5.0)
        assert short is long
        assert torch.equal(long(torch.add, x, dim=0), x.cumsum(0))

    shim(inside)


def test_functions_of_one_place_are_refused():
    """The generic mode gives the function one place at a time."""
    with pytest.raises(NotSupported):
        associative_scan(torch.add, torch.zeros(3), 0, combine_mode="generic")
