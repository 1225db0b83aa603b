"""The heart of attention, softmax(q kᵀ / √d) v over what a token may see, by the fastest kernel at hand.

On a GPU and in half precision that is FlashAttention (Dao 2023, arXiv:2307.08691) where it is installed, version 3
before version 2; elsewhere torch's own. Both are the same function, and a test holds them together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  the field's name for it
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)
"""The types that FlashAttention takes."""


def window_mask(seq: int, window: int, device: torch.device | None = None) -> Tensor | None:
    """(seq, seq), true where a token sees another: each sees itself and the `window - 1` before it.

    None, which is all before it and itself, for a window of 0 or one that covers `seq`.
    """
    if not window or window >= seq:
        return None
    distance = torch.arange(seq, device=device)[:, None] - torch.arange(seq, device=device)[None, :]
    return (distance >= 0) & (distance < window)


def flash_kernel() -> Callable[..., Any] | None:
    """FlashAttention's function; None where no version of it is installed."""
    try:
        from flash_attn_interface import flash_attn_func  # type: ignore[import-not-found]  # on machines with a GPU
    except ImportError:
        try:
            from flash_attn import flash_attn_func  # type: ignore[import-not-found]  # as above
        except ImportError:
            return None
    return flash_attn_func  # type: ignore[no-any-return]  # as above


FLASH = flash_kernel()


def by_flash(kernel: Callable[..., Any], q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """As `attended`, by FlashAttention's function.

    It takes (batch, seq, heads, head_dim), shares heads in groups by itself, and counts in `window_size` the tokens to
    the left without the token itself, -1 for all.
    """
    q, k, v = (x.to(v.dtype).transpose(1, 2) for x in (q, k, v))
    found = kernel(q, k, v, causal=True, window_size=(window - 1, 0) if window else (-1, -1))
    y: Tensor = found[0] if isinstance(found, tuple) else found  # early versions 3 give sums beside it
    return y.transpose(1, 2)


def attended(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, window: int) -> Tensor:
    """q: (batch, heads, seq, head_dim); k, v: (batch, kv_heads, seq, head_dim) -> like q.

    `mask` is what `window_mask` makes of `window`.
    """
    if FLASH is not None and v.is_cuda and v.dtype in HALF:
        return by_flash(FLASH, q, k, v, window)
    shared = k.size(1) != q.size(1)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=shared)
