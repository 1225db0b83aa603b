"""Delta rules, short convolutions and the layers of flash-linear-attention against sums written out in float64."""

import importlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.observe.cpu_run.guest.fidelity import NotSupported
from harness.observe.cpu_run.guest.stand_ins import fla, install
from harness.observe.cpu_run.guest.stand_ins.delta import CHUNK, delta_rule, unit


def reference(q, k, v, beta, decay=None, *, updates=1, scale=None, state=None):
    """Outputs and last memory, one sequence, head and step at a time."""
    batch, steps, key_heads, width = q.shape
    heads = v.shape[2]
    scale = width**-0.5 if scale is None else scale
    out = torch.zeros(batch, steps, heads, v.shape[-1], dtype=torch.float64)
    first = torch.zeros(batch, heads, width, v.shape[-1], dtype=torch.float64) if state is None else state.double()
    last = torch.zeros_like(first)
    for b in range(batch):
        for h in range(heads):
            group = h // (heads // key_heads)
            memory = first[b, h]
            for t in range(steps):
                memory = memory * (1.0 if decay is None else decay[b, t, h].exp())
                for n in range(t * updates, (t + 1) * updates):
                    error = v[b, n, h] - memory.T @ k[b, n, group]
                    memory = memory + beta[b, n, h] * torch.outer(k[b, n, group], error)
                out[b, t, h] = scale * memory.T @ q[b, t, group]
            last[b, h] = memory
    return out, last


def inputs(batch, steps, heads, groups=1, updates=1, width=4, seed=0):
    """q, k, v, beta and the log decay, in float64; keys have unit length, as every layer gives them."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    q, k = unit(draw(batch, steps, heads, width)), unit(draw(batch, steps * updates, heads, width))
    v = draw(batch, steps * updates, heads * groups, width + 1)
    beta = draw(batch, steps * updates, heads * groups).sigmoid()
    return q, k, v, beta, -draw(batch, steps, heads * groups).exp()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 2), st.integers(1, 9), st.integers(1, 2), st.integers(1, 3), st.booleans(), st.integers(0, 99))
def test_the_rule_is_the_recurrence(batch, steps, heads, groups, decays, seed):
    """Outputs and last memory, with grouped keys, with and without decay, from a memory that is not zero."""
    q, k, v, beta, decay = inputs(batch, steps, heads, groups, seed=seed)
    state = torch.randn(batch, heads * groups, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    given_decay = decay if decays else None
    out, last = delta_rule(q, k, v, beta, given_decay, state=state)
    expected = reference(q, k, v, beta, given_decay, state=state)
    torch.testing.assert_close(out, expected[0])
    torch.testing.assert_close(last, expected[1])


def test_chunks_join_without_a_seam():
    """A sequence longer than two chunks, of which the last is not full."""
    q, k, v, beta, decay = inputs(1, 2 * CHUNK + 5, 1)
    torch.testing.assert_close(delta_rule(q, k, v, beta, decay)[0], reference(q, k, v, beta, decay)[0])


def test_strong_decay_stays_finite():
    """A decay that empties the memory at once gives no infinity, forwards or backwards."""
    q, k, v, beta, decay = (x.float().requires_grad_() for x in inputs(1, CHUNK, 1))
    delta_rule(q, k, v, beta, decay * 1_000)[0].sum().backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in (q, k, v, beta, decay))


def test_gradients_are_those_of_the_recurrence():
    """Backwards through a chunk equals backwards through the loop."""
    drawn = inputs(1, 6, 2)
    grads = []
    for rule in (delta_rule, reference):
        leaves = [x.clone().requires_grad_() for x in drawn]
        rule(*leaves)[0].square().sum().backward()
        grads.append([x.grad for x in leaves])
    torch.testing.assert_close(*grads)


def test_what_comes_later_changes_nothing_before():
    """Outputs up to a place are the same bits whatever stands behind it."""
    q, k, v, beta, decay = (x.float() for x in inputs(1, CHUNK, 2))
    drawn = zip((q, k, v, beta, decay), inputs(1, CHUNK, 2, seed=1), strict=True)
    other = [torch.cat([x[:, :40], y[:, 40:].float()], 1) for x, y in drawn]
    assert torch.equal(delta_rule(q, k, v, beta, decay)[0][:, :40], delta_rule(*other)[0][:, :40])


def test_documents_in_a_row_are_documents_alone():
    """Bounds keep one sequence's memory from the next."""
    q, k, v, beta, decay = inputs(1, 9, 2)
    bounds = torch.tensor([0, 4, 9])
    out, last = fla.chunk_gated_delta_rule(q, k, v, decay, beta, cu_seqlens=bounds, output_final_state=True)
    for number, (begin, end) in enumerate(((0, 4), (4, 9))):
        alone = reference(*(x[:, begin:end] for x in (q, k, v, beta, decay)))
        torch.testing.assert_close(out[:, begin:end], alone[0])
        torch.testing.assert_close(last[number : number + 1], alone[1])


@pytest.mark.parametrize("updates", [1, 2, 3])
@pytest.mark.parametrize("decays", [True, False])
def test_the_product_makes_several_updates_a_step(updates, decays):
    """The memory decays before the first update of a step and is read behind the last."""
    q, k, v, beta, decay = inputs(2, 5, 2, updates=updates)
    given_decay = decay if decays else None
    out, _ = fla.chunk_gated_delta_product(q, k, v, given_decay, beta, num_householder=updates)
    torch.testing.assert_close(out, reference(q, k, v, beta, given_decay, updates=updates)[0])


def test_a_short_convolution_sees_no_later_step():
    """Each channel is a sum over its last steps, begun anew with each sequence."""
    layer = fla.ShortConvolution(3, 4).double()
    x = torch.randn(1, 7, 3, dtype=torch.float64)
    expected = torch.zeros_like(x)
    for begin, end in ((0, 5), (5, 7)):
        for t in range(begin, end):
            for lag in range(min(4, t - begin + 1)):
                expected[0, t] += layer.weight[:, 0, 3 - lag] * x[0, t - lag]
    out, _ = layer(x, cu_seqlens=torch.tensor([0, 5, 7]))
    torch.testing.assert_close(out, expected * expected.sigmoid())


def test_the_gated_norm():
    """Channels over their root mean square by their weights, times SiLU of the gate."""
    layer = fla.FusedRMSNormGated(6)
    torch.nn.init.uniform_(layer.weight)
    x, g = torch.randn(2, 6), torch.randn(2, 6)
    expected = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * layer.weight * g * g.sigmoid()
    torch.testing.assert_close(layer(x, g), expected)


def _layer_by_hand(layer, x, updates):
    """What a layer with decay computes, from its parameters and the reference."""

    def heads(y, width):
        return y.view(*y.shape[:2], updates, -1, width).flatten(1, 2).double()

    q, k, v = (getattr(layer, f"{n}_conv1d")(getattr(layer, f"{n}_proj")(x))[0] for n in "qkv")
    q = unit(q.view(*q.shape[:2], -1, layer.head_dim).double())
    beta = heads(layer.b_proj(x).sigmoid(), 1).squeeze(-1) * (2 if layer.allow_neg_eigval else 1)
    decay = -layer.A_log.exp() * torch.nn.functional.softplus(layer.a_proj(x) + layer.dt_bias)
    out, _ = reference(q, unit(heads(k, layer.head_dim)), heads(v, layer.head_v_dim), beta, decay, updates=updates)
    gate = layer.g_proj(x).view(out.shape)
    return layer.o_proj(layer.o_norm(out.float(), gate).flatten(2))


@pytest.mark.parametrize("updates", [1, 2])
@pytest.mark.parametrize("negative", [True, False])
def test_layers_with_decay(updates, negative):
    """GatedDeltaNet and GatedDeltaProduct are projections around the recurrence."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 12, "head_dim": 4, "num_heads": 2, "expand_v": 2, "allow_neg_eigval": negative}
    layer = fla.GatedDeltaNet(**sizes) if updates == 1 else fla.GatedDeltaProduct(**sizes, num_householder=updates)
    x = torch.randn(2, 5, 12)
    torch.testing.assert_close(layer(x)[0], _layer_by_hand(layer, x, updates), atol=1e-5, rtol=1e-4)


def test_the_layer_without_decay():
    """DeltaNet is projections around the recurrence without decay."""
    torch.manual_seed(0)
    layer = fla.DeltaNet(d_model=12, num_heads=2, use_gate=True)
    x = torch.randn(2, 5, 12)
    q, k, v = (
        getattr(layer, f"{n}_conv1d")(getattr(layer, f"{n}_proj")(x))[0].view(2, 5, 2, 6).double() for n in "qkv"
    )
    out, _ = reference(unit(q), unit(k), v, layer.b_proj(x).sigmoid())
    expected = layer.o_proj(layer.o_norm(out.float(), layer.g_proj(x).view(out.shape)).flatten(2))
    torch.testing.assert_close(layer(x)[0], expected, atol=1e-5, rtol=1e-4)


def test_what_nothing_here_computes_is_refused():
    """Other layers import and are refused when used; options that change the result are refused."""
    install()
    with pytest.raises(NotSupported):
        importlib.import_module("fla.layers").Mamba2(hidden_size=8)
    with pytest.raises(NotSupported):
        fla.GatedDeltaNet(hidden_size=8, head_dim=4, num_heads=2)(torch.zeros(1, 2, 8), use_cache=True)
    with pytest.raises(NotSupported):
        fla.chunk_gated_delta_rule(*inputs(1, 2, 1)[:3], None, None, use_gate_in_kernel=True)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("fla.layers", "GatedDeltaNet"),
        ("fla.layers.gated_deltanet", "GatedDeltaNet"),
        ("fla.layers.delta_net", "DeltaNet"),
        ("fla.ops.delta_rule", "chunk_delta_rule"),
        ("fla.ops.gated_delta_rule.chunk", "chunk_gated_delta_rule"),
        ("fla.modules", "FusedRMSNormGated"),
        ("causal_conv1d", "causal_conv1d_fn"),
    ],
)
def test_they_are_where_programs_import_them_from(module, name):
    """The modules of the library, by their own names."""
    install()
    assert callable(getattr(importlib.import_module(module), name))
