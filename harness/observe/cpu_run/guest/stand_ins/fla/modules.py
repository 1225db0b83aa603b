"""The modules of the library, as its users import them."""

from __future__ import annotations

from harness.observe.cpu_run.guest.stand_ins.finder import Names
from harness.observe.cpu_run.guest.stand_ins.fla import convolution, layers, norms, rules


def modules() -> dict[str, Names]:
    """What is in each module of fla, and in causal_conv1d."""
    gated: Names = {
        "chunk_gated_delta_rule": rules.chunk_gated_delta_rule,
        "chunk_gdn": rules.chunk_gated_delta_rule,
        "fused_recurrent_gated_delta_rule": rules.fused_recurrent_gated_delta_rule,
        "naive_chunk_gated_delta_rule": rules.naive_chunk_gated_delta_rule,
    }
    plain: Names = {"chunk_delta_rule": rules.chunk_delta_rule, "fused_recurrent_delta_rule": rules.chunk_delta_rule}
    product: Names = {"chunk_gated_delta_product": rules.chunk_gated_delta_product}
    parts: Names = {
        "RMSNorm": norms.RMSNorm,
        "FusedRMSNormGated": norms.FusedRMSNormGated,
        "FusedRMSNormSwishGate": norms.FusedRMSNormGated,
        "ShortConvolution": convolution.ShortConvolution,
    }
    classes = {
        "gated_deltanet": layers.GatedDeltaNet,
        "gated_deltaproduct": layers.GatedDeltaProduct,
        "delta_net": layers.DeltaNet,
    }
    families = {"gated_delta_rule": gated, "delta_rule": plain, "gated_delta_product": product}
    return {
        "fla": {"__version__": "0.4.2"},
        "fla.ops": {**gated, **plain, **product},
        **{f"fla.ops.{name}": names for name, names in families.items()},
        **{f"fla.ops.{name}.{part}": names for name, names in families.items() for part in ("chunk", "naive")},
        "fla.layers": {layer.__name__: layer for layer in classes.values()},
        **{f"fla.layers.{name}": {layer.__name__: layer, **gated, **product} for name, layer in classes.items()},
        "fla.layers.mamba2": {},
        "fla.layers.rwkv7": {},
        "fla.modules": parts,
        "fla.modules.convolution": {
            "ShortConvolution": convolution.ShortConvolution,
            "causal_conv1d": convolution.causal_conv1d,
        },
        "causal_conv1d": {"__version__": "1.5.0", "causal_conv1d_fn": convolution.causal_conv1d_fn},
    }
