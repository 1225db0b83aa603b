"""What FlashAttention computes, on a CPU: exact softmax attention with its conventions.

Conventions (https://github.com/Dao-AILab/flash-attention): heads lie before the head dimension; query head h reads
key head h // (query heads / key heads); masks are aligned to the bottom right, so that the last query sees the last
key; a window (left, right) counts keys on both sides of that diagonal, -1 being unlimited; a softcap c turns scores
s into c tanh(s / c); a query that sees nothing gives zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_sdpa = functional.scaled_dot_product_attention


@dataclass(frozen=True)
class Mask:
    """Which keys a query sees: causal or not, and the window (keys to the left, keys to the right; -1: all)."""

    causal: bool = False
    left: int = -1
    right: int = -1

    def bounded(self) -> tuple[int, int]:
        """The window with causality in it."""
        return self.left, 0 if self.causal else self.right

    def allows(self, queries: int, keys: int, device: torch.device) -> Tensor | None:
        """(queries, keys) of bool; None where everything is seen."""
        left, right = self.bounded()
        if left < 0 and right < 0:
            return None
        place = torch.arange(queries, device=device)[:, None] + (keys - queries)
        key = torch.arange(keys, device=device)[None, :]
        allowed = torch.ones(queries, keys, dtype=torch.bool, device=device)
        if left >= 0:
            allowed &= key >= place - left
        if right >= 0:
            allowed &= key <= place + right
        return allowed

    def is_plain_causal(self, queries: int, keys: int) -> bool:
        """Whether this is the triangle that torch calls causal."""
        left, right = self.bounded()
        return queries == keys and right == 0 and (left < 0 or left >= keys - 1)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Mask, scale: float | None = None, softcap: float = 0.0) -> Tensor:
    """Attention of q (batch, queries, heads, d) to k and v (batch, keys, key heads, d or d_v).

    Gives (batch, queries, heads, d_v).
    """
    _check(q, k, v)
    queries, keys = q.shape[1], k.shape[1]
    plain = mask.is_plain_causal(queries, keys)
    allowed = None if plain else mask.allows(queries, keys, q.device)
    if softcap or 0 in (queries, keys) or (allowed is not None and not bool(allowed.any(dim=1).all())):
        return attend_with_sums(q, k, v, mask, scale, softcap)[0]
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    grouped = q.shape[1] != k.shape[1]
    out = _sdpa(q, k, v, attn_mask=allowed, is_causal=plain, scale=scale, enable_gqa=grouped)
    return out.transpose(1, 2)


def attend_with_sums(
    q: Tensor, k: Tensor, v: Tensor, mask: Mask, scale: float | None = None, softcap: float = 0.0
) -> tuple[Tensor, Tensor]:
    """As `attend`, with the log of the sum of exponentials of the scores, (batch, heads, queries).

    The sums are float32 at least and carry no gradient, as FlashAttention's.
    """
    _check(q, k, v)
    precision = torch.promote_types(q.dtype, torch.float32)
    keys, values = _repeated(q, k, v)
    scores = torch.einsum("bqhd,bkhd->bhqk", q.to(precision), keys.to(precision))
    scores = scores * (q.shape[-1] ** -0.5 if scale is None else scale)
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    allowed = mask.allows(q.shape[1], k.shape[1], q.device)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
        blind = ~allowed.any(dim=1)
        weights = torch.softmax(scores.masked_fill(blind[:, None], 0.0), dim=-1).masked_fill(blind[:, None], 0.0)
    else:
        weights = torch.softmax(scores, dim=-1)
    out = torch.einsum("bhqk,bkhd->bqhd", weights, values.to(precision))
    return out.to(q.dtype), torch.logsumexp(scores.detach(), dim=-1)


@dataclass(frozen=True)
class Documents:
    """Where documents lie that follow each other: document i is `starts[i]:starts[i + 1]` of queries and of keys."""

    query_starts: list[int]
    key_starts: list[int]

    def slices(self) -> list[tuple[slice, slice]]:
        """Queries and keys of each document that has queries."""
        queries = zip(self.query_starts, self.query_starts[1:], strict=False)
        keys = zip(self.key_starts, self.key_starts[1:], strict=False)
        return [(slice(*q), slice(*k)) for q, k in zip(queries, keys, strict=True) if q[1] > q[0]]


def attend_documents(
    q: Tensor, k: Tensor, v: Tensor, documents: Documents, mask: Mask, scale: float | None = None, softcap: float = 0.0
) -> Tensor:
    """Attention within documents: q (tokens, heads, d), k and v (tokens, key heads, d or d_v) to (tokens, heads, d_v).

    Tokens that lie in no document give zeros.
    """
    parts = [
        attend(q[None, queries], k[None, keys], v[None, keys], mask, scale, softcap)[0]
        for queries, keys in documents.slices()
    ]
    parts.append(q.new_zeros(q.shape[0] - sum(len(part) for part in parts), q.shape[1], v.shape[-1]))
    return torch.cat(parts)


def attend_documents_with_sums(
    q: Tensor, k: Tensor, v: Tensor, documents: Documents, mask: Mask, scale: float | None = None, softcap: float = 0.0
) -> tuple[Tensor, Tensor]:
    """As `attend_documents`, with the log of the sum of exponentials of the scores, (heads, tokens)."""
    out = q.new_zeros(q.shape[0], q.shape[1], v.shape[-1])
    sums = q.new_full((q.shape[1], q.shape[0]), -torch.inf, dtype=torch.promote_types(q.dtype, torch.float32))
    for queries, keys in documents.slices():
        part, part_sums = attend_with_sums(q[None, queries], k[None, keys], v[None, keys], mask, scale, softcap)
        out[queries] = part[0]
        sums[:, queries] = part_sums[0]
    return out, sums


def _repeated(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values with one head for every query head."""
    groups = q.shape[2] // k.shape[2]
    if groups == 1:
        return k, v
    return k.repeat_interleave(groups, dim=2), v.repeat_interleave(groups, dim=2)


def _check(q: Tensor, k: Tensor, v: Tensor) -> None:
    """Refuse shapes that FlashAttention refuses. Raises RuntimeError."""
    if not (q.dim() == k.dim() == v.dim() == 4):
        raise RuntimeError(f"q, k and v need 4 dimensions, got {q.dim()}, {k.dim()} and {v.dim()}")
    if k.shape[:3] != v.shape[:3] or q.shape[0] != k.shape[0] or q.shape[3] != k.shape[3]:
        raise RuntimeError(f"shapes of q, k and v do not fit: {tuple(q.shape)}, {tuple(k.shape)}, {tuple(v.shape)}")
    if q.shape[2] % k.shape[2]:
        raise RuntimeError("Number of heads in key/value must divide number of heads in query")
