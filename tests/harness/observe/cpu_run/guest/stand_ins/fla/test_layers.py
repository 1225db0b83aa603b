"""Layers are projections around the recurrence."""

import pytest
import torch
from tests_support.delta import reference

from harness.observe.cpu_run.guest.fidelity import NotSupported
from harness.observe.cpu_run.guest.stand_ins.fla import layers
from harness.observe.cpu_run.guest.stand_ins.fla.delta import unit


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
    layer = (
        layers.GatedDeltaNet(**sizes) if updates == 1 else layers.GatedDeltaProduct(**sizes, num_householder=updates)
    )
    x = torch.randn(2, 5, 12)
    torch.testing.assert_close(layer(x)[0], _layer_by_hand(layer, x, updates), atol=1e-5, rtol=1e-4)


def test_the_layer_without_decay():
    """DeltaNet is projections around the recurrence without decay."""
    torch.manual_seed(0)
    layer = layers.DeltaNet(d_model=12, num_heads=2, use_gate=True)
    x = torch.randn(2, 5, 12)
    q, k, v = (
        getattr(layer, f"{n}_conv1d")(getattr(layer, f"{n}_proj")(x))[0].view(2, 5, 2, 6).double() for n in "qkv"
    )
    out, _ = reference(unit(q), unit(k), v, layer.b_proj(x).sigmoid())
    expected = layer.o_proj(layer.o_norm(out.float(), layer.g_proj(x).view(out.shape)).flatten(2))
    torch.testing.assert_close(layer(x)[0], expected, atol=1e-5, rtol=1e-4)


def test_a_cache_is_refused():
    """No state is kept from one call to the next."""
    with pytest.raises(NotSupported):
        layers.GatedDeltaNet(hidden_size=8, head_dim=4, num_heads=2)(torch.zeros(1, 2, 8), use_cache=True)
