"""FlashAttention's conventions against sums that are written out in float64."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.observe.cpu_run.guest.fidelity import NotSupported
from harness.observe.cpu_run.guest.stand_ins import flash
from harness.observe.cpu_run.guest.stand_ins.attention import Mask, attend, attend_with_sums


def reference(q, k, v, *, causal=False, window=(-1, -1), softcap=0.0, scale=None):
    """Out and sums, one query, head and key at a time."""
    batch, queries, heads, width = q.shape
    keys, key_heads = k.shape[1], k.shape[2]
    scale = width**-0.5 if scale is None else scale
    left, right = window[0], 0 if causal else window[1]
    out = torch.zeros(batch, queries, heads, v.shape[-1], dtype=torch.float64)
    sums = torch.full((batch, heads, queries), -math.inf, dtype=torch.float64)
    for b in range(batch):
        for h in range(heads):
            for i in range(queries):
                place = i + keys - queries
                seen = [j for j in range(keys) if (left < 0 or j >= place - left) and (right < 0 or j <= place + right)]
                if not seen:
                    continue
                group = h // (heads // key_heads)
                scores = torch.stack([(q[b, i, h] * k[b, j, group]).sum() * scale for j in seen])
                if softcap:
                    scores = softcap * torch.tanh(scores / softcap)
                sums[b, h, i] = torch.logsumexp(scores, 0)
                weights = torch.softmax(scores, 0)
                out[b, i, h] = sum(weights[n] * v[b, j, group] for n, j in enumerate(seen))
    return out, sums


def inputs(batch, queries, keys, heads, groups, width, seed=0, dtype=torch.float64):
    """q, k, v with `groups` query heads for each key head."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((batch, queries, heads * groups, width), *[(batch, keys, heads, width)] * 2)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


sizes = st.tuples(
    st.integers(1, 2),
    st.integers(1, 7),
    st.integers(1, 7),
    st.integers(1, 2),
    st.integers(1, 3),
    st.sampled_from([2, 4]),
)
windows = st.tuples(st.integers(-1, 4), st.integers(-1, 4))


@settings(deadline=None, max_examples=150)
@given(sizes, st.booleans(), windows, st.sampled_from([0.0, 0.7, 15.0]), st.sampled_from([None, 0.3]))
def test_equals_the_written_out_sums(size, causal, window, softcap, scale):
    """Out and sums are those of the definition for every shape, grouping, mask, softcap and scale."""
    q, k, v = inputs(*size)
    mask = Mask(causal, *window)
    want, want_sums = reference(q, k, v, causal=causal, window=window, softcap=softcap, scale=scale)
    out = attend(q, k, v, mask, scale, softcap)
    again, sums = attend_with_sums(q, k, v, mask, scale, softcap)
    torch.testing.assert_close(out, want)
    torch.testing.assert_close(again, want)
    torch.testing.assert_close(sums, want_sums)


@settings(deadline=None, max_examples=40)
@given(sizes, st.booleans(), windows, st.sampled_from([0.0, 5.0]))
def test_gradients_equal_those_of_the_definition(size, causal, window, softcap):
    """Gradients of q, k and v are those of the definition, zeros for queries that see nothing."""
    tensors = [x.requires_grad_() for x in inputs(*size)]
    weight = torch.randn(tensors[0].shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (attend(*tensors, Mask(causal, *window), None, softcap) * weight).sum().backward()
    found = [x.grad for x in tensors]
    fresh = [x.detach().requires_grad_() for x in tensors]
    want, _ = reference(*fresh, causal=causal, window=window, softcap=softcap)
    if want.requires_grad:
        (want * weight).sum().backward()
    for one, other in zip(found, fresh, strict=True):
        torch.testing.assert_close(one, torch.zeros_like(one) if other.grad is None else other.grad)


@pytest.mark.parametrize("module", ["flash_attn_interface", "flash_attn"])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("window", [(-1, -1), (3, 0), (None, None)])
def test_documents_do_not_see_each_other(module, groups, window):
    """The packed form equals attention of each document alone, also with empty documents and a tail in none."""
    names = flash.modules()[module]
    starts = [0, 3, 3, 8, 9]
    q, k, v = (x[0] for x in inputs(1, 11, 11, 2, groups, 4, dtype=torch.float32))
    cu = torch.tensor(starts, dtype=torch.int32)
    packed = names["flash_attn_varlen_func"]
    out = packed(
        q, k, v, cu_seqlens_q=cu, cu_seqlens_k=cu, max_seqlen_q=5, max_seqlen_k=5, causal=True, window_size=window
    )
    for first, last in pairwise(starts):
        part = (x[None, first:last] for x in (q, k, v))
        alone = names["flash_attn_func"](*part, causal=True, window_size=window)[0]
        torch.testing.assert_close(out[first:last], alone)
    assert not out[9:].any()


def test_documents_of_unequal_lengths_are_aligned_to_their_ends():
    """With more keys than queries the last query of each document sees its last key."""
    q, k, v = inputs(1, 3, 9, 1, 1, 4)
    cu_q, cu_k = torch.tensor([0, 2, 3]), torch.tensor([0, 5, 9])
    out = flash.flash_attn_varlen_func_v3(q[0], k[0], v[0], cu_q, cu_k, 2, 5, causal=True)
    torch.testing.assert_close(out[:2], reference(q[:, :2], k[:, :5], v[:, :5], causal=True)[0][0])
    torch.testing.assert_close(out[2:], reference(q[:, 2:], k[:, 5:], v[:, 5:], causal=True)[0][0])


def test_what_the_versions_give_back():
    """Version 2 gives out, sums and None when asked for probabilities, version 3 out and sums; otherwise out alone."""
    q, k, v = inputs(2, 5, 5, 2, 1, 4)
    want, want_sums = reference(q, k, v, causal=True)
    assert flash.flash_attn_func(q, k, v, causal=True).shape == want.shape
    assert flash.flash_attn_func_v3(q, k, v, causal=True).shape == want.shape
    out, sums, nothing = flash.flash_attn_func(q, k, v, causal=True, return_attn_probs=True)
    assert nothing is None
    torch.testing.assert_close(sums, want_sums)
    torch.testing.assert_close(out, want)
    out, sums = flash.flash_attn_func_v3(q, k, v, causal=True, return_attn_probs=True)
    torch.testing.assert_close(sums, want_sums)
    cu = torch.tensor([0, 5])
    out, sums = flash.flash_attn_varlen_func_v3(q[0], k[0], v[0], cu, cu, 5, 5, causal=True, return_attn_probs=True)
    torch.testing.assert_close(out, want[0])
    torch.testing.assert_close(sums, want_sums[0])


def test_packed_arguments_are_unpacked():
    """Queries, keys and values in one tensor give what three tensors give."""
    q, k, v = inputs(2, 5, 5, 2, 1, 4)
    want = reference(q, k, v, causal=True)[0]
    torch.testing.assert_close(flash.flash_attn_qkvpacked_func(torch.stack((q, k, v), 2), causal=True), want)
    torch.testing.assert_close(flash.flash_attn_qkvpacked_func_v3(torch.stack((q, k, v), 2), causal=True), want)
    torch.testing.assert_close(flash.flash_attn_kvpacked_func(q, torch.stack((k, v), 2), causal=True), want)
    flat = torch.stack((q[0], k[0], v[0]), 1)
    cu = torch.tensor([0, 5])
    torch.testing.assert_close(flash.flash_attn_varlen_qkvpacked_func(flat, cu, 5, causal=True), want[0])


def test_a_cache_grows_and_is_attended_to():
    """New keys go behind those that the cache holds, and the queries see all of them."""
    q, k, v = inputs(2, 2, 6, 1, 2, 4)
    room = [torch.zeros(2, 10, 1, 4, dtype=torch.float64) for _ in range(2)]
    held = torch.tensor([4, 3])
    for cache, full in zip(room, (k, v), strict=True):
        cache[0, :4], cache[1, :3] = full[0, :4], full[1, :3]
    out = flash.flash_attn_with_kvcache(q, *room, k[:, 4:], v[:, 4:], cache_seqlens=held, causal=True)
    torch.testing.assert_close(out[:1], reference(q[:1], k[:1], v[:1], causal=True)[0])
    keys, values = (torch.cat((x[1:, :3], x[1:, 4:]), 1) for x in (k, v))
    torch.testing.assert_close(out[1:], reference(q[1:], keys, values, causal=True)[0])


def test_padding_is_taken_out_and_put_back():
    """`pad_input` reverses `unpad_input`."""
    hidden = torch.randn(2, 4, 3)
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]], dtype=torch.bool)
    tokens, indices, starts, longest, counts = flash.unpad_input(hidden, mask)
    assert (tokens.shape, starts.tolist(), longest, counts.tolist()) == ((4, 3), [0, 3, 4], 3, [3, 1])
    torch.testing.assert_close(flash.pad_input(tokens, indices, 2, 4), hidden * mask[..., None])


@pytest.mark.parametrize(
    "options", [{"dropout_p": 0.1}, {"alibi_slopes": torch.ones(2)}], ids=lambda options: next(iter(options))
)
def test_options_without_an_equivalent_are_refused(options):
    """What would change the result and is not computed raises, by its name."""
    q, k, v = inputs(1, 2, 2, 2, 1, 4)
    with pytest.raises(NotSupported, match=next(iter(options))):
        flash.flash_attn_func(q, k, v, **options)


def test_shapes_that_do_not_fit_are_refused():
    """Query heads must be a multiple of key heads."""
    q, k, v = inputs(1, 2, 2, 2, 1, 4)
    with pytest.raises(RuntimeError, match="divide"):
        flash.flash_attn_func(q.repeat(1, 1, 2, 1)[:, :, :3], k, v)


def test_bfloat16_stays_bfloat16():
    """Half precision comes back in half precision, close to the float64 result."""
    q, k, v = inputs(1, 16, 16, 2, 2, 8)
    half = [x.bfloat16() for x in (q, k, v)]
    out = flash.flash_attn_func_v3(*half, causal=True)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.double(), reference(q, k, v, causal=True)[0], atol=0.03, rtol=0.03)
