"""A model into an artifact, and an artifact into a model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from reference_model.artifact.format import ArtifactError, decoded, encoded
from reference_model.config import Config, QuantConfig
from reference_model.model.gpt import GPT
from reference_model.quant.gptq import Hessians, clipped_scales, gptq
from reference_model.quant.grid import SMALLEST_SCALE, Quantized, dequantized, qmax_of, quantized, row_scales
from reference_model.quant.plan import Precision, precisions

SCALE = ":scale"
"""Added to a matrix's name for its scales; a colon stands in no name of a parameter."""


def packed(model: GPT, config: QuantConfig, hessians: Hessians | None = None) -> bytes:
    """The artifact of a model: the same bytes for the same weights. `hessians` for the quantiser `gptq`."""
    if config.quantizer == "gptq" and hessians is None:
        raise ValueError("QUANTIZER is gptq, which needs Hessians of calibration batches")
    arrays = {}
    for name, precision in precisions(model, config).items():
        tensor = model.get_parameter(name).detach().cpu()
        if precision.bits >= 16:
            arrays[name] = tensor.to(torch.float16 if precision.bits == 16 else torch.float32).numpy()
            continue
        hessian = hessians.sums.get(name) if hessians is not None else None
        matrix = _integers(tensor, precision, config, hessian.cpu() if hessian is not None else None)
        arrays[name], arrays[name + SCALE] = matrix.codes.numpy(), matrix.scales.numpy()
    return encoded(arrays, config.codec)


def _integers(tensor: Tensor, precision: Precision, config: QuantConfig, hessian: Tensor | None) -> Quantized:
    floor = 1.0 / qmax_of(precision.bits) if config.scale_floor == "legacy" else SMALLEST_SCALE
    if not precision.clip:
        return quantized(tensor, precision.bits, row_scales(tensor, precision.bits, floor))
    scales = clipped_scales(tensor, precision.bits, precision.clip)
    if hessian is None:  # a table: its rows are looked up and see no inputs
        return quantized(tensor, precision.bits, scales)
    return gptq(tensor, hessian, precision.bits, scales, config.gptq_damp)


def state_of(artifact: bytes) -> dict[str, Tensor]:
    """The weights of an artifact, in float32. Raises ArtifactError."""
    arrays = {name: torch.from_numpy(np.array(array)) for name, array in decoded(artifact).items()}
    found = {}
    for name, tensor in arrays.items():
        if name.endswith(SCALE):
            continue
        scales = arrays.get(name + SCALE)
        if (scales is None) != (tensor.dtype != torch.int8) or (scales is not None and len(scales) != len(tensor)):
            raise ArtifactError(f"{name} and its scales do not belong together")
        found[name] = tensor.float() if scales is None else dequantized(Quantized(tensor, scales))
    return found


def model_of(artifact: bytes, config: Config) -> GPT:
    """The model of an artifact. Raises ArtifactError where the weights are not those of the configuration."""
    model = GPT(config.model, config.data.train_seq_len, config.seed)
    return loaded(model, state_of(artifact))


def loaded(model: GPT, state: Mapping[str, Tensor]) -> GPT:
    """The model with these weights. Raises ArtifactError where they are another model's."""
    try:
        model.load_state_dict(dict(state))
    except RuntimeError as error:
        raise ArtifactError(f"the weights are those of another model: {error}") from error
    return model
