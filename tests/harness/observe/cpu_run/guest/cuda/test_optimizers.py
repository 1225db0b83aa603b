"""Optimizers with options for CUDA compute what the plain ones compute."""

from __future__ import annotations

import torch


def _trained(kind, **options):
    torch.manual_seed(0)
    weights = [torch.randn(5, 7, device="cuda").requires_grad_(), torch.randn(3, device="cuda").requires_grad_()]
    optimizer = kind(weights, lr=0.01, weight_decay=0.1, **options)
    for step in range(5):
        sum((w * w * (step + 1)).sum() for w in weights).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return torch.cat([w.detach().flatten() for w in weights])


def test_options_change_nothing(shim):
    """fused, foreach and capturable give the numbers of the plain loop."""

    def inside():
        for kind in (torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD):
            plain = _trained(kind, foreach=False, fused=False)
            for options in ({}, {"fused": True}, {"foreach": True}):
                assert torch.allclose(_trained(kind, **options), plain, atol=1e-6), (kind, options)
        plain = _trained(torch.optim.AdamW, foreach=False)
        assert torch.allclose(_trained(torch.optim.AdamW, fused=True, capturable=True), plain, atol=1e-6)

    shim(inside)


def test_clipping_and_scheduling(shim):
    """Gradients are clipped over tensors on cuda, and schedulers take the optimizers."""

    def inside():
        weight = torch.ones(4, device="cuda", requires_grad=True)
        (weight * 10).sum().backward()
        norm = torch.nn.utils.clip_grad_norm_([weight], 1.0)
        assert norm.is_cuda
        assert abs(weight.grad.norm().item() - 1) < 1e-5
        optimizer = torch.optim.AdamW([weight], fused=True)
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
        optimizer.load_state_dict(optimizer.state_dict())

    shim(inside)
