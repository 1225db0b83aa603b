"""Kernels: FlashAttention, called as its versions ask, and torch's own attention are the same function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reference_model.model import kernel
from reference_model.model.kernel import attended, by_flash, window_mask


def exact(q: Tensor, k: Tensor, v: Tensor, scale: float | None, causal: bool, window: tuple[int, int]) -> Tensor:
    """What FlashAttention computes, by its documentation, in float64: (batch, seq, heads, d) in and out."""
    heads, kv_heads, length = q.size(2), k.size(2), q.size(1)
    q, k, v = q.double(), *(x.double().repeat_interleave(heads // kv_heads, dim=2) for x in (k, v))
    scores = torch.einsum("bihd,bjhd->bhij", q, k) * (q.size(-1) ** -0.5 if scale is None else scale)
    i, j = torch.arange(length)[:, None], torch.arange(length)[None, :]
    left, right = window
    seen = torch.ones(length, length, dtype=torch.bool)
    if left >= 0:
        seen &= j >= i - left
    if right >= 0:
        seen &= j <= i + right
    if causal:
        seen &= j <= i
    return torch.einsum("bhij,bjhd->bihd", scores.masked_fill(~seen, -torch.inf).softmax(-1), v)


def version_2(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
) -> Tensor:
    """With the signature of flash_attn 2.8's `flash_attn_func`."""
    assert (dropout_p, softcap, alibi_slopes, return_attn_probs) == (0.0, 0.0, None, False)
    return exact(q, k, v, softmax_scale, causal, window_size).to(q.dtype)


def version_3(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    softmax_scale: float | None = None,
    causal: bool = False,
    qv: Tensor | None = None,
    q_descale: Tensor | None = None,
    k_descale: Tensor | None = None,
    v_descale: Tensor | None = None,
    window_size: tuple[int, int] = (-1, -1),
    attention_chunk: int = 0,
    softcap: float = 0.0,
    num_splits: int = 1,
    pack_gqa: bool | None = None,
    deterministic: bool = False,
    sm_margin: int = 0,
    return_attn_probs: bool = False,
) -> Tensor:
    """With the signature of flash_attn_interface 3's `flash_attn_func`."""
    assert (qv, q_descale, k_descale, v_descale, attention_chunk, softcap) == (None, None, None, None, 0, 0.0)
    return exact(q, k, v, softmax_scale, causal, window_size).to(q.dtype)


def early_version_3(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
    """As the first builds of version 3 gave it: with the logarithms of sums beside it."""
    return version_3(q, k, v, **options), torch.zeros(())


KERNELS = [version_2, version_3, early_version_3]


@pytest.mark.parametrize("flash", KERNELS)
@given(
    kv_heads=st.sampled_from([1, 2, 4]),
    seq=st.integers(1, 20),
    window=st.integers(0, 24),
    seed=st.integers(0, 1_000),
)
def test_flash_attention_is_torchs_attention(
    flash: Callable[..., Any], kv_heads: int, seq: int, window: int, seed: int
) -> None:
    """For every grouping, length and window, called with nothing but what its signature has; in float64 to 1e-12."""
    random = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(2, h, seq, 8, generator=random, dtype=torch.float64) for h in (4, kv_heads, kv_heads))
    ours = by_flash(flash, q, k, v, window)
    torch.testing.assert_close(ours, attended(q, k, v, window_mask(seq, window), window), rtol=0, atol=1e-12)


def test_queries_and_keys_take_the_type_of_values() -> None:
    """Rotation and norms may leave them in float32, which FlashAttention does not take."""
    random = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, 2, 5, 8, generator=random) for _ in range(2))
    v = torch.randn(1, 2, 5, 8, generator=random).bfloat16()
    assert by_flash(version_2, q, k, v, 0).dtype == torch.bfloat16


def test_on_a_cpu_torchs_own_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """FlashAttention is asked on a GPU alone, where installed or not."""
    monkeypatch.setattr(kernel, "FLASH", lambda *_, **__: pytest.fail("was asked"))
    x = torch.ones(1, 1, 4, 8)
    torch.testing.assert_close(attended(x, x, x, None, 0), x)


def test_stand_ins_have_the_signatures_of_the_real_ones() -> None:
    """Where FlashAttention is installed, the stand-ins above are compared with it."""
    if kernel.FLASH is None:
        pytest.skip("no FlashAttention is installed: it needs a GPU")
    own = version_3 if "interface" in kernel.FLASH.__module__ else version_2
    assert list(inspect.signature(kernel.FLASH).parameters)[:3] == list(inspect.signature(own).parameters)[:3]
    assert {"causal", "window_size"} <= set(inspect.signature(kernel.FLASH).parameters)


def test_the_window_ends() -> None:
    """A token sees itself and window - 1 tokens before it, and nothing else."""
    mask = window_mask(6, 3)
    assert mask is not None
    assert mask.sum(dim=1).tolist() == [1, 2, 3, 3, 3, 3]
    assert mask[5].tolist() == [False, False, False, True, True, True]
    assert window_mask(6, 6) is None
    assert window_mask(6, 0) is None
