# ruff: noqa: FBT001, FBT002, ARG001  the signatures are FlashAttention's
"""The modules of FlashAttention: `flash_attn` (v2), `flash_attn_interface` (v3), as its users import them.

Signatures: flash_attn 2.8, hopper/flash_attn_interface.py of flash-attn-3, `kernels-community/flash-attn3`.
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from harness.observe.cpu_run.guest.fidelity import NotSupported, StandIn, stand_in, used
from harness.observe.cpu_run.guest.stand_ins.attention import (
    Documents,
    Mask,
    attend,
    attend_documents,
    attend_documents_with_sums,
    attend_with_sums,
)

NAME = "flash-attn"

stand_in(StandIn(NAME, exact=True, reason="exact attention instead of FlashAttention's kernels; any dtype is taken"))

_UNLIMITED = (-1, -1)


def _mask(causal: bool, window: Any) -> Mask:
    left, right = (-1 if side is None else int(side) for side in window)
    return Mask(bool(causal), left, right)


def _refuse(**options: object) -> None:
    """Raise NotSupported for options in use that change the result and that nothing here computes."""
    for name, value in options.items():
        if isinstance(value, Tensor) or value:
            raise NotSupported(f"flash-attn: {name}", "this option has no equivalent on the CPU")


def _dense(
    q: Tensor, k: Tensor, v: Tensor, causal: bool, window: Any, scale: float | None, softcap: float, sums: bool
) -> tuple[Tensor, Tensor | None]:
    used(NAME)
    mask = _mask(causal, window)
    if sums:
        return attend_with_sums(q, k, v, mask, scale, softcap)
    return attend(q, k, v, mask, scale, softcap), None


def _packed(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    starts: tuple[Tensor, Tensor],
    causal: bool,
    window: Any,
    scale: float | None,
    softcap: float,
    sums: bool,
) -> tuple[Tensor, Tensor | None]:
    used(NAME)
    mask = _mask(causal, window)
    documents = Documents(starts[0].tolist(), starts[1].tolist())
    if sums:
        return attend_documents_with_sums(q, k, v, documents, mask, scale, softcap)
    return attend_documents(q, k, v, documents, mask, scale, softcap), None


# v3 ----------------------------------------------------------------------------------------------------------------


def flash_attn_func_v3(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    softmax_scale: float | None = None,
    causal: bool = False,
    qv: Tensor | None = None,
    q_descale: Tensor | None = None,
    k_descale: Tensor | None = None,
    v_descale: Tensor | None = None,
    window_size: Any = _UNLIMITED,
    attention_chunk: int = 0,
    softcap: float = 0.0,
    num_splits: int = 1,
    pack_gqa: bool | None = None,
    deterministic: bool = False,
    sm_margin: int = 0,
    return_attn_probs: bool = False,
) -> Any:
    """Out (batch, queries, heads, d), with `return_attn_probs` and the sums (batch, heads, queries)."""
    _refuse(qv=qv, q_descale=q_descale, k_descale=k_descale, v_descale=v_descale, attention_chunk=attention_chunk)
    out, sums = _dense(q, k, v, causal, window_size, softmax_scale, softcap, return_attn_probs)
    return out if sums is None else (out, sums)


def flash_attn_varlen_func_v3(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    seqused_q: Tensor | None = None,
    seqused_k: Tensor | None = None,
    softmax_scale: float | None = None,
    causal: bool = False,
    qv: Tensor | None = None,
    q_descale: Tensor | None = None,
    k_descale: Tensor | None = None,
    v_descale: Tensor | None = None,
    window_size: Any = _UNLIMITED,
    attention_chunk: int = 0,
    softcap: float = 0.0,
    num_splits: int = 1,
    pack_gqa: bool | None = None,
    deterministic: bool = False,
    sm_margin: int = 0,
    return_attn_probs: bool = False,
) -> Any:
    """Out (tokens, heads, d), with `return_attn_probs` and the sums (heads, tokens)."""
    _refuse(seqused_q=seqused_q, seqused_k=seqused_k, qv=qv, attention_chunk=attention_chunk)
    _refuse(q_descale=q_descale, k_descale=k_descale, v_descale=v_descale)
    starts = (cu_seqlens_q, cu_seqlens_k)
    out, sums = _packed(q, k, v, starts, causal, window_size, softmax_scale, softcap, return_attn_probs)
    return out if sums is None else (out, sums)


def flash_attn_qkvpacked_func_v3(qkv: Tensor, *args: Any, **options: Any) -> Any:
    """As `flash_attn_func_v3` for qkv (batch, tokens, 3, heads, d)."""
    if qkv.dim() != 5 or "num_heads_q" in options:
        raise NotSupported("flash-attn: qkv packed along the heads", "only (batch, tokens, 3, heads, d) is provided")
    q, k, v = qkv.unbind(2)
    return flash_attn_func_v3(q, k, v, *args, **options)


# v2 ----------------------------------------------------------------------------------------------------------------


def flash_attn_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Any = _UNLIMITED,
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
) -> Any:
    """Out (batch, queries, heads, d), with `return_attn_probs` and the sums and None."""
    _refuse(dropout_p=dropout_p, alibi_slopes=alibi_slopes)
    out, sums = _dense(q, k, v, causal, window_size, softmax_scale, softcap, return_attn_probs)
    return out if sums is None else (out, sums, None)


def flash_attn_qkvpacked_func(qkv: Tensor, *args: Any, **options: Any) -> Any:
    """As `flash_attn_func` for qkv (batch, tokens, 3, heads, d)."""
    q, k, v = qkv.unbind(2)
    return flash_attn_func(q, k, v, *args, **options)


def flash_attn_kvpacked_func(q: Tensor, kv: Tensor, *args: Any, **options: Any) -> Any:
    """As `flash_attn_func` for kv (batch, tokens, 2, heads, d)."""
    k, v = kv.unbind(2)
    return flash_attn_func(q, k, v, *args, **options)


def flash_attn_varlen_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Any = _UNLIMITED,
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    block_table: Tensor | None = None,
) -> Any:
    """Out (tokens, heads, d), with `return_attn_probs` and the sums (heads, tokens) and None."""
    _refuse(dropout_p=dropout_p, alibi_slopes=alibi_slopes, block_table=block_table)
    starts = (cu_seqlens_q, cu_seqlens_k)
    out, sums = _packed(q, k, v, starts, causal, window_size, softmax_scale, softcap, return_attn_probs)
    return out if sums is None else (out, sums, None)


def flash_attn_varlen_qkvpacked_func(
    qkv: Tensor, cu_seqlens: Tensor, max_seqlen: int, *args: Any, **options: Any
) -> Any:
    """As `flash_attn_varlen_func` for qkv (tokens, 3, heads, d)."""
    q, k, v = qkv.unbind(1)
    return flash_attn_varlen_func(q, k, v, cu_seqlens, cu_seqlens, max_seqlen, max_seqlen, *args, **options)


def flash_attn_with_kvcache(
    q: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    k: Tensor | None = None,
    v: Tensor | None = None,
    *,
    cache_seqlens: Tensor | int | None = None,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Any = _UNLIMITED,
    softcap: float = 0.0,
    num_splits: int = 0,
    return_softmax_lse: bool = False,
    **options: Any,
) -> Any:
    """Attention of q (batch, queries, heads, d) to caches (batch, room, key heads, d).

    k and v, if given, are written into the caches first, behind the `cache_seqlens` keys that they hold. Rotary, paged
    and permuted caches raise NotSupported.
    """
    _refuse(**options)
    used(NAME)
    batch, room = q.shape[0], k_cache.shape[1]
    held = _lengths(cache_seqlens, batch, room if k is None else 0)
    mask = _mask(causal, window_size)
    results = []
    for row, length in enumerate(held):
        end = length
        if k is not None and v is not None:
            end = length + k.shape[1]
            k_cache[row, length:end] = k[row]
            v_cache[row, length:end] = v[row]
        keys, values = k_cache[row : row + 1, :end], v_cache[row : row + 1, :end]
        results.append(attend_with_sums(q[row : row + 1], keys, values, mask, softmax_scale, softcap))
    out = torch.cat([result[0] for result in results])
    return (out, torch.cat([result[1] for result in results])) if return_softmax_lse else out


def _lengths(held: Tensor | int | None, batch: int, otherwise: int) -> list[int]:
    if isinstance(held, Tensor):
        return [int(length) for length in held.tolist()]
    return [otherwise if held is None else held] * batch


# padding -----------------------------------------------------------------------------------------------------------


def unpad_input(hidden: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor, int, Tensor]:
    """The tokens (batch, length, ...) that the mask (batch, length) keeps, one after the other.

    Gives (tokens kept, ...), their indices, the starts of the rows, the longest row and the tokens of each row.
    """
    used(NAME)
    counts = attention_mask.sum(dim=-1, dtype=torch.int32)
    kept = attention_mask.flatten().nonzero(as_tuple=False).flatten()
    starts = torch.nn.functional.pad(torch.cumsum(counts, dim=0, dtype=torch.int32), (1, 0))
    return hidden.flatten(0, 1)[kept], kept, starts, int(counts.max()), counts


def pad_input(hidden: Tensor, indices: Tensor, batch: int, seqlen: int) -> Tensor:
    """The reverse of `unpad_input`: (batch, length, ...) with zeros where nothing was kept."""
    used(NAME)
    rows = hidden.new_zeros(batch * seqlen, *hidden.shape[1:]).index_copy(0, indices, hidden)
    return rows.reshape(batch, seqlen, *hidden.shape[1:])


def index_first_axis(hidden: Tensor, indices: Tensor) -> Tensor:
    """The rows of `hidden` that `indices` name."""
    return hidden[indices]


def modules() -> dict[str, dict[str, object]]:
    """Names of the modules that users import, with what is in each."""
    v3: dict[str, object] = {
        "__version__": "3.0.0",
        "flash_attn_func": flash_attn_func_v3,
        "flash_attn_varlen_func": flash_attn_varlen_func_v3,
        "flash_attn_qkvpacked_func": flash_attn_qkvpacked_func_v3,
        "flash_attn_with_kvcache": flash_attn_with_kvcache,
    }
    v2: dict[str, object] = {
        "__version__": "2.8.3",
        "flash_attn_func": flash_attn_func,
        "flash_attn_varlen_func": flash_attn_varlen_func,
        "flash_attn_qkvpacked_func": flash_attn_qkvpacked_func,
        "flash_attn_kvpacked_func": flash_attn_kvpacked_func,
        "flash_attn_varlen_qkvpacked_func": flash_attn_varlen_qkvpacked_func,
        "flash_attn_with_kvcache": flash_attn_with_kvcache,
    }
    padding: dict[str, object] = {
        "unpad_input": unpad_input,
        "pad_input": pad_input,
        "index_first_axis": index_first_axis,
    }
    return {
        "flash_attn_interface": v3,
        "flash_attn_3": v3,
        "flash_attn_3.flash_attn_interface": v3,
        "flash_attn": v2,
        "flash_attn.flash_attn_interface": v2,
        "flash_attn.bert_padding": padding,
    }


def get_kernel(repo_id: str, *_args: object, **_options: object) -> object:
    """`kernels.get_kernel`: FlashAttention by its name on the hub; anything else cannot be fetched here."""
    name = repo_id.rsplit("/", 1)[-1].replace("_", "-").lower()
    if re.fullmatch(r"(vllm-)?flash-(attn|attention)-?3", name):
        interface = modules()["flash_attn_interface"]
        return SimpleNamespace(**interface, flash_attn_interface=SimpleNamespace(**interface))
    if re.fullmatch(r"flash-(attn|attention)(-?2)?", name):
        return SimpleNamespace(**modules()["flash_attn"])
    raise NotSupported(f"kernels.get_kernel({repo_id!r})", "a compiled CUDA kernel from the network")
