"""bfloat16: real storage, and products that are exact up to one rounding."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as functional

from harness.observe.cpu_run.guest import fidelity
from harness.observe.cpu_run.guest.cuda import precision


def test_storage_is_real(shim):
    """bfloat16 tensors have two bytes, and tricks with their bits work."""

    def inside():
        x = torch.tensor([1.0, -2.5, 3.14159], device="cuda").bfloat16()
        assert x.element_size() == 2
        assert torch.equal(x.view(torch.int16).cpu().view(torch.bfloat16), x)
        assert torch.equal(x.view(torch.uint8).view(torch.bfloat16), x)

    shim(inside)


def test_products_round_once(shim):
    """Without units every form of a product equals the float64 product of the same values, rounded once."""

    def inside():
        precision.install(units=False)
        a, b = torch.randn(24, 40).bfloat16(), torch.randn(40, 24).bfloat16()
        exact = a.double() @ b.double()
        for found in (
            a @ b, torch.mm(a, b), a.matmul(b), functional.linear(a, b.T), torch.einsum("ij,jk->ik", a, b),
            torch.bmm(a[None], b[None])[0], torch.addmm(torch.zeros(24, dtype=torch.bfloat16), a, b),
        ):  # fmt: skip
            assert found.dtype is torch.bfloat16
            assert torch.allclose(found.double(), exact, rtol=2**-8, atol=1e-4)
            assert (found == exact.bfloat16()).float().mean() > 0.99
        assert precision.NAME in fidelity.taken()
        assert torch.equal((a.float() @ b.float()).bfloat16(), a @ b)
        assert torch.equal(functional.linear(input=a, weight=b.T), a @ b)
        assert torch.equal(torch.matmul(input=a.float(), other=b.float()), a.float() @ b.float())
        with pytest.raises(RuntimeError, match="dtype"):
            functional.linear(a, weight=b.T.float())

    shim(inside)


def test_products_under_autocast_and_their_gradients(shim):
    """Under autocast a product of float32 gives bfloat16, and float32 gradients close to the exact ones."""

    def inside():
        precision.install(units=False)
        x, w = torch.randn(8, 16), torch.randn(4, 16, requires_grad=True)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            y = functional.linear(x, w)
        assert y.dtype is torch.bfloat16
        y.float().sum().backward()
        assert w.grad.dtype is torch.float32
        assert torch.allclose(w.grad, x.sum(0).expand(4, 16), rtol=0.02, atol=0.1)
        doubles = x.double() @ x.double().T
        assert doubles.dtype is torch.float64

    shim(inside)


def test_float8(shim):
    """A scaled product of float8 equals the product of its values."""

    def inside():
        a, b = (torch.randn(16, 32, device="cuda").to(torch.float8_e4m3fn) for _ in range(2))
        one = torch.tensor(1.0, device="cuda")
        found = torch._scaled_mm(a, b.T, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
        assert torch.allclose(found.float(), a.float() @ b.float().T, rtol=2**-7, atol=0.02)

    shim(inside)
