"""Imports of the library find its modules."""

import importlib

import pytest

from harness.observe.cpu_run.guest.fidelity import NotSupported
from harness.observe.cpu_run.guest.stand_ins import install


def test_other_layers_are_refused_when_used():
    """They can be imported."""
    install()
    with pytest.raises(NotSupported):
        importlib.import_module("fla.layers").Mamba2(hidden_size=8)


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
