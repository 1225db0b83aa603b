"""Autocast for cuda: CUDA's types come out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as functional

from harness.observe.cpu_run.guest.cuda.autocast import ALONE

LOWERED = {
    "linear": lambda x: functional.linear(x, x),
    "matmul": lambda x: x @ x.T,
    "einsum": lambda x: torch.einsum("ij,kj->ik", x, x),
    "bmm": lambda x: torch.bmm(x[None], x.T[None]),
    "addmm": lambda x: torch.addmm(x[:, :4], x, x.T),
    "mv": lambda x: x.mv(x[0]),
    "attention": lambda x: functional.scaled_dot_product_attention(x[None, None], x[None, None], x[None, None]),
}
WIDENED = {
    "softmax": lambda x: x.softmax(-1),
    "functional": lambda x: functional.softmax(x, -1),
    "log_softmax": lambda x: functional.log_softmax(x, -1),
    "exp": lambda x: torch.exp(x),
    "log": lambda x: x.log(),
    "pow": lambda x: x.pow(2),
    "operator": lambda x: x**2,
    "sum": lambda x: x.sum(),
    "cumsum": lambda x: x.cumsum(0),
    "norm": lambda x: x.norm(),
    "vector_norm": lambda x: torch.linalg.vector_norm(x),
    "prod": lambda x: x.prod(),
    "layer_norm": lambda x: functional.layer_norm(x, (8,)),
    "logsumexp": lambda x: x.logsumexp(-1),
    "rsqrt": lambda x: torch.rsqrt(x),
    "cross_entropy": lambda x: functional.cross_entropy(x, torch.zeros(4, dtype=torch.int64)),
    "normalize": lambda x: functional.normalize(x),
    "cosine": lambda x: functional.cosine_similarity(x, x),
    "softplus": lambda x: functional.softplus(x),
}
KEPT = {"relu": torch.relu, "square": lambda x: x.square(), "mean": lambda x: x.mean(), "tanh": torch.tanh}


def test_types_are_those_of_cuda(shim):
    """Products are lowered, sensitive functions widened, everything else keeps its type; nothing changes outside."""

    def inside():
        low = torch.rand(4, 8, device="cuda").bfloat16() + 0.5
        with torch.autocast(device_type="cuda", dtype=torch.bfloat16):
            for name, call in LOWERED.items():
                assert call(low.float()).dtype is torch.bfloat16, name
            for name, call in WIDENED.items():
                assert call(low).dtype is torch.float32, name
            for name, call in KEPT.items():
                assert call(low).dtype is torch.bfloat16, name
            assert low.softmax(-1, dtype=torch.float64).dtype is torch.float64
            assert torch.is_autocast_enabled()
            assert torch.get_autocast_dtype("cuda") is torch.bfloat16
            with torch.autocast("cuda", enabled=False):
                assert (low.float() @ low.float().T).dtype is torch.float32
        assert not torch.is_autocast_enabled()
        for name, call in {**WIDENED, **KEPT}.items():
            assert call(low).dtype is torch.bfloat16, name

    shim(inside)


@pytest.mark.parametrize("name", ALONE)
def test_what_cuda_leaves_alone(name):
    """The functions that the CPU's autocast alone has a rule for, so that no type is refused, are those of torch."""
    for operator in {"cat", "stack", "index_copy"}:
        assert torch._C._dispatch_has_kernel_for_dispatch_key(f"aten::{operator}", "AutocastCPU")
        assert not torch._C._dispatch_has_kernel_for_dispatch_key(f"aten::{operator}", "AutocastCUDA")
    assert hasattr(torch, name)


def test_other_half_precision_is_joined(shim):
    """Keys and values that are kept in float16 are joined under autocast to bfloat16, and keep their type."""

    def inside():
        half = torch.rand(4, 8, device="cuda").half()
        with torch.autocast("cuda", dtype=torch.bfloat16):
            for join in (torch.cat, torch.stack, torch.concat, torch.hstack, torch.vstack):
                assert join((half, half)).dtype is torch.float16
            assert torch.cat((half, half.float())).dtype is torch.float32
            assert half.index_copy(0, torch.tensor([0]), half[:1]).dtype is torch.float16
            assert (half @ half.T).dtype is torch.bfloat16
        assert torch.cat((half, half)).dtype is torch.float16

    shim(inside)


def test_probabilities_sum_to_one(shim):
    """A softmax of bfloat16 logits under autocast is one in float32."""

    def inside():
        logits = torch.randn(16, 1024, device="cuda").bfloat16()
        with torch.autocast("cuda", dtype=torch.bfloat16):
            total = functional.log_softmax(logits, -1).double().exp().sum(-1)
        assert (total - 1).abs().max() < 1e-5

    shim(inside)


def test_every_form_of_autocast(shim):
    """Context manager, decorator, torch.amp and torch.cuda.amp; the default type of cuda is float16."""

    def inside():
        x = torch.ones(2, 2, device="cuda")

        @torch.autocast("cuda", dtype=torch.bfloat16)
        def product():
            return x @ x

        assert product().dtype is torch.bfloat16
        with torch.amp.autocast("cuda"):
            assert (x @ x).dtype is torch.float16
        with pytest.warns(FutureWarning), torch.cuda.amp.autocast(dtype=torch.bfloat16):
            assert (x @ x).dtype is torch.bfloat16
        weight = torch.ones(2, device="cuda", requires_grad=True)
        scaler, optimizer = torch.amp.GradScaler("cuda"), torch.optim.SGD([weight], lr=0.5)
        scaler.scale((weight * 2).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        assert weight.tolist() == [0, 0]

    shim(inside)
