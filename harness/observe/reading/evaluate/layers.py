"""Classes of libraries that the evaluator models, and the parameter shapes of torch's layers."""

from __future__ import annotations

from collections.abc import Callable

from harness.observe.reading.evaluate.values import UNKNOWN, ListValue, TensorValue, Unknown, Value, raw, words

Sizes = dict[str, Value]
Parameters = list[tuple[str, tuple[Value, ...]]]

# Signatures are torch's; only what decides a shape matters, the order gives positional arguments their names.
_CONVOLUTION = "in_channels out_channels kernel_size stride padding dilation groups bias"
_TRANSPOSED = "in_channels out_channels kernel_size stride padding output_padding groups bias dilation"
_RECURRENT = "input_size hidden_size num_layers bias batch_first dropout bidirectional proj_size"
SIGNATURES = {
    "Linear": "in_features out_features bias",
    "Bilinear": "in1_features in2_features out_features bias",
    "Embedding": "num_embeddings embedding_dim padding_idx",
    "EmbeddingBag": "num_embeddings embedding_dim",
    "LayerNorm": "normalized_shape eps elementwise_affine bias",
    "RMSNorm": "normalized_shape eps elementwise_affine",
    "GroupNorm": "num_groups num_channels eps affine",
    "BatchNorm1d": "num_features eps momentum affine",
    "BatchNorm2d": "num_features eps momentum affine",
    "InstanceNorm1d": "num_features eps momentum affine",
    "Conv1d": _CONVOLUTION,
    "Conv2d": _CONVOLUTION,
    "Conv3d": _CONVOLUTION,
    "ConvTranspose1d": _TRANSPOSED,
    "ConvTranspose2d": _TRANSPOSED,
    "MultiheadAttention": "embed_dim num_heads dropout bias add_bias_kv add_zero_attn kdim vdim",
    "GRU": _RECURRENT,
    "LSTM": _RECURRENT,
    "RNN": _RECURRENT.replace("bias", "nonlinearity bias"),
    "GRUCell": "input_size hidden_size bias",
    "LSTMCell": "input_size hidden_size bias",
    "RNNCell": "input_size hidden_size bias",
    "PReLU": "num_parameters",
}
DEFAULTS: dict[str, Value] = {
    "bias": True, "elementwise_affine": True, "affine": True, "groups": 1, "num_layers": 1, "bidirectional": False,
    "proj_size": 0, "add_bias_kv": False, "kdim": None, "vdim": None, "num_parameters": 1,
}  # fmt: skip
OWN_DEFAULTS: dict[str, dict[str, Value]] = {"InstanceNorm1d": {"affine": False}}
"""Defaults of single layers that differ from `DEFAULTS`."""
EMPTY = words(
    "Identity Dropout Dropout1d Dropout2d ReLU ReLU6 LeakyReLU GELU SiLU Sigmoid Tanh Softmax LogSoftmax Softplus "
    "ELU SELU Hardswish Mish GLU Flatten Unflatten CrossEntropyLoss MSELoss NLLLoss BCELoss BCEWithLogitsLoss "
    "KLDivLoss L1Loss SmoothL1Loss AvgPool1d AvgPool2d MaxPool1d MaxPool2d AdaptiveAvgPool1d Upsample Hardtanh "
    "Softsign ZeroPad1d ZeroPad2d ConstantPad1d Threshold CosineSimilarity PixelShuffle AlphaDropout Softmin"
)
CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"})

ALIASES = {
    "torch.nn.parameter.Parameter": "torch.nn.Parameter",
    "torch.nn.modules.module.Module": "torch.nn.Module",
    "torch.nn.modules.Module": "torch.nn.Module",
    "torch.optim.optimizer.Optimizer": "torch.optim.Optimizer",
    "torch.autograd.function.Function": "torch.autograd.Function",
    "torch.nn.modules.linear.Linear": "torch.nn.Linear",
}
_MODULE = ("torch.nn.Module",)
CLASSES: dict[str, tuple[str, ...]] = {
    "builtins.object": (),
    "torch.nn.Module": (),
    "torch.nn.Parameter": (),
    "torch.optim.Optimizer": (),
    "torch.autograd.Function": (),
    "abc.ABC": (),
    "builtins.Exception": (),
    "builtins.RuntimeError": ("builtins.Exception",),
    "builtins.ValueError": ("builtins.Exception",),
    "types.SimpleNamespace": (),
    **{f"torch.nn.{name}": _MODULE for name in (*SIGNATURES, *EMPTY, *CONTAINERS)},
}
"""Library classes that are modelled, with their bases."""


def _product(left: Value, right: Value) -> Value:
    a, b = raw(left), raw(right)
    return a * b if isinstance(a, int) and isinstance(b, int) else UNKNOWN


def _quotient(left: Value, right: Value) -> Value:
    a, b = raw(left), raw(right)
    return a // b if isinstance(a, int) and isinstance(b, int) and b else UNKNOWN


def _flag(given: Sizes, name: str) -> bool | None:
    value = raw(given.get(name, False))
    return None if isinstance(value, (Unknown, TensorValue)) else bool(value)


def _with_flag(given: Sizes, flag: str, always: Parameters, more: Parameters) -> Parameters:
    known = _flag(given, flag)
    return [("?", ())] if known is None else always + (more if known else [])


def _get(given: Sizes, name: str) -> Value:
    return given.get(name, UNKNOWN)


def _dense(given: Sizes) -> Parameters:
    out = _get(given, "out_features")
    return _with_flag(given, "bias", [("weight", (out, _get(given, "in_features")))], [("bias", (out,))])


def _bilinear(given: Sizes) -> Parameters:
    out = _get(given, "out_features")
    weight = (out, _get(given, "in1_features"), _get(given, "in2_features"))
    return _with_flag(given, "bias", [("weight", weight)], [("bias", (out,))])


def _embedding(given: Sizes) -> Parameters:
    return [("weight", (_get(given, "num_embeddings"), _get(given, "embedding_dim")))]


def _normalized(given: Sizes) -> tuple[Value, ...]:
    shape = raw(_get(given, "normalized_shape"))
    if isinstance(shape, ListValue):
        return tuple(shape.items or (UNKNOWN,))
    return shape if isinstance(shape, tuple) else (shape,)


def _layer_norm(given: Sizes) -> Parameters:
    shape = _normalized(given)
    if _flag(given, "elementwise_affine") is False:
        return []
    return _with_flag(given, "bias", [("weight", shape)], [("bias", shape)])


def _rms_norm(given: Sizes) -> Parameters:
    return _with_flag(given, "elementwise_affine", [], [("weight", _normalized(given))])


def _affine(size: str) -> Callable[[Sizes], Parameters]:
    def parameters(given: Sizes) -> Parameters:
        shape = (_get(given, size),)
        return _with_flag(given, "affine", [], [("weight", shape), ("bias", shape)])

    return parameters


def _convolution(rank: int, *, transposed: bool = False) -> Callable[[Sizes], Parameters]:
    def parameters(given: Sizes) -> Parameters:
        kernel = raw(_get(given, "kernel_size"))
        spread = tuple(kernel) if isinstance(kernel, tuple) else (kernel,) * rank
        incoming, out, groups = _get(given, "in_channels"), _get(given, "out_channels"), _get(given, "groups")
        first, second = (incoming, _quotient(out, groups)) if transposed else (out, _quotient(incoming, groups))
        return _with_flag(given, "bias", [("weight", (first, second, *spread))], [("bias", (out,))])

    return parameters


def _attention(given: Sizes) -> Parameters:
    width = _get(given, "embed_dim")
    extra = (_flag(given, "add_bias_kv"), raw(given.get("kdim")), raw(given.get("vdim")))
    if extra[0] is not False or any(part not in (None, raw(width)) for part in extra[1:]):
        return [("?", ())]
    always: Parameters = [("in_proj_weight", (_product(width, 3), width)), ("out_proj.weight", (width, width))]
    more: Parameters = [("in_proj_bias", (_product(width, 3),)), ("out_proj.bias", (width,))]
    return _with_flag(given, "bias", always, more)


def _recurrent(gates: int, *, cell: bool = False) -> Callable[[Sizes], Parameters]:
    def parameters(given: Sizes) -> Parameters:
        hidden_size, depth, bias = _get(given, "hidden_size"), raw(_get(given, "num_layers")), _flag(given, "bias")
        both = _flag(given, "bidirectional")
        if not isinstance(depth, int) or depth > 1000 or bias is None or both is None or raw(given["proj_size"]) != 0:
            return [("?", ())]
        result: Parameters = []
        rows = _product(hidden_size, gates)
        for layer in range(1 if cell else depth):
            for way in ("", "_reverse") if both else ("",):
                suffix = "" if cell else f"_l{layer}{way}"
                inner = _product(hidden_size, 2) if both else hidden_size
                incoming = _get(given, "input_size") if layer == 0 else inner
                result += [(f"weight_ih{suffix}", (rows, incoming)), (f"weight_hh{suffix}", (rows, hidden_size))]
                result += [(f"bias_ih{suffix}", (rows,)), (f"bias_hh{suffix}", (rows,))] if bias else []
        return result

    return parameters


PARAMETERS: dict[str, Callable[[Sizes], Parameters]] = {
    "Linear": _dense,
    "Bilinear": _bilinear,
    "Embedding": _embedding,
    "EmbeddingBag": _embedding,
    "LayerNorm": _layer_norm,
    "RMSNorm": _rms_norm,
    "GroupNorm": _affine("num_channels"),
    "BatchNorm1d": _affine("num_features"),
    "BatchNorm2d": _affine("num_features"),
    "InstanceNorm1d": _affine("num_features"),
    "Conv1d": _convolution(1),
    "Conv2d": _convolution(2),
    "Conv3d": _convolution(3),
    "ConvTranspose1d": _convolution(1, transposed=True),
    "ConvTranspose2d": _convolution(2, transposed=True),
    "MultiheadAttention": _attention,
    "GRU": _recurrent(3),
    "LSTM": _recurrent(4),
    "RNN": _recurrent(1),
    "GRUCell": _recurrent(3, cell=True),
    "LSTMCell": _recurrent(4, cell=True),
    "RNNCell": _recurrent(1, cell=True),
    "PReLU": lambda given: [("weight", (_get(given, "num_parameters"),))],
}
