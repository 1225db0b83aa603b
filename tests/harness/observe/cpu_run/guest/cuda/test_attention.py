"""Attention gives what its definition says, whichever kernel was asked for."""

from __future__ import annotations

import torch
import torch.nn.functional as functional


def _reference(q, k, v, mask):
    k, v = (x.repeat_interleave(q.size(1) // k.size(1), 1) for x in (k, v))
    scores = (q.double() @ k.double().transpose(-1, -2)) / q.size(-1) ** 0.5
    return (scores.masked_fill(~mask, -torch.inf).softmax(-1) @ v.double()).float()


def test_scaled_dot_product_attention(shim):
    """Causal, masked and grouped attention equal the definition inside any choice of kernels."""

    def inside():
        from torch.nn.attention import SDPBackend, sdpa_kernel

        q, k, v = torch.randn(2, 4, 16, 8, device="cuda"), *(torch.randn(2, 2, 16, 8, device="cuda") for _ in range(2))
        causal = torch.ones(16, 16, dtype=torch.bool).tril()
        window = causal & ~causal.tril(-4)
        for backends in (SDPBackend.FLASH_ATTENTION, [SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH]):
            with sdpa_kernel(backends):
                found = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
                masked = functional.scaled_dot_product_attention(q, k, v, attn_mask=window, enable_gqa=True)
            assert torch.allclose(found, _reference(q, k, v, causal), atol=1e-5)
            assert torch.allclose(masked, _reference(q, k, v, window), atol=1e-5)

    shim(inside)


def test_flex_attention(shim):
    """flex_attention with a block mask and a score change equals the definition, and has gradients."""

    def inside():
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        q, k, v = (torch.randn(1, 2, 128, 16, device="cuda", requires_grad=True) for _ in range(3))
        documents = torch.arange(128, device="cuda") // 50
        allowed = create_block_mask(
            lambda b, h, i, j: (i >= j) & (documents[i] == documents[j]), None, None, 128, 128, device="cuda"
        )
        found = torch.compile(flex_attention)(q, k, v, block_mask=allowed, score_mod=lambda s, b, h, i, j: s)
        mask = torch.ones(128, 128, dtype=torch.bool).tril() & (documents[:, None] == documents[None])
        assert torch.allclose(found, _reference(q, k, v, mask), atol=1e-5)
        found.sum().backward()
        assert q.grad.isfinite().all()

    shim(inside)
