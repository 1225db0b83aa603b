"""Competition Baseline (CPU). Made from the reference stack of the golf harness; see README.md."""

from __future__ import annotations


import contextlib
import glob
import hashlib
import json
import lzma
import math
import numpy as np
import numpy.typing as npt
import os
import random
import struct
import sys
import time
import torch
import torch.distributed as dist
import torch.nn.functional as F
import zlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from torch import Tensor
from torch import nn
from typing import Any
from typing import NamedTuple
from typing import Protocol


# artifact/codecs.py

CODECS = ("zlib", "zstd", "lzma", "brotli")

SHUFFLE_STRIDE = 2

class Codec(NamedTuple):
    """Both directions; `decompress` gets the length that must come out."""

    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes, int], bytes]

def codec(name: str) -> Codec:
    """The codec of that name. Raises ModuleNotFoundError where its library is missing, KeyError for no codec."""
    if name == "zstd":
        import zstandard

        return Codec(
            lambda data: zstandard.ZstdCompressor(level=22).compress(data),
            lambda data, size: zstandard.ZstdDecompressor().decompress(data, max_output_size=size),
        )
    if name == "brotli":
        import brotli  # type: ignore[import-untyped]  # ships no types

        def unbrotli(data: bytes, size: int) -> bytes:
            del size  # brotli offers no limit: the length is compared afterwards
            return unshuffled(brotli.decompress(data))

        return Codec(lambda data: brotli.compress(shuffled(data), quality=11), unbrotli)
    if name == "lzma":
        return Codec(_lzma, lambda data, size: lzma.LZMADecompressor().decompress(data, size))
    if name == "zlib":
        return Codec(
            lambda data: zlib.compress(data, 9), lambda data, size: zlib.decompressobj().decompress(data, size)
        )
    raise KeyError(f"there is no codec {name!r}; there are {', '.join(CODECS)}")

def _lzma(data: bytes) -> bytes:
    """At its strongest, with a dictionary no larger than the data: the preset's 64 MiB would only cost time."""
    size = max(4_096, min(len(data), 64 << 20))
    return lzma.compress(data, filters=[{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": size}])

def shuffled(data: bytes) -> bytes:
    """All bytes at even places, then all at odd ones: the high bytes of float16 are alike."""
    return data[0::SHUFFLE_STRIDE] + data[1::SHUFFLE_STRIDE]

def unshuffled(data: bytes) -> bytes:
    """The reverse."""
    half = (len(data) + 1) // SHUFFLE_STRIDE
    out = bytearray(len(data))
    out[0::SHUFFLE_STRIDE], out[1::SHUFFLE_STRIDE] = data[:half], data[half:]
    return bytes(out)


# artifact/format.py

MAGIC = b"PGA1"

HEADER = struct.Struct("<4sBQ32s")

DTYPES = ("int8", "float16", "float32")

MAX_CONTAINER = 1 << 32

Arrays = Mapping[str, npt.NDArray[Any]]

class ArtifactError(ValueError):
    """The bytes are no artifact, or not a whole one; the message says in what way."""

def encoded(arrays: Arrays, codec_name: str) -> bytes:
    """The file of these arrays. Raises ArtifactError for a dtype that the format does not have."""
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise ArtifactError(f"{name} is {array.dtype.name}; the format holds {', '.join(DTYPES)}")
    rows = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    manifest = json.dumps(rows, separators=(",", ":")).encode()
    buffers = b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays.values())
    container = struct.pack("<I", len(manifest)) + manifest + buffers
    body = codec(codec_name).compress(container)
    return HEADER.pack(MAGIC, CODECS.index(codec_name), len(container), hashlib.sha256(body).digest()) + body

def decoded(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a file. Raises ArtifactError for anything that is not exactly such a file."""
    container = _container(data)
    if len(container) < 4:
        raise ArtifactError("the container has no manifest")
    position = 4 + struct.unpack_from("<I", container)[0]
    try:
        rows = json.loads(container[4:position])
        shapes = [(str(name), str(dtype), tuple(int(n) for n in shape)) for name, dtype, shape in rows]
    except (ValueError, TypeError, RecursionError) as error:
        raise ArtifactError(f"the manifest cannot be read: {error}") from error
    found: dict[str, npt.NDArray[Any]] = {}
    for name, dtype, shape in shapes:
        count = math.prod(shape)
        if dtype not in DTYPES or min(shape, default=0) < 0:
            raise ArtifactError(f"the manifest says that {name} is {dtype} {shape}")
        size = count * np.dtype(dtype).itemsize
        if position + size > len(container):
            raise ArtifactError(f"{name} ends beyond the container's {len(container)} bytes")
        found[name] = np.frombuffer(container, np.dtype(dtype).newbyteorder("<"), count, position).reshape(shape)
        position += size
    if position != len(container):
        raise ArtifactError(f"the manifest describes {position} bytes of {len(container)}")
    return found

def _container(data: bytes) -> bytes:
    if len(data) < HEADER.size:
        raise ArtifactError(f"{len(data)} bytes are too few for the {HEADER.size}-byte header")
    magic, index, length, digest = HEADER.unpack_from(data)
    if magic != MAGIC or index >= len(CODECS) or length > MAX_CONTAINER:
        raise ArtifactError("the header is not that of an artifact")
    body = data[HEADER.size :]
    if hashlib.sha256(body).digest() != digest:
        raise ArtifactError("its content is not what its header says: it was cut off or changed")
    try:
        container = codec(CODECS[index]).decompress(body, length)
    except ModuleNotFoundError:
        raise
    except Exception as error:  # every library has an error of its own
        raise ArtifactError(f"{CODECS[index]} cannot decompress it: {error}") from error
    if len(container) != length:
        raise ArtifactError(f"it holds {len(container)} bytes, its header says {length}")
    return container


# config.py

@dataclass(frozen=True)
class ModelConfig:
    """The network. Sizes are counts of elements, layers count from 0."""

    vocab_size: int = 1024
    num_layers: int = 9
    model_dim: int = 512
    num_heads: int = 8
    num_kv_heads: int = 4
    """Grouped-query attention: `num_heads / num_kv_heads` query heads share one key and value head."""
    mlp_mult: int = 2
    activation: str = "relu2"
    """`relu2`: max(x, 0)^2; `leaky_relu2`: leaky_relu(x, 0.5)^2."""
    qk_norm: bool = True
    """Normalise queries and keys per head, and give every query head a learned gain."""
    qk_gain_init: float = 1.5
    rope_base: float = 10_000.0
    rope_dims: int = 0
    """Dimensions of a head that are rotated; 0: all."""
    rope_ntk: bool = False
    """Stretch the base for sequences longer than those of training."""
    attention_window: int = 0
    """Tokens that a token sees, itself included; 0: all before it."""
    xsa_last_n: int = 0
    """Layers from the end whose attention output loses its part along the token's own value."""
    value_residual: bool = False
    """Add the first layer's values, times a learned number a layer, to the values of every later layer."""
    value_embed_layers: int = 0
    """Layers from the end whose values get an embedding of the token added."""
    value_embed_dim: int = 128
    weighted_norm: bool = False
    """RMS norms with a learned weight."""
    ln_scale: bool = False
    """Multiply the normalised input of physical layer i by (i + 1)^-1/2."""
    block_scales: bool = True
    """Learned vectors that scale what attention and MLP add."""
    resid_mix: str = "learned"
    """How the residual stream x and the embedding x0 enter a block: `off`: x; `learned`: a x + b x0, starting with
    a = 1 and b = 0; `phase`: the same, starting with a sigmoid over the depth."""
    skips: str = "add"
    """U-Net connections from the first half to the second: `off`, `add` (scaled) or `gated`."""
    loop_start: int = 0
    loop_end: int = 0
    """Layers `loop_start` to `loop_end - 1` are gone through `loop_visits` times."""
    loop_visits: int = 1
    loop_at: float = 0.35
    """Share of the training time after which the loop is switched on."""
    parallel_from: int = -1
    """First layer whose attention and MLP read the same input; -1: none."""
    smear: bool = False
    """Blend the embedding of the previous token into each, by a learned gate a dimension."""
    smear_resets: bool = True
    """The gate is shut at the first token of a document."""
    bigram_buckets: int = 0
    """Rows of the hashed table of token pairs; 0: none."""
    bigram_dim: int = 128
    tie_embeddings: bool = True
    tied_embed_init_std: float = 0.005
    spectral_init: bool = False
    """Give the singular values of the embedding a power law."""
    ortho_init: bool = False
    logit_softcap: float = 30.0
    """Logits z become c tanh(z / c); 0: they stay."""
    bos_id: int = 1

@dataclass(frozen=True)
class DataConfig:
    """Where tokens come from, and how many a step takes."""

    data_path: str = "./data/datasets/fineweb10B_sp1024"
    tokenizer_path: str = "./data/tokenizers/fineweb_1024_bpe.model"
    train_seq_len: int = 1024
    train_batch_tokens: int = 524_288
    """Over all ranks and micro batches."""
    micro_batch_tokens: int = 65_536
    """Tokens that one rank takes at once."""

@dataclass(frozen=True)
class OptimConfig:
    """Learning rates of the three groups of parameters, and what goes with them."""

    matrix_lr: float = 0.04
    scalar_lr: float = 0.04
    tied_embed_lr: float = 0.05
    """Of the token group: embeddings and tables."""
    head_lr: float = 0.008
    """Of an output matrix that is not tied."""
    matrix_optimizer: str = "muon"
    """`muon`, `muon_rows` (MuonEq-R) or `adamw`."""
    muon_momentum: float = 0.95
    muon_momentum_start: float = 0.85
    muon_momentum_steps: int = 500
    """Steps over which the momentum rises from start to end."""
    muon_ns_steps: int = 5
    beta1: float = 0.9
    beta2: float = 0.95
    adam_eps: float = 1e-8
    matrix_decay: float = 0.0
    token_decay: float = 0.0
    scalar_decay: float = 0.0
    """Decoupled weight decay of each group."""
    grad_clip_norm: float = 0.0
    """0: gradients stay as they are."""

@dataclass(frozen=True)
class ScheduleConfig:
    """When training ends, and what the learning rate does until then."""

    iterations: int = 20_000
    max_wallclock_seconds: float = 600.0
    """0: only `iterations` count."""
    warmup_steps: int = 20
    """Steps whose effect is undone: they compile and wake everything before the clock starts."""
    schedule: str = "warmdown"
    """`warmdown`: constant, then linear to `min_lr`; `cosine`: half a cosine over the whole run."""
    warmdown_iters: int = 1_200
    """Steps of the decay; under a time limit as many steps as fit at the average pace."""
    warmdown_frac: float = 0.0
    """The decay as a share of the run, instead of `warmdown_iters`; 0: not used."""
    min_lr: float = 0.0
    """Share of the learning rate that is left at the end."""
    val_loss_every: int = 1_000
    train_log_every: int = 200
    val_batch_size: int = 524_288
    """Tokens of one batch of validation, over all ranks."""

@dataclass(frozen=True)
class AveragingConfig:
    """Which weights are packed."""

    averaging: str = "off"
    """`off`, `ema` or `swa`."""
    ema_decay: float = 0.997
    swa_start: float = 0.6
    """Share of the warmdown after which snapshots are taken."""
    swa_snapshots: int = 24

@dataclass(frozen=True)
class QuantConfig:
    """How weights become bytes."""

    quantizer: str = "int8"
    """`int8`, `int6`, `mixed` (int5 for MLPs, int6 for attention, int8 for embeddings) or `gptq`."""
    matrix_clip: float = 12.85
    """GPTQ: standard deviations of a row at which matrices are clipped."""
    embed_clip: float = 20.0
    gptq_batches: int = 64
    gptq_damp: float = 0.01
    keep_embed: bool = False
    """Leave embeddings in float16."""
    keep_last_keys: int = 0
    """Layers from the end whose key matrices stay in float16."""
    scale_floor: str = "eps"
    """Smallest scale of a row: `eps` (harmless) or `legacy` (1 / qmax, as the first scripts had it: it ruins small
    rows)."""
    codec: str = "zlib"
    """`zlib`, `zstd`, `lzma` or `brotli` (bytes shuffled by stride first)."""
    qat_bits: int = 0
    """Bits of the fake quantisation in training, which are those of the quantiser; 0: none."""
    qat_start: float = 0.15
    """It begins when the learning rate has fallen to this share; where `qat_by_steps`, when this share of the run has
    passed."""
    qat_by_steps: bool = False

@dataclass(frozen=True)
class EvalConfig:
    """How the final score is made."""

    evaluation: str = "plain"
    """`plain`, `sliding`, `documents`, `ttt_documents` (LoRA, a document on its own), `ttt_stream` (LoRA, context
    from documents before) or `ttt_sgd` (all weights, chunk after chunk)."""
    eval_seq_len: int = 0
    """0: that of training."""
    eval_stride: int = 64
    eval_batch_seqs: int = 32
    ttt_lr: float = 0.01
    ttt_chunk_tokens: int = 256
    ttt_epochs: int = 1
    """Passes over a chunk that is scored (`ttt_sgd`; adapters take one step a chunk)."""
    ttt_lora_rank: int = 8
    ttt_lora_targets: str = "query,value,head"
    ttt_layers_last_n: int = 0
    """Layers from the end that are adapted; 0: all."""
    ttt_momentum: float = 0.9
    ttt_grad_clip: float = 1.0
    ttt_first_layer_lr: float = 1.0
    """Factor of the learning rate of the first adapted layer."""
    ttt_hash_buckets: int = 0
    """Rows of a table of token pairs that exists in evaluation only and starts at zero; 0: none."""

Section = ModelConfig | DataConfig | OptimConfig | ScheduleConfig | AveragingConfig | QuantConfig | EvalConfig

@dataclass(frozen=True)
class Config:
    """One run. `seed` seeds everything that is drawn by chance."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    averaging: AveragingConfig = field(default_factory=AveragingConfig)
    quant: QuantConfig = field(default_factory=QuantConfig)
    evaluation: EvalConfig = field(default_factory=EvalConfig)
    seed: int = 1337
    run_id: str = "reference"

    def __post_init__(self) -> None:
        """Raises ValueError for what no run can be made of; the message names the variable."""
        model = self.model
        _divides("MODEL_DIM", model.model_dim, "NUM_HEADS", model.num_heads)
        _divides("NUM_HEADS", model.num_heads, "NUM_KV_HEADS", model.num_kv_heads)
        _divides("TRAIN_BATCH_TOKENS", self.data.train_batch_tokens, "TRAIN_SEQ_LEN", self.data.train_seq_len)
        head_dim = model.model_dim // model.num_heads
        if head_dim % 2 or model.rope_dims % 2 or model.rope_dims > head_dim:
            raise ValueError(f"ROPE_DIMS is {model.rope_dims}: make it even and at most a head's {head_dim} dimensions")
        if not 0 <= model.loop_start <= model.loop_end <= model.num_layers:
            raise ValueError(f"LOOP_START and LOOP_END must lie in order within {model.num_layers} layers")
        self._windows_cover_what_they_score()
        self._training_rounds_as_the_exporter_does()
        for section in self.sections():
            for name, choices in _CHOICES.items():
                value = getattr(section, name, None)
                if value is not None and value not in choices:
                    raise ValueError(f"{name.upper()} is {value!r}; choose one of {', '.join(choices)}")

    def _windows_cover_what_they_score(self) -> None:
        """A window scores its last tokens: more of them than it holds would be counted and never scored."""
        evaluation = self.evaluation
        lora = evaluation.evaluation in {"ttt_documents", "ttt_stream"}
        name = "ttt_chunk_tokens" if lora else "eval_stride"
        scored = getattr(evaluation, name)
        if evaluation.evaluation != "plain" and not 0 < scored <= self.eval_seq_len:
            raise ValueError(f"{name.upper()} is {scored}; make it 1 to {self.eval_seq_len}, the tokens of a window")
        if evaluation.ttt_chunk_tokens <= 0:
            raise ValueError(f"TTT_CHUNK_TOKENS is {evaluation.ttt_chunk_tokens}; make it at least 1")

    def _training_rounds_as_the_exporter_does(self) -> None:
        quant = self.quant
        exact = {"int8": 8, "int6": 6}.get(quant.quantizer) if quant.scale_floor == "eps" else None
        if quant.qat_bits and quant.qat_bits != exact:
            raise ValueError(
                f"QAT_BITS is {quant.qat_bits}, but QUANTIZER {quant.quantizer} with SCALE_FLOOR {quant.scale_floor} "
                "rounds otherwise: make it 0, or take int8 with 8 or int6 with 6 bits and the floor eps"
            )

    def sections(self) -> tuple[Section, ...]:
        """The sections in their order."""
        return (self.model, self.data, self.optim, self.schedule, self.averaging, self.quant, self.evaluation)

    @property
    def eval_seq_len(self) -> int:
        """Tokens of one window of evaluation."""
        return self.evaluation.eval_seq_len or self.data.train_seq_len

_CHOICES = {
    "activation": ("relu2", "leaky_relu2"),
    "resid_mix": ("off", "learned", "phase"),
    "skips": ("off", "add", "gated"),
    "matrix_optimizer": ("muon", "muon_rows", "adamw"),
    "schedule": ("warmdown", "cosine"),
    "averaging": ("off", "ema", "swa"),
    "quantizer": ("int8", "int6", "mixed", "gptq"),
    "scale_floor": ("eps", "legacy"),
    "codec": ("zlib", "zstd", "lzma", "brotli"),
    "evaluation": ("plain", "sliding", "documents", "ttt_documents", "ttt_stream", "ttt_sgd"),
}

def _divides(name: str, value: int, by: str, divisor: int) -> None:
    if divisor <= 0 or value % divisor:
        raise ValueError(f"{name} is {value}; make it a multiple of {by}, {divisor}")


# model/adapters.py

class Adapter(nn.Module):
    """delta(x)_b = x_b A_bᵀ B_bᵀ, with A (batch, rank, in) uniform in ±1/√in and B (batch, out, rank) zero.

    All rows start with the same A, drawn from `generator`: what a row learns depends on what it is given, and on
    nothing that shares its batch.
    """

    def __init__(
        self,
        batch: int,
        dim_in: int,
        dim_out: int,
        rank: int,
        generator: torch.Generator,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(dim_in)
        down = torch.empty(rank, dim_in).uniform_(-bound, bound, generator=generator)
        self.down = nn.Parameter(down.to(device).repeat(batch, 1, 1))
        self.up = nn.Parameter(torch.zeros(batch, dim_out, rank, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, seq, in) -> (batch, seq, out)."""
        return (x @ self.down.to(x.dtype).transpose(1, 2)) @ self.up.to(x.dtype).transpose(1, 2)

class Adapters:
    """Adapters by the name of the linear layer that they belong to (`blocks.3.attention.query`).

    A layer that a loop visits several times has one adapter, as it has one weight.
    """

    def __init__(self, by_name: Mapping[str, Adapter]) -> None:
        self.by_name = dict(by_name)

    def of(self, prefix: str) -> Adapters:
        """The adapters below a module."""
        start = prefix + "."
        return Adapters({name[len(start) :]: one for name, one in self.by_name.items() if name.startswith(start)})

    def get(self, name: str) -> Adapter | None:
        """The adapter of one layer, if it has one."""
        return self.by_name.get(name)

    def parameters(self) -> Iterator[nn.Parameter]:
        """All matrices."""
        for adapter in self.by_name.values():
            yield from adapter.parameters()

NO_ADAPTERS = Adapters({})


# model/kernel.py

HALF = (torch.float16, torch.bfloat16)

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


# quant/grid.py

SMALLEST_SCALE = 2.0**-24

class Quantized(NamedTuple):
    """A matrix in few bits."""

    codes: Tensor
    """(rows, columns), int8."""
    scales: Tensor
    """(rows,), float16."""

def qmax_of(bits: int) -> int:
    """Largest code of a signed grid that is symmetric around zero."""
    return (1 << bits - 1) - 1

def row_scales(weight: Tensor, bits: int, floor: float = SMALLEST_SCALE) -> Tensor:
    """float16 scales (rows,) with which the largest element of each row is the largest code."""
    largest = weight.detach().float().abs().amax(dim=1)
    return (largest / qmax_of(bits)).clamp_min(floor).half()

def quantized(weight: Tensor, bits: int, scales: Tensor | None = None) -> Quantized:
    """A matrix (rows, columns) on its grid, with given scales (rows,) or those of its largest elements."""
    kept = row_scales(weight, bits) if scales is None else scales
    qmax = qmax_of(bits)
    codes = (weight.detach().float() / kept.float()[:, None]).round().clamp(-qmax, qmax)
    return Quantized(codes.to(torch.int8), kept)

def dequantized(matrix: Quantized) -> Tensor:
    """float32 (rows, columns)."""
    return matrix.codes.float() * matrix.scales.float()[:, None]

def fake_quantized(weight: Tensor, bits: int) -> Tensor:
    """The matrix as it will be loaded, in float32; its gradient passes straight through, as if nothing was done."""
    return weight + (dequantized(quantized(weight, bits)) - weight).detach()


# model/linear.py

class Linear(nn.Module):
    """y = x Wᵀ (+ adapter(x)), without a bias. The weight (out, in) is kept in float32 and used in the type of x.

    `qat_bits` switches fake quantisation on (see `quant.grid`); `zero_init` marks outputs of a block, which start at
    zero so that every block starts as the identity.
    """

    def __init__(self, dim_in: int, dim_out: int, *, zero_init: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim_out, dim_in))
        self.zero_init = zero_init
        self.qat_bits = 0

    def forward(self, x: Tensor, adapter: Adapter | None = None) -> Tensor:
        """x: (batch, seq, in) -> (batch, seq, out)."""
        weight = fake_quantized(self.weight, self.qat_bits) if self.qat_bits else self.weight
        y = F.linear(x, weight.to(x.dtype))
        return y if adapter is None else y + adapter(x)


# model/norm.py

def rms_norm(x: Tensor) -> Tensor:
    """Divide x (..., dim) by its root mean square over the last dimension."""
    return F.rms_norm(x, (x.size(-1),))

class RMSNorm(nn.Module):
    """`rms_norm`, times a learned weight (dim,) where it is `weighted`."""

    def __init__(self, dim: int, *, weighted: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim)) if weighted else None

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., dim)."""
        return rms_norm(x) if self.weight is None else rms_norm(x) * self.weight.to(x.dtype)


# model/rope.py

def rope_tables(
    length: int, dims: int, base: float, trained: int = 0, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Cosines and sines, each (length, dims / 2), float32. `trained`: length of training sequences; 0: no stretch."""
    if trained and length > trained and dims > 2:
        base = base * (length / trained) ** (dims / (dims - 2))
    frequency = base ** -(torch.arange(0, dims, 2, dtype=torch.float32, device=device) / dims)
    angle = torch.outer(torch.arange(length, dtype=torch.float32, device=device), frequency)
    return angle.cos(), angle.sin()

def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the first 2 · cos.size(-1) dimensions of x (batch, heads, seq, head_dim)."""
    half = cos.size(-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return torch.cat((a * cos + b * sin, b * cos - a * sin, rest), dim=-1)


# model/xsa.py

def without_own_value(y: Tensor, v: Tensor) -> Tensor:
    """y: (batch, heads, seq, head_dim); v: (batch, kv_heads, seq, head_dim); heads share values in groups."""
    batch, heads, seq, dim = y.shape
    grouped = y.view(batch, v.size(1), heads // v.size(1), seq, dim)
    own = F.normalize(v, dim=-1).unsqueeze(2)
    return (grouped - (grouped * own).sum(dim=-1, keepdim=True) * own).view_as(y)


# model/attention.py

class Positions(NamedTuple):
    """What attention knows of positions in a sequence: the same for all layers."""

    cos: Tensor
    """(seq, rope_dims / 2)."""
    sin: Tensor
    mask: Tensor | None
    """What `window_mask` makes."""

class Attention(nn.Module):
    """One layer's attention. `exclusive` switches XSA on (see `xsa`)."""

    def __init__(self, config: ModelConfig, *, exclusive: bool) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.num_heads, config.num_kv_heads
        self.head_dim = config.model_dim // config.num_heads
        self.exclusive, self.window = exclusive, config.attention_window
        kv_dim = self.kv_heads * self.head_dim
        self.query = Linear(config.model_dim, config.model_dim)
        self.key = Linear(config.model_dim, kv_dim)
        self.value = Linear(config.model_dim, kv_dim)
        self.output = Linear(config.model_dim, config.model_dim, zero_init=True)
        self.q_gain = nn.Parameter(torch.full((self.heads,), config.qk_gain_init)) if config.qk_norm else None

    def forward(
        self, x: Tensor, positions: Positions, added_value: Tensor | None = None, adapters: Adapters = NO_ADAPTERS
    ) -> Tensor:
        """x: (batch, seq, dim) -> the same. `added_value` (batch, seq, kv_heads · head_dim) joins the layer's own."""
        batch, seq, dim = x.shape
        q = self._split(self.query(x, adapters.get("query")), self.heads)
        k = self._split(self.key(x, adapters.get("key")), self.kv_heads)
        value = self.value(x, adapters.get("value"))
        v = self._split(value if added_value is None else value + added_value.to(value.dtype), self.kv_heads)
        if self.q_gain is not None:
            q, k = rms_norm(q), rms_norm(k)
        q, k = rotated(q, positions.cos, positions.sin), rotated(k, positions.cos, positions.sin)
        if self.q_gain is not None:
            q = q * self.q_gain.to(q.dtype)[:, None, None]
        y = attended(q, k, v, positions.mask, self.window)
        if self.exclusive:
            y = without_own_value(y, v)
        out: Tensor = self.output(y.transpose(1, 2).reshape(batch, seq, dim), adapters.get("output"))
        return out

    def _split(self, x: Tensor, heads: int) -> Tensor:
        """(batch, seq, heads · head_dim) -> (batch, heads, seq, head_dim)."""
        return x.view(x.size(0), x.size(1), heads, self.head_dim).transpose(1, 2)


# model/bigram.py

PREVIOUS_FACTOR, CURRENT_FACTOR = 36_313, 27_191

BIGRAM_SCALE, BIGRAM_STD = 0.05, 0.01

def bigram_rows(ids: Tensor, buckets: int) -> Tensor:
    """ids: (batch, seq), each below 2^15 -> rows (batch, seq), each below buckets - 1."""
    current = ids.long()
    previous = F.pad(current, (1, 0))[:, :-1]
    return ((PREVIOUS_FACTOR * previous) ^ (CURRENT_FACTOR * current)) % (buckets - 1)

class BigramHash(nn.Module):
    """Table (buckets, table_dim), brought to the model's dimension by a matrix that starts at zero."""

    def __init__(self, buckets: int, table_dim: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(buckets, table_dim)
        self.project = Linear(table_dim, dim, zero_init=True)
        self.scale = nn.Parameter(torch.tensor(BIGRAM_SCALE))

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (batch, seq) -> what is added to the embedding, (batch, seq, dim)."""
        rows = self.table(bigram_rows(ids, self.table.num_embeddings))
        added: Tensor = self.project(rows) * self.scale.to(rows.dtype)
        return added


# model/mlp.py

NEGATIVE_SLOPE = 0.5

def activated(x: Tensor, activation: str) -> Tensor:
    """`relu2`: max(x, 0)²; `leaky_relu2`: leaky_relu(x, 0.5)², whose gradient does not die below zero."""
    kept = F.relu(x) if activation == "relu2" else F.leaky_relu(x, NEGATIVE_SLOPE)
    return kept.square()

class MLP(nn.Module):
    """dim -> mlp_mult · dim -> dim."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden = config.mlp_mult * config.model_dim
        self.activation = config.activation
        self.up = Linear(config.model_dim, hidden)
        self.down = Linear(hidden, config.model_dim, zero_init=True)

    def forward(self, x: Tensor, adapters: Adapters = NO_ADAPTERS) -> Tensor:
        """x: (batch, seq, dim) -> the same."""
        hidden = activated(self.up(x, adapters.get("up")), self.activation)
        y: Tensor = self.down(hidden, adapters.get("down"))
        return y


# model/block.py

PHASE_SLOPE = 3.0

class Block(nn.Module):
    """Layer `layer` of the network; `exclusive` as in `Attention`.

    In sequence: x += a * attention(norm(x)), then x += m * mlp(norm(x)). In parallel both read the same x. Before
    either, the embedding is mixed in again (`resid_mix`).
    """

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        dim = config.model_dim
        self.parallel = 0 <= config.parallel_from <= layer
        self.input_scale = 1.0 / math.sqrt(layer + 1) if config.ln_scale else 1.0
        self.attention_norm = RMSNorm(dim, weighted=config.weighted_norm)
        self.mlp_norm = RMSNorm(dim, weighted=config.weighted_norm)
        self.attention = Attention(config, exclusive=layer >= config.num_layers - config.xsa_last_n)
        self.mlp = MLP(config)
        self.attention_scale = nn.Parameter(torch.ones(dim)) if config.block_scales else None
        self.mlp_scale = nn.Parameter(torch.ones(dim)) if config.block_scales else None
        self.resid_mix = nn.Parameter(_mix(config, layer)) if config.resid_mix != "off" else None

    def mixed(self, x: Tensor, x0: Tensor) -> Tensor:
        """The residual stream with the embedding x0 mixed in; both (batch, seq, dim)."""
        if self.resid_mix is None:
            return x
        mix = self.resid_mix.to(x.dtype)
        return mix[0] * x + mix[1] * x0

    def normed(self, x: Tensor) -> Tensor:
        """What attention reads of a mixed stream."""
        y: Tensor = self.attention_norm(x)
        return y * self.input_scale

    def forward(
        self,
        x: Tensor,
        x0: Tensor,
        positions: Positions,
        added_value: Tensor | None = None,
        adapters: Adapters = NO_ADAPTERS,
    ) -> Tensor:
        """The stream x after the layer. x and the embedding x0: (batch, seq, dim)."""
        x = self.mixed(x, x0)
        heard = self.attention(self.normed(x), positions, added_value, adapters.of("attention"))
        after = x + _scaled(heard, self.attention_scale)
        thought = self.mlp(self.mlp_norm(x if self.parallel else after) * self.input_scale, adapters.of("mlp"))
        return after + _scaled(thought, self.mlp_scale)

def _scaled(x: Tensor, scale: Tensor | None) -> Tensor:
    return x if scale is None else scale.to(x.dtype) * x

def _mix(config: ModelConfig, layer: int) -> Tensor:
    """(2, dim): shares of the stream and of the embedding at the start."""
    share = 1.0
    if config.resid_mix == "phase":
        depth = layer / max(config.num_layers - 1, 1)
        share = 1.0 / (1.0 + math.exp(-PHASE_SLOPE * (depth - 0.5)))
    return torch.tensor([share, 1.0 - share])[:, None].repeat(1, config.model_dim)


# model/depth.py

@dataclass(frozen=True)
class Depth:
    """The visited layers, in order, split into encoder and decoder."""

    encoder: tuple[int, ...]
    decoder: tuple[int, ...]

    @property
    def pairs(self) -> int:
        """U-Net connections."""
        return min(len(self.encoder), len(self.decoder))

def depth_of(config: ModelConfig, *, looping: bool) -> Depth:
    """The order of visits; before the loop is switched on every layer is visited once."""
    visits = config.loop_visits if looping else 1
    loop = list(range(config.loop_start, config.loop_end))
    order = [*range(config.loop_start), *(loop * visits), *range(config.loop_end, config.num_layers)]
    half = len(order) // 2
    return Depth(tuple(order[:half]), tuple(order[half:]))


# model/init.py

SPECTRAL_POWER = -0.5

@torch.no_grad()
def initialize(model: nn.Module, config: ModelConfig, generator: torch.Generator) -> None:
    """Set all matrices and tables; gains, gates and scales have their values from where they are made.

    Outputs of blocks start at zero. Other matrices are orthogonal (`ortho_init`) or uniform in ±1/√in, as torch has
    it. The tied embedding is normal with `tied_embed_init_std`.
    """
    tables = {id(module.table): BIGRAM_STD for module in model.modules() if isinstance(module, BigramHash)}
    for module in model.modules():
        if isinstance(module, Linear):
            _fill(module, config, generator)
        elif isinstance(module, nn.Embedding):
            module.weight.normal_(0.0, tables.get(id(module), config.tied_embed_init_std), generator=generator)

def _fill(linear: Linear, config: ModelConfig, generator: torch.Generator) -> None:
    weight = linear.weight
    if linear.zero_init:
        weight.zero_()
    elif config.ortho_init:
        nn.init.orthogonal_(weight, generator=generator)
    else:
        bound = weight.size(1) ** -0.5
        weight.uniform_(-bound, bound, generator=generator)

@torch.no_grad()
def spectral(weight: Tensor) -> Tensor:
    """The matrix with the singular values S_k = S_1 k^(-1/2), k from 1 ("overtones")."""
    u, s, v = torch.linalg.svd(weight.float(), full_matrices=False)
    order = torch.arange(1, s.numel() + 1, dtype=s.dtype, device=s.device)
    overtones: Tensor = (u * (s[0] * order**SPECTRAL_POWER)) @ v
    return overtones


# model/skips.py

class Skips(nn.Module):
    """Weights (count, dim) that start at one, and gates (count, dim) where they are `gated`."""

    def __init__(self, count: int, dim: int, *, gated: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(count, dim))
        self.gate = nn.Parameter(torch.zeros(count, dim)) if gated else None

    def forward(self, x: Tensor, skip: Tensor, index: int) -> Tensor:
        """Stream and skip: (batch, seq, dim); `index` counts the layers of the second half."""
        entering = self.weight[index].to(x.dtype) * skip
        if self.gate is None:
            return x + entering
        return torch.lerp(entering, x, torch.sigmoid(self.gate[index]).to(x.dtype))


# model/smear.py

class SmearGate(nn.Module):
    """The gate (dim,). It belongs to the scalar parameters: forgotten there, it would stay where it starts."""

    def __init__(self, dim: int, *, resets: bool, bos_id: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(dim))
        self.resets, self.bos_id = resets, bos_id

    def forward(self, x: Tensor, ids: Tensor) -> Tensor:
        """x: (batch, seq, dim), ids: (batch, seq) -> like x."""
        gate = torch.sigmoid(self.gate).to(x.dtype)
        if self.resets:
            gate = gate * (ids != self.bos_id).unsqueeze(-1).to(x.dtype)
        before = F.pad(x, (0, 0, 1, 0))[:, :-1]
        return x + gate * (before - x)


# model/values.py

VALUE_EMBED_SCALE = 0.1

class ValueResidual(nn.Module):
    """v_i <- v_i + λ_i v_0 for every layer i after the first, λ (layers - 1,) starting at zero.

    v_0 is what the first layer's value matrix makes of its own input, computed once a forward pass (value residual
    learning, Zhou et al. 2024, arXiv:2410.17897).
    """

    def __init__(self, num_layers: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.zeros(num_layers - 1))

    def forward(self, first: Tensor, layer: int) -> Tensor | None:
        """What joins the values of `layer`; None for the first. first: (batch, seq, kv_dim)."""
        return None if layer == 0 else self.mix[layer - 1].to(first.dtype) * first

class ValueEmbedding(nn.Module):
    """A table (vocab, table_dim) and a matrix to the values of the last layers, each with a scale of its own."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        kv_dim = config.num_kv_heads * (config.model_dim // config.num_heads)
        self.first_layer = config.num_layers - config.value_embed_layers
        self.table = nn.Embedding(config.vocab_size, config.value_embed_dim)
        self.project = Linear(config.value_embed_dim, kv_dim)
        self.scale = nn.Parameter(torch.full((config.value_embed_layers,), VALUE_EMBED_SCALE))

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (batch, seq) -> (batch, seq, kv_dim), the same for all layers but for their scales."""
        embedded: Tensor = self.project(self.table(ids))
        return embedded

    def of(self, embedded: Tensor, layer: int) -> Tensor | None:
        """What joins the values of `layer`; None for the layers that have none."""
        if layer < self.first_layer:
            return None
        return self.scale[layer - self.first_layer].to(embedded.dtype) * embedded


# model/gpt.py

@dataclass
class Looping:
    """Whether the loop over layers is on; it is switched on in the course of training."""

    on: bool

class GPT(nn.Module):
    """A causal language model over token ids (batch, seq)."""

    def __init__(self, config: ModelConfig, train_seq_len: int, seed: int = 0) -> None:
        """`train_seq_len` is what `rope_ntk` relates longer sequences to; `seed` draws the first weights."""
        super().__init__()
        self.config, self.train_seq_len = config, train_seq_len
        self.loop = Looping(on=config.loop_visits > 1)
        dim = config.model_dim
        self.embedding = nn.Embedding(config.vocab_size, dim)
        self.bigram = BigramHash(config.bigram_buckets, config.bigram_dim, dim) if config.bigram_buckets else None
        self.smear = SmearGate(dim, resets=config.smear_resets, bos_id=config.bos_id) if config.smear else None
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.num_layers))
        pairs = depth_of(config, looping=self.loop.on).pairs
        self.skips = Skips(pairs, dim, gated=config.skips == "gated") if config.skips != "off" else None
        self.value_residual = ValueResidual(config.num_layers) if config.value_residual else None
        self.value_embedding = ValueEmbedding(config) if config.value_embed_layers else None
        self.final_norm = RMSNorm(dim, weighted=config.weighted_norm)
        self.head = None if config.tie_embeddings else Linear(dim, config.vocab_size, zero_init=True)
        initialize(self, config, torch.Generator().manual_seed(seed))
        if config.spectral_init:
            self.embedding.weight.data.copy_(spectral(self.embedding.weight.data))

    def hidden(self, ids: Tensor, adapters: Adapters = NO_ADAPTERS, extra: Tensor | None = None) -> Tensor:
        """States before the output matrix, (batch, seq, dim). `extra`, of that shape, is added to the embedding."""
        x = self.embedding(ids)
        if self.bigram is not None:
            x = x + self.bigram(ids)
        if extra is not None:
            x = x + extra.to(x.dtype)
        x = rms_norm(x)
        if self.smear is not None:
            x = self.smear(x, ids)
        y: Tensor = self.final_norm(self._through(x, ids, adapters))
        return y

    def logits(self, hidden: Tensor, adapter: Adapter | None = None) -> Tensor:
        """(batch, seq, dim) -> (batch, seq, vocab), soft-capped."""
        if self.head is not None:
            z = self.head(hidden, adapter)
        else:
            z = F.linear(hidden, self.embedding.weight.to(hidden.dtype))
            z = z if adapter is None else z + adapter(hidden)
        cap = self.config.logit_softcap
        return cap * torch.tanh(z / cap) if cap else z

    def nll(
        self, ids: Tensor, targets: Tensor, adapters: Adapters = NO_ADAPTERS, extra: Tensor | None = None
    ) -> Tensor:
        """Negative log-likelihood in nats of each target (batch, seq), in float32."""
        logits = self.logits(self.hidden(ids, adapters, extra), adapters.get("head"))
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none").view_as(targets)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        """The mean loss in nats per token: what training minimises."""
        return self.nll(ids, targets).mean()

    def positions(self, seq: int, device: torch.device) -> Positions:
        """Rotations and mask for sequences of that length."""
        config = self.config
        dims = config.rope_dims or config.model_dim // config.num_heads
        trained = self.train_seq_len if config.rope_ntk else 0
        cos, sin = rope_tables(seq, dims, config.rope_base, trained, device)
        return Positions(cos, sin, window_mask(seq, config.attention_window, device))

    def _through(self, x0: Tensor, ids: Tensor, adapters: Adapters) -> Tensor:
        positions = self.positions(ids.size(1), ids.device)
        first = self._first_value(x0) if self.value_residual is not None else None
        embedded = self.value_embedding(ids) if self.value_embedding is not None else None
        depth = depth_of(self.config, looping=self.loop.on)
        kept: list[Tensor] = []
        x = x0
        for step, layer in enumerate((*depth.encoder, *depth.decoder)):
            after = step - len(depth.encoder)
            if after >= 0 and kept and self.skips is not None:
                x = self.skips(x, kept.pop(), after)
            added = self._added_value(first, embedded, layer)
            x = self.blocks[layer](x, x0, positions, added, adapters.of(f"blocks.{layer}"))
            if after < 0:
                kept.append(x)
        return x

    def _first_value(self, x0: Tensor) -> Tensor:
        """The values of the first layer, from its own matrix and its own input."""
        block = self.blocks[0]
        first: Tensor = block.attention.value(block.normed(block.mixed(x0, x0)))  # type: ignore[operator,union-attr]  # a ModuleList forgets what it holds
        return first

    def _added_value(self, first: Tensor | None, embedded: Tensor | None, layer: int) -> Tensor | None:
        added = None
        if first is not None and self.value_residual is not None:
            added = self.value_residual(first, layer)
        if embedded is not None and self.value_embedding is not None:
            own = self.value_embedding.of(embedded, layer)
            added = own if added is None else added if own is None else added + own
        return added


# quant/gptq.py

BLOCK = 128

class Hessians:
    """Σ x xᵀ (in, in) of what every linear layer and the output matrix, tied or not, is given."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}

    def add(self, name: str, x: Tensor) -> None:
        """Inputs (..., in) of one layer."""
        flat = x.detach().flatten(0, -2).float()
        product = flat.T @ flat
        self.sums[name] = product if name not in self.sums else self.sums[name] + product

@torch.no_grad()
def collected(model: GPT, batches: Iterable[Tensor]) -> Hessians:
    """Hessians over calibration batches of token ids (rows, seq), by the names of weights."""
    hessians = Hessians()

    def listen(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        return module.register_forward_pre_hook(lambda _, inputs: hessians.add(f"{name}.weight", inputs[0]))

    handles = [listen(name, module) for name, module in model.named_modules() if isinstance(module, Linear)]
    try:
        for ids in batches:
            hessians.add("embedding.weight" if model.head is None else "head.weight", model.hidden(ids))
    finally:
        for handle in handles:
            handle.remove()
    return hessians

def clipped_scales(weight: Tensor, bits: int, clip: float) -> Tensor:
    """float16 (rows,): `clip` standard deviations of a row are its largest code."""
    return (clip * weight.float().std(dim=1) / qmax_of(bits)).clamp_min(SMALLEST_SCALE).half()

@torch.no_grad()
def gptq(weight: Tensor, hessian: Tensor, bits: int, scales: Tensor, damp: float = 0.01) -> Quantized:
    """Codes of a matrix (rows, columns) on the grid of `scales` (rows,); hessian: (columns, columns).

    `damp` times its mean is added to the diagonal, so that it can be inverted whatever the inputs were.
    """
    left = weight.detach().float().clone()
    h = hessian.detach().float().clone()
    dead = h.diagonal() == 0
    h.diagonal()[dead] = 1.0
    left[:, dead] = 0.0
    order = h.diagonal().argsort(descending=True)
    left, h = left[:, order], h[order][:, order]
    h.diagonal().add_(damp * h.diagonal().mean())
    inverse = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)
    codes = torch.empty_like(left, dtype=torch.int8)
    columns = left.size(1)
    for start in range(0, columns, BLOCK):
        end = min(start + BLOCK, columns)
        errors = torch.empty(left.size(0), end - start, device=left.device)
        for column in range(start, end):
            rounded = quantized(left[:, column : column + 1], bits, scales).codes
            codes[:, column] = rounded[:, 0]
            error = (left[:, column] - rounded[:, 0].float() * scales.float()) / inverse[column, column]
            left[:, column:end] -= error[:, None] * inverse[column, column:end]
            errors[:, column - start] = error
        left[:, end:] -= errors @ inverse[start:end, end:]
    return Quantized(codes[:, order.argsort()], scales)


# quant/plan.py

@dataclass(frozen=True)
class Precision:
    """What becomes of one tensor. `bits` 16 is float16, 32 float32, fewer are integers with a scale a row."""

    bits: int
    clip: float = 0.0
    """Standard deviations of a row at which it is clipped; 0: at its largest element."""

def precisions(model: GPT, config: QuantConfig) -> dict[str, Precision]:
    """The precision of every tensor in the state of a model, by name.

    Vectors and gains are small and stay float32; tables follow the embedding.
    """
    tables = _names(model, nn.Embedding)
    matrices = _names(model, Linear)
    first_kept = model.config.num_layers - config.keep_last_keys
    found: dict[str, Precision] = {}
    for name in model.state_dict():
        if name in tables:
            found[name] = Precision(16) if config.keep_embed else _table(config)
        elif name in matrices:
            found[name] = Precision(16) if _is_kept_key(name, first_kept) else _matrix(name, config)
        else:
            found[name] = Precision(32)
    return found

def _names(model: GPT, kind: type[nn.Module]) -> set[str]:
    return {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, kind)}

def _is_kept_key(name: str, first_kept: int) -> bool:
    parts = name.split(".")
    return parts[0] == "blocks" and parts[-2] == "key" and int(parts[1]) >= first_kept

def _table(config: QuantConfig) -> Precision:
    return Precision(8, config.embed_clip if config.quantizer == "gptq" else 0.0)

def _matrix(name: str, config: QuantConfig) -> Precision:
    if config.quantizer == "gptq":
        return Precision(6, config.matrix_clip)
    if config.quantizer == "mixed":
        return Precision(5 if ".mlp." in name else 6)
    return Precision({"int8": 8, "int6": 6}[config.quantizer])


# artifact/pack.py

SCALE = ":scale"

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


# data/bytes.py

SPACE = "\u2581"

@dataclass(frozen=True)
class ByteTable:
    """By token id (vocab,)."""

    base: Tensor
    """int64: bytes without a leading space."""
    leading_space: Tensor
    """bool."""
    boundary: Tensor
    """bool: control, unknown or unused; no text."""

    def bytes_of(self, previous: Tensor, targets: Tensor) -> Tensor:
        """Bytes of each target, given the token before it: int64, in the shape of both."""
        return self.base[targets] + (self.leading_space[targets] & ~self.boundary[previous]).long()

    def to(self, device: torch.device) -> ByteTable:
        """The table on a device."""
        return ByteTable(self.base.to(device), self.leading_space.to(device), self.boundary.to(device))

def byte_table(tokenizer: Any, vocab_size: int) -> ByteTable:
    """The table of a SentencePiece processor.

    Raises ValueError where the tokenizer has another number of pieces, or no piece for a lone space, without which
    spaces would be counted twice.
    """
    if tokenizer.vocab_size() != vocab_size:
        raise ValueError(f"VOCAB_SIZE is {vocab_size}, but the tokenizer has {tokenizer.vocab_size()} pieces")
    if tokenizer.is_unknown(tokenizer.piece_to_id(SPACE)):
        raise ValueError("the tokenizer has no piece for a lone space: its bytes cannot be counted")
    base = torch.zeros(vocab_size, dtype=torch.int64)
    leading_space = torch.zeros(vocab_size, dtype=torch.bool)
    boundary = torch.zeros(vocab_size, dtype=torch.bool)
    for token in range(vocab_size):
        if tokenizer.is_control(token) or tokenizer.is_unknown(token) or tokenizer.is_unused(token):
            boundary[token] = True
        elif tokenizer.is_byte(token):
            base[token] = 1
        else:
            piece: str = tokenizer.id_to_piece(token)
            leading_space[token] = piece.startswith(SPACE)
            base[token] = len(piece.removeprefix(SPACE).replace(SPACE, " ").encode())
    return ByteTable(base, leading_space, boundary)


# data/shards.py

SHARD_MAGIC = 20240520

SHARD_VERSION = 1

HEADER_INTS = 256

HEADER_BYTES = 4 * HEADER_INTS

Tokens = npt.NDArray[np.uint16]

def read_shard(path: Path) -> Tokens:
    """The token ids (tokens,), mapped into memory and read as they are used.

    Raises ValueError where the file is no complete shard: a header that is read as tokens, or a shard that was cut off,
    would give a score of something else.
    """
    size = path.stat().st_size
    if size < HEADER_BYTES:
        raise ValueError(f"{path}: {size} bytes are too few for the {HEADER_BYTES}-byte header: write it again")
    magic, version, count = (int(value) for value in np.fromfile(path, dtype="<i4", count=3))
    if (magic, version) != (SHARD_MAGIC, SHARD_VERSION):
        raise ValueError(
            f"{path}: header starts with magic {magic}, version {version} instead of {SHARD_MAGIC}, {SHARD_VERSION}: "
            "not a token shard of the competition"
        )
    expected = HEADER_BYTES + 2 * count
    if size != expected:
        raise ValueError(
            f"{path}: {size} bytes, but its header announces {count} tokens, which take {expected} bytes: "
            "the file is cut off or has something appended, write it again"
        )
    return np.memmap(path, dtype="<u2", mode="r", offset=HEADER_BYTES, shape=(count,)) if count else _none()

def _none() -> Tokens:
    return np.zeros(0, dtype=np.uint16)

def shards(pattern: str) -> list[Path]:
    """Files of a glob pattern in order. Raises FileNotFoundError where there is none."""
    found = [Path(name) for name in sorted(glob.glob(pattern))]  # noqa: PTH207  patterns may be absolute
    if not found:
        raise FileNotFoundError(f"{pattern}: no such shard; set DATA_PATH, or prepare the data first (see README.md)")
    return found


# data/loader.py

class TokenStream:
    """Consecutive tokens of shards, from the first after the last again."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths, self.shard, self.position = list(paths), 0, 0
        self._tokens = read_shard(self.paths[0])
        if not any(len(read_shard(path)) for path in self.paths):
            raise ValueError(f"{self.paths[0].parent}: the shards hold no token")

    def take(self, count: int) -> Tokens:
        """The next tokens (count,)."""
        parts: list[Tokens] = []
        while count:
            part = self._tokens[self.position : self.position + count]
            parts.append(part)
            count -= len(part)
            self.position += len(part)
            if count:
                self._open((self.shard + 1) % len(self.paths), 0)
        return np.concatenate(parts)

    def state(self) -> dict[str, int]:
        """Where the stream stands."""
        return {"shard": self.shard, "position": self.position}

    def restore(self, state: dict[str, int]) -> None:
        """Stand there again."""
        self._open(state["shard"], state["position"])

    def _open(self, shard: int, position: int) -> None:
        self.shard, self.position = shard, position
        self._tokens = read_shard(self.paths[shard])

class TrainLoader:
    """Batches of one rank."""

    def __init__(self, stream: TokenStream, seq_len: int, rank: int, ranks: int, device: torch.device) -> None:
        self.stream, self.seq_len, self.rank, self.ranks, self.device = stream, seq_len, rank, ranks, device

    def micro_batches(self, batch_tokens: int, micro_tokens: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets (rows, seq_len) of one step, at most `micro_tokens` of this rank at once.

        Raises ValueError where a step cannot be shared evenly.
        """
        own, rest = divmod(batch_tokens, self.ranks)
        if rest or own % self.seq_len:
            raise ValueError(
                f"TRAIN_BATCH_TOKENS is {batch_tokens}; make it a multiple of TRAIN_SEQ_LEN, {self.seq_len}, "
                f"times the number of ranks, {self.ranks}"
            )
        span = own + 1
        tokens = self.stream.take(span * self.ranks)[self.rank * span : (self.rank + 1) * span]
        ids = torch.from_numpy(tokens.astype(np.int64))
        rows = max(1, micro_tokens // self.seq_len)
        inputs, targets = ids[:-1].view(-1, self.seq_len), ids[1:].view(-1, self.seq_len)
        for x, y in zip(torch.split(inputs, rows), torch.split(targets, rows), strict=True):
            yield x.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True)


# runtime.py

Clock = Callable[[], float]

@dataclass(frozen=True)
class World:
    """One process among those that torchrun started: the one that runs."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009  a device is a constant

    @property
    def leads(self) -> bool:
        """Whether this process writes logs and files."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The tensor summed over all ranks, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def wait(self) -> None:
        """Until every rank has come here."""
        if self.size > 1:
            dist.barrier()

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Gradients become their mean over ranks; one that a rank lacks counts as zero there."""
        if self.size == 1:
            return
        held = list(parameters)
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in held])
        dist.all_reduce(flat)
        for p, part in zip(held, torch.split(flat / self.size, [p.numel() for p in held]), strict=True):
            p.grad = part.view_as(p)

@contextlib.contextmanager
def joined() -> Iterator[World]:
    """The world that torchrun's variables describe; a single process without them."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = True
    if size > 1:
        dist.init_process_group("nccl" if gpu else "gloo")
    try:
        yield World(rank, size, device)
    finally:
        if size > 1:
            dist.destroy_process_group()

def clock(device: torch.device) -> Clock:
    """Real seconds, after everything that the device was given is done."""

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    return now

def fused(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same function in fused kernels, made anew for every shape of what it is given."""
    made: Callable[..., Tensor] = torch.compile(function, dynamic=False)
    return made

def seeded(seed: int) -> None:
    """Every generator that a library might use on its own; the stack itself draws from generators that it makes."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)

def autocast(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Bfloat16 on a GPU, float32 elsewhere."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else contextlib.nullcontext()


# data/source.py

@dataclass(frozen=True)
class Source:
    """Opened data of one rank."""

    train_paths: list[Path]
    val_pattern: str
    val_tokens: Tensor
    """(tokens,), int64, on the device."""
    table: ByteTable

    def loader(self, config: Config, world: World) -> TrainLoader:
        """Training batches from the first shard on."""
        stream = TokenStream(self.train_paths)
        return TrainLoader(stream, config.data.train_seq_len, world.rank, world.size, world.device)

def opened(config: Config, world: World) -> Source:
    """The data that a configuration names. Raises FileNotFoundError or ValueError, with what to do."""
    import sentencepiece

    tokenizer = Path(config.data.tokenizer_path)
    if not tokenizer.is_file():
        raise FileNotFoundError(f"{tokenizer}: no tokenizer; set TOKENIZER_PATH, or prepare the data first")
    table = byte_table(sentencepiece.SentencePieceProcessor(model_file=str(tokenizer)), config.model.vocab_size)
    pattern = f"{config.data.data_path}/fineweb_val_*.bin"
    tokens = np.concatenate([read_shard(path) for path in shards(pattern)])
    val_tokens = torch.from_numpy(tokens.astype(np.int64)).to(world.device)
    return Source(shards(f"{config.data.data_path}/fineweb_train_*.bin"), pattern, val_tokens, table)


# evaluation/hashing.py

FACTOR = 2_039

class HashTable(nn.Module):
    """Table (rows, dim) of zeros."""

    def __init__(self, rows: int, dim: int, device: torch.device | None = None) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(rows, dim, device=device))

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (batch, seq) -> what is added to the embedding, (batch, seq, dim)."""
        previous = torch.cat((ids[:, :1], ids[:, :-1]), dim=1)
        return F.embedding((FACTOR * previous + ids) % len(self.table), self.table)


# evaluation/trace.py

class Kind(StrEnum):
    """What happened."""

    SCORE = "score"
    """Positions `first` to `last` were added to the score."""
    UPDATE = "update"
    """Weights learned from positions `first` to `last`."""
    RESET = "reset"
    """Everything learned was forgotten."""

class Event(NamedTuple):
    """One event of one learner: adapters of different documents learn apart."""

    kind: Kind
    learner: int
    first: int
    last: int


# data/documents.py

@dataclass(frozen=True)
class Document:
    """Tokens `start` to `end - 1` of the stream; the first is BOS, unless the stream begins inside a document."""

    start: int
    end: int

def documents(tokens: npt.NDArray[np.integer], bos_id: int) -> list[Document]:
    """The documents of a stream (tokens,), in order; together they are the stream."""
    if not len(tokens):
        return []
    starts = [int(i) for i in np.flatnonzero(tokens == bos_id)]
    if not starts or starts[0]:
        starts.insert(0, 0)
    return [Document(start, end) for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True)]


# evaluation/windows.py

class Window(NamedTuple):
    """One row of a batch of evaluation."""

    start: int
    stop: int
    first: int

def plain_windows(length: int, seq_len: int) -> Iterator[Window]:
    """Windows side by side; the last may be shorter. `length`: tokens of the stream."""
    for start in range(0, length - 1, seq_len):
        yield Window(start, min(start + seq_len, length - 1), start + 1)

def sliding_windows(length: int, seq_len: int, stride: int) -> Iterator[Window]:
    """The first window scores all of its tokens, each further one its last `stride`; the last ends with the stream."""
    return _slid(0, length - 1, seq_len, stride)

def document_windows(documents: list[Document], length: int, seq_len: int, stride: int) -> Iterator[Window]:
    """Sliding windows that see nothing but their document.

    The BOS that ends a document is predicted from it, so that documents together score every position.
    """
    for document in documents:
        yield from _slid(document.start, min(document.end, length - 1), seq_len, stride)

def _slid(start: int, end: int, seq_len: int, stride: int) -> Iterator[Window]:
    """Windows over tokens `start` to `end`, of which the first is context only."""
    stop = min(start + seq_len, end)
    if stop > start:
        yield Window(start, stop, start + 1)
    while stop < end:
        first, stop = stop + 1, min(stop + stride, end)
        yield Window(max(start, stop - seq_len), stop, first)


# evaluation/score.py

@dataclass(frozen=True)
class Score:
    """Of a whole stream."""

    val_loss: float
    """Nats per token."""
    val_bpb: float
    """Bits per byte."""
    tokens: int
    bytes: int

class Tally:
    """Sums over the scored positions of a stream (length,) of token ids."""

    def __init__(self, tokens: Tensor, table: ByteTable, world: World) -> None:
        self.tokens, self.table, self.world = tokens, table.to(tokens.device), world
        self.nats = torch.zeros((), dtype=torch.float64, device=tokens.device)
        self.bytes = torch.zeros((), dtype=torch.int64, device=tokens.device)
        self.counts = torch.zeros(len(tokens), dtype=torch.int32, device=tokens.device)
        self.events: list[Event] = []

    def add(self, nll: Tensor, first: int, last: int, learner: int = 0) -> None:
        """Losses in nats (last - first + 1,) of the tokens at these positions. Raises ValueError for another number."""
        if len(nll) != last - first + 1:
            raise ValueError(f"{len(nll)} losses were given for the {last - first + 1} positions {first} to {last}")
        self.nats += nll.double().sum()
        self.bytes += self.table.bytes_of(self.tokens[first - 1 : last], self.tokens[first : last + 1]).sum()
        self.counts[first : last + 1] += 1
        self.events.append(Event(Kind.SCORE, learner, first, last))

    def score(self) -> Score:
        """The score over all ranks. Raises ValueError where a position was not scored exactly once."""
        nats, count, bytes_ = (self.world.sum(part.clone()) for part in (self.nats, self.counts, self.bytes))
        wrong = int((count[1:] != 1).sum())
        if wrong or bool(count[0]):
            raise ValueError(f"{wrong} of {len(count) - 1} positions were not scored exactly once")
        tokens = len(count) - 1
        return Score(float(nats) / tokens, float(nats) / math.log(2) / int(bytes_), tokens, int(bytes_))

class Batch:
    """Windows of one batch as tensors (rows, longest); shorter rows are filled up behind, where nothing looks."""

    def __init__(self, tokens: Tensor, windows: Sequence[Window]) -> None:
        self.windows = windows
        lengths = [window.stop - window.start for window in windows]
        steps = torch.arange(max(lengths) + 1, device=tokens.device)
        starts = torch.tensor([window.start for window in windows], device=tokens.device)
        rows = tokens[(starts[:, None] + steps).clamp_max(len(tokens) - 1)]
        self.inputs, self.targets = rows[:, :-1], rows[:, 1:]

    def scored(self, nll: Tensor) -> Iterator[tuple[Window, Tensor]]:
        """Of losses (rows, longest), those that each window scores."""
        for window, row in zip(self.windows, nll, strict=True):
            yield window, row[window.first - 1 - window.start : window.stop - window.start]

def batched(windows: Iterable[Window], size: int, world: World) -> Iterator[list[Window]]:
    """Windows of this rank in batches, long ones not mixed with short ones."""
    mine = sorted(islice(windows, world.rank, None, world.size), key=lambda window: window.start - window.stop)
    for start in range(0, len(mine), size):
        yield mine[start : start + size]

@torch.no_grad()
def add_scores(model: GPT, tally: Tally, windows: Iterable[Window], rows: int, extra: HashTable | None = None) -> None:
    """Score this rank's share of the windows with the model as it is. `extra`: see `hashing`."""
    for batch in (Batch(tally.tokens, group) for group in batched(windows, rows, tally.world)):
        with autocast(tally.tokens.device):
            added = extra(batch.inputs) if extra is not None else None
            nll = model.nll(batch.inputs, batch.targets, NO_ADAPTERS, added)
        for window, losses in batch.scored(nll):
            tally.add(losses, window.first, window.stop)


# optim/averaging.py

class Average(Protocol):
    """Watches a model and gives weights at the end."""

    def update(self, model: nn.Module, lr_scale: float) -> None:
        """After a step that was made with that factor of the learning rate."""

    def weights(self) -> dict[str, Tensor]:
        """What to load before packing."""

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""

class Ema:
    """Exponential moving average of the whole state in float32: θ̄ <- d θ̄ + (1 - d) θ after every step."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow = {name: tensor.detach().float().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, lr_scale: float) -> None:
        """One step further, at any learning rate."""
        del lr_scale
        state = model.state_dict()
        torch._foreach_lerp_(list(self.shadow.values()), [state[n].float() for n in self.shadow], 1.0 - self.decay)

    def weights(self) -> dict[str, Tensor]:
        """The average."""
        return self.shadow

    def state(self) -> dict[str, Any]:
        """The average itself."""
        return {"shadow": self.shadow}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up an average."""
        self.shadow = state["shadow"]

class Swa:
    """Mean of snapshots, spread evenly over the end of the decay.

    The decay is over by a share of 1 - lr_scale; snapshots are due at equal distances from `start` to its end. So the
    window follows what the run does, not a number of steps that it may never reach: pull request 457 computed its
    window from 20,000 steps, stopped at 13,137, and averaged nothing.
    """

    def __init__(self, start: float, snapshots: int) -> None:
        self.due = [start + (1.0 - start) * i / snapshots for i in range(snapshots)]
        self.taken = 0
        self.sum: dict[str, Tensor] = {}

    @torch.no_grad()
    def update(self, model: nn.Module, lr_scale: float) -> None:
        """Take a snapshot where one is due; at most one a step."""
        over = 1.0 - lr_scale
        if not self.due or over < self.due[0]:
            return
        self.due = [share for share in self.due if share > over]
        for name, tensor in model.state_dict().items():
            kept = self.sum.setdefault(name, torch.zeros_like(tensor, dtype=torch.float32))
            kept += tensor.float()
        self.taken += 1

    def weights(self) -> dict[str, Tensor]:
        """The mean. Raises ValueError without a snapshot: packing the last weights instead would be silent."""
        if not self.taken:
            raise ValueError(
                "SWA has no snapshot: the learning rate never fell far enough; lower SWA_START or lengthen the warmdown"
            )
        return {name: tensor / self.taken for name, tensor in self.sum.items()}

    def state(self) -> dict[str, Any]:
        """Sum, count and what is still due."""
        return {"due": self.due, "taken": self.taken, "sum": self.sum}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a sum."""
        self.due, self.taken, self.sum = state["due"], state["taken"], state["sum"]

def average_of(model: nn.Module, config: AveragingConfig) -> Average | None:
    """What the configuration asks for; None for the last weights."""
    if config.averaging == "ema":
        return Ema(model, config.ema_decay)
    return Swa(config.swa_start, config.swa_snapshots) if config.averaging == "swa" else None


# optim/muon.py

A, B, C = 3.4445, -4.7750, 2.0315

def orthogonalized(g: Tensor, steps: int) -> Tensor:
    """Newton-Schulz iteration on g (rows, columns): its singular directions with singular values near 1.

    In bfloat16 on a GPU, in float32 elsewhere.
    """
    x = g.bfloat16() if g.is_cuda else g.float()
    tall = x.size(0) > x.size(1)
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = A * x + (B * gram + C * gram @ gram) @ x
    found: Tensor = (x.T if tall else x).to(g.dtype)
    return found

def row_normalized(u: Tensor) -> Tensor:
    """Every row of u divided by its norm."""
    rows: Tensor = u / (u.norm(dim=1, keepdim=True) + 1e-7)
    return rows

class Muon(torch.optim.Optimizer):
    """For matrices only. `momentum` of the group may be changed between steps."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float,
        ns_steps: int = 5,
        decay: float = 0.0,
        *,
        row_norm: bool = False,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "ns_steps": ns_steps, "decay": decay, "row_norm": row_norm}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure is evaluated here
        """One step from the gradients, which are the same on all ranks."""
        del closure
        ranks, rank = (dist.get_world_size(), dist.get_rank()) if dist.is_initialized() else (1, 0)
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            directions = [self._direction(p, group) for p in parameters]
            updates = [
                orthogonalized(u, int(group["ns_steps"])) if index % ranks == rank else torch.zeros_like(u)
                for index, u in enumerate(directions)
            ]
            if ranks > 1 and updates:
                flat = torch.cat([update.flatten() for update in updates])
                dist.all_reduce(flat)
                updates = list(torch.split(flat, [p.numel() for p in parameters]))
            for p, update in zip(parameters, updates, strict=True):
                p.mul_(1.0 - group["lr"] * group["decay"])
                p.add_(update.view_as(p), alpha=-group["lr"] * max(1.0, p.size(0) / p.size(1)) ** 0.5)

    def _direction(self, p: nn.Parameter, group: dict[str, float]) -> Tensor:
        """The u of the formula, after the momentum has taken up the gradient."""
        gradient = p.grad
        if gradient is None:
            raise ValueError("a parameter without a gradient has no update")
        state = self.state[p]
        if "buffer" not in state:
            state["buffer"] = torch.zeros_like(p)
        buffer: Tensor = state["buffer"]
        buffer.mul_(group["momentum"]).add_(gradient)
        u = gradient + group["momentum"] * buffer
        return row_normalized(u) if group["row_norm"] else u


# optim/groups.py

GROUPS = ("matrix", "token", "head", "scalar")

def grouped(model: GPT) -> dict[str, dict[str, nn.Parameter]]:
    """Parameters by group and name. Raises ValueError where one would be in no group or in two."""
    kind: dict[int, str] = {}
    for module in model.modules():
        if isinstance(module, Linear):
            kind[id(module.weight)] = "head" if module is model.head else "matrix"
        elif isinstance(module, nn.Embedding):
            kind[id(module.weight)] = "token"
    found: dict[str, dict[str, nn.Parameter]] = {name: {} for name in GROUPS}
    for name, parameter in model.named_parameters():
        found[kind.get(id(parameter), "scalar")][name] = parameter
    count = sum(len(group) for group in found.values())
    if count != sum(1 for _ in model.parameters()):
        raise ValueError(f"{count} parameters are grouped of {sum(1 for _ in model.parameters())}")
    return found

def optimizers(model: GPT, config: OptimConfig) -> list[torch.optim.Optimizer]:
    """AdamW for tokens, head and scalars, and what `matrix_optimizer` names for matrices."""
    groups = {name: list(parameters.values()) for name, parameters in grouped(model).items()}
    rates = {"token": config.tied_embed_lr, "head": config.head_lr, "scalar": config.scalar_lr}
    decays = {"token": config.token_decay, "head": config.token_decay, "scalar": config.scalar_decay}
    if config.matrix_optimizer == "adamw":
        rates["matrix"], decays["matrix"] = config.matrix_lr, config.matrix_decay
    adam = torch.optim.AdamW(
        [{"params": groups[name], "lr": rates[name], "weight_decay": decays[name]} for name in rates if groups[name]],
        betas=(config.beta1, config.beta2),
        eps=config.adam_eps,
        fused=next(model.parameters()).is_cuda,
    )
    made: list[torch.optim.Optimizer] = [adam]
    if "matrix" not in rates:
        row_norm = config.matrix_optimizer == "muon_rows"
        rate, momentum, steps = config.matrix_lr, config.muon_momentum, config.muon_ns_steps
        made.append(Muon(groups["matrix"], rate, momentum, steps, config.matrix_decay, row_norm=row_norm))
    for optimizer in made:
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
    return made


# optim/schedule.py

@dataclass(frozen=True)
class Progress:
    """Where a run stands: steps made, and seconds of training that they took."""

    step: int
    seconds: float

def share_done(config: ScheduleConfig, now: Progress) -> float:
    """Share of the run that is over, from 0 to 1, by whichever clock is further."""
    shares = [now.step / max(config.iterations, 1)]
    if config.max_wallclock_seconds > 0:
        shares.append(now.seconds / config.max_wallclock_seconds)
    return min(1.0, max(shares))

def lr_scale(config: ScheduleConfig, now: Progress) -> float:
    """Factor of all learning rates for the next step."""
    if config.schedule == "cosine":
        left = 0.5 * (1.0 + math.cos(math.pi * share_done(config, now)))
    elif config.warmdown_frac > 0:
        left = min(1.0, (1.0 - share_done(config, now)) / config.warmdown_frac)
    else:
        left = min(1.0, _warmdown_left(config, now))
    return config.min_lr + (1.0 - config.min_lr) * max(0.0, left)

def _warmdown_left(config: ScheduleConfig, now: Progress) -> float:
    """Steps left over steps of decay, or seconds left over the seconds that the decay takes."""
    if config.warmdown_iters <= 0:
        return 1.0
    left = (config.iterations - now.step) / config.warmdown_iters
    if config.max_wallclock_seconds > 0 and now.step:
        decay_seconds = config.warmdown_iters * now.seconds / now.step
        if decay_seconds > 0:
            left = min(left, (config.max_wallclock_seconds - now.seconds) / decay_seconds)
    return left

def muon_momentum(config: OptimConfig, step: int) -> float:
    """Rises in a line from `muon_momentum_start` over `muon_momentum_steps`."""
    share = min(1.0, step / config.muon_momentum_steps) if config.muon_momentum_steps else 1.0
    return (1.0 - share) * config.muon_momentum_start + share * config.muon_momentum


# training.py

@dataclass(frozen=True)
class Step:
    """What is told after a step."""

    step: int
    loss: float
    """Nats per token, mean over the step."""
    seconds: float
    """Of training, validation excluded."""
    scale: float
    """Factor of the learning rates."""

class Phase(NamedTuple):
    """What begins in the course of a run and then stays."""

    looping: bool
    """The loop over layers."""
    rounding: bool
    """Fake quantisation."""

class Trainer:
    """A model in training. `train` may be called again after `restore`."""

    def __init__(self, config: Config, loader: TrainLoader, world: World, clock: Clock) -> None:
        self.config, self.loader, self.world, self.clock = config, loader, world, clock
        self.model = GPT(config.model, config.data.train_seq_len, config.seed).to(world.device)
        self.optimizers = optimizers(self.model, config.optim)
        self.average = average_of(self.model, config.averaging)
        self.step, self.seconds = 0, 0.0
        self.rounded = _rounded(self.model, config)
        # Fused kernels are worth their making on a GPU only.
        self.loss: Callable[[Tensor, Tensor], Tensor] = fused(self.model) if world.device.type == "cuda" else self.model

    @property
    def progress(self) -> Progress:
        """Where the run stands."""
        return Progress(self.step, self.seconds)

    @property
    def over(self) -> bool:
        """Whether steps or time have run out."""
        schedule = self.config.schedule
        late = 0 < schedule.max_wallclock_seconds <= self.seconds
        return self.step >= schedule.iterations or late

    def warm_up(self) -> None:
        """Steps whose every effect is undone: they compile every phase, and wake thread pools and allocators."""
        stream = self.loader.stream.state()
        kept = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        phases = self._phases()
        for number in range(self.config.schedule.warmup_steps):
            self._switch(phases[number % len(phases)])
            self._learn(1.0)
        self.model.load_state_dict(kept)
        self.optimizers = optimizers(self.model, self.config.optim)
        self.loader.stream.restore(stream)

    def train(
        self,
        told: Callable[[Step], None] = lambda _: None,
        validate: Callable[[GPT, Progress], None] = lambda _model, _now: None,
        saved: Callable[[Trainer], None] = lambda _: None,
    ) -> None:
        """Steps until the end. `validate` and `saved` (once a step) take no training time."""
        schedule = self.config.schedule
        since = self.clock()
        while True:
            scale = lr_scale(schedule, self.progress)
            self._switch(self._phase(scale))
            if self.over or (schedule.val_loss_every and self.step % schedule.val_loss_every == 0):
                validate(self.model, self.progress)
                since = self.clock()
            if self.over:
                return
            loss = self._learn(scale)
            self.step += 1
            if self.average is not None:
                self.average.update(self.model, lr_scale(schedule, self.progress))
            now = self.clock()
            self.seconds = self._agreed(self.seconds + now - since)
            since = now
            told(Step(self.step, loss, self.seconds, scale))
            saved(self)
            since = self.clock()

    def finished(self) -> GPT:
        """The model with the weights that are packed: the average where there is one."""
        if self.average is not None:
            dtypes = {name: tensor.dtype for name, tensor in self.model.state_dict().items()}
            weights = {name: tensor.to(dtypes[name]) for name, tensor in self.average.weights().items()}
            self.model.load_state_dict(weights)
        self._switch(Phase(self._phases()[-1].looping, rounding=False))
        return self.model

    def state(self) -> dict[str, Any]:
        """Everything that a run is made of between two steps."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "average": self.average.state() if self.average is not None else None,
            "stream": self.loader.stream.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Stand where that run stood."""
        self.step, self.seconds = state["step"], state["seconds"]
        self.model.load_state_dict(state["model"])
        for optimizer, held in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(held)
        if self.average is not None:
            self.average.restore(state["average"])
        self.loader.stream.restore(state["stream"])

    def _learn(self, scale: float) -> float:
        """One step; the mean loss over all ranks."""
        data = self.config.data
        batches = list(self.loader.micro_batches(data.train_batch_tokens, data.micro_batch_tokens))
        rows = sum(len(x) for x, _ in batches)
        total = torch.zeros((), device=self.world.device)
        for x, y in batches:
            with autocast(self.world.device):
                loss = self.loss(x, y) * (len(x) / rows)
            loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            total += loss.detach()
        held = list(self.model.parameters())
        self.world.average_gradients(held)
        if self.config.optim.grad_clip_norm:
            nn.utils.clip_grad_norm_(held, self.config.optim.grad_clip_norm)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * scale
                if "momentum" in group:
                    group["momentum"] = muon_momentum(self.config.optim, self.step)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return float(self.world.sum(total)) / self.world.size

    def _phases(self) -> list[Phase]:
        """All that a run of this configuration may come to, the last with everything on."""
        loops = (False, True) if self.config.model.loop_visits > 1 else (False,)
        rounds = (False, True) if self.rounded else (False,)
        return [Phase(looping, rounding) for looping in loops for rounding in rounds]

    def _phase(self, scale: float) -> Phase:
        """That of the next step, whose learning rates have the factor `scale`."""
        done = share_done(self.config.schedule, self.progress)
        model, quant = self.config.model, self.config.quant
        begun = done >= quant.qat_start if quant.qat_by_steps else scale <= quant.qat_start
        return Phase(model.loop_visits > 1 and done >= model.loop_at, begun)

    def _switch(self, phase: Phase) -> None:
        self.model.loop.on = phase.looping
        for linear in self.rounded:
            linear.qat_bits = self.config.quant.qat_bits if phase.rounding else 0

    def _agreed(self, seconds: float) -> float:
        """The first rank's clock, so that all ranks end with the same step."""
        if self.world.size == 1:
            return seconds
        told = torch.tensor(seconds if self.world.leads else 0.0, dtype=torch.float64, device=self.world.device)
        return float(self.world.sum(told))

def _rounded(model: GPT, config: Config) -> list[Linear]:
    """The layers that the exporter rounds, where training is to see it; those that it leaves alone, training does."""
    if not config.quant.qat_bits:
        return []
    plan = precisions(model, config.quant)
    named = ((f"{name}.weight", module) for name, module in model.named_modules() if isinstance(module, Linear))
    return [module for name, module in named if plan[name].bits == config.quant.qat_bits]


# dialect.py

def opening(
    config: Config, world: World, parameters: int, train_shards: int, val_pattern: str, val_tokens: int
) -> list[str]:
    """What is known before the first step."""
    model, data, optim, schedule = config.model, config.data, config.optim, config.schedule
    micro = max(1, data.train_batch_tokens // world.size // data.micro_batch_tokens)
    head_lr = 0.0 if model.tie_embeddings else optim.head_lr
    rates = (
        f"tie_embeddings:{model.tie_embeddings} embed_lr:{optim.tied_embed_lr} head_lr:{head_lr} "
        f"matrix_lr:{optim.matrix_lr} scalar_lr:{optim.scalar_lr}"
    )
    amounts = (
        f"train_batch_tokens:{data.train_batch_tokens} train_seq_len:{data.train_seq_len} "
        f"iterations:{schedule.iterations} warmup_steps:{schedule.warmup_steps} "
        f"max_wallclock_seconds:{schedule.max_wallclock_seconds:.3f}"
    )
    return [
        f"val_bpb:enabled tokenizer_kind=sentencepiece tokenizer_path={data.tokenizer_path}",
        f"train_loader:dataset:{data.data_path.rstrip('/').rpartition('/')[2]} train_shards:{train_shards}",
        f"val_loader:shards pattern={val_pattern} tokens:{val_tokens - 1}",
        f"model_params:{parameters}",
        f"world_size:{world.size} grad_accum_steps:{micro}",
        f"attention_mode:gqa num_heads:{model.num_heads} num_kv_heads:{model.num_kv_heads}",
        rates,
        amounts,
        f"seed:{config.seed}",
    ]

def step_line(config: Config, step: Step) -> str:
    """After a training step."""
    return f"step:{step.step}/{config.schedule.iterations} train_loss:{step.loss:.4f} {_time(step.step, step.seconds)}"

def is_logged(config: Config, step: int) -> bool:
    """The first ten steps, then every `train_log_every`-th."""
    return step <= 10 or step % config.schedule.train_log_every == 0

def validation_line(config: Config, step: int, seconds: float, score: Score) -> str:
    """After a validation within training."""
    loss = f"val_loss:{score.val_loss:.4f} val_bpb:{score.val_bpb:.4f}"
    return f"step:{step}/{config.schedule.iterations} {loss} {_time(step, seconds)}"

def stopped_line(config: Config, step: int, seconds: float) -> str:
    """When time ran out before the steps did."""
    return f"stopping_early: wallclock_cap train_time:{1000 * seconds:.0f}ms step:{step}/{config.schedule.iterations}"

def size_lines(label: str, artifact_bytes: int, code_bytes: int) -> list[str]:
    """Bytes of the artifact, of the code, and of both; `label` names quantiser and codec (`int8+zlib`)."""
    return [
        f"Serialized model {label}: {artifact_bytes} bytes",
        f"Code size: {code_bytes} bytes",
        f"Total submission size {label}: {artifact_bytes + code_bytes} bytes",
    ]

def final_lines(label: str, score: Score, seconds: float) -> list[str]:
    """The score that counts, rounded and exact."""
    return [
        f"final_{label} val_loss:{score.val_loss:.4f} val_bpb:{score.val_bpb:.4f} eval_time:{1000 * seconds:.0f}ms",
        f"final_{label}_exact val_loss:{score.val_loss:.8f} val_bpb:{score.val_bpb:.8f}",
    ]

def _time(step: int, seconds: float) -> str:
    return f"train_time:{1000 * seconds:.0f}ms step_avg:{1000 * seconds / max(step, 1):.2f}ms"


# evaluation/learn_documents.py

BETAS, EPS = (0.9, 0.95), 1e-10

def adapters_for(model: GPT, config: Config, rows: int, device: torch.device) -> Adapters:
    """New adapters for a batch of documents: on the layers that TTT_LORA_TARGETS and TTT_LAYERS_LAST_N name.

    They are drawn from the seed alone, so that no document's score depends on its batch or its rank.
    """
    generator = torch.Generator().manual_seed(config.seed)
    targets = set(config.evaluation.ttt_lora_targets.split(","))
    first = model.config.num_layers - (config.evaluation.ttt_layers_last_n or model.config.num_layers)
    rank = config.evaluation.ttt_lora_rank
    made = {}
    for name, module in model.named_modules():
        parts = name.split(".")
        if isinstance(module, Linear) and parts[0] == "blocks" and int(parts[1]) >= first and parts[-1] in targets:
            out, into = module.weight.shape
            made[name] = Adapter(rows, into, out, rank, generator, device)
    if "head" in targets:
        sizes = model.config.model_dim, model.config.vocab_size
        made["head"] = Adapter(rows, *sizes, rank, generator, device)
    if not made:
        raise ValueError(f"TTT_LORA_TARGETS is {config.evaluation.ttt_lora_targets!r}: no layer has such a name")
    return Adapters(made)

def chunks(document: Document, length: int, chunk: int, context: int, *, stream: bool) -> list[Window]:
    """Windows of a document, each scoring one chunk, with at most `context` tokens of input."""
    end = min(document.end, length - 1)
    found = []
    for first in range(document.start + 1, end + 1, chunk):
        stop = min(first + chunk - 1, end)
        found.append(Window(max(0 if stream else document.start, stop - context), stop, first))
    return found

def learn_documents(model: GPT, tally: Tally, config: Config) -> None:
    """Score this rank's share of the documents of a stream. The model itself stays as it is."""
    model.requires_grad_(requires_grad=False)
    device = tally.tokens.device
    for number, group in enumerate(_groups(tally, config)):
        adapters = adapters_for(model, config, len(group), device)
        optimizer = _optimizer(adapters, config)
        tally.events.append(Event(Kind.RESET, number, 0, 0))
        for step in range(len(group[0])):
            active = [plan[min(step, len(plan) - 1)] for plan in group]
            _score_and_learn(model, tally, adapters, optimizer, group, active, step, number)
    model.requires_grad_(requires_grad=True)

def _groups(tally: Tally, config: Config) -> Iterator[list[list[Window]]]:
    """Chunk plans of documents in batches, those with most chunks first, shared out between ranks."""
    evaluation, world = config.evaluation, tally.world
    length = len(tally.tokens)
    found = documents(tally.tokens.cpu().numpy(), config.model.bos_id)
    context, stream = config.eval_seq_len, evaluation.evaluation == "ttt_stream"
    plans = [chunks(one, length, evaluation.ttt_chunk_tokens, context, stream=stream) for one in found]
    plans = sorted((plan for plan in plans if plan), key=len, reverse=True)
    groups = [plans[i : i + evaluation.eval_batch_seqs] for i in range(0, len(plans), evaluation.eval_batch_seqs)]
    yield from groups[world.rank :: world.size]

def _optimizer(adapters: Adapters, config: Config) -> torch.optim.Optimizer:
    return torch.optim.Adam(adapters.parameters(), lr=config.evaluation.ttt_lr, betas=BETAS, eps=EPS)

def _score_and_learn(
    model: GPT,
    tally: Tally,
    adapters: Adapters,
    optimizer: torch.optim.Optimizer,
    group: list[list[Window]],
    active: list[Window],
    step: int,
    number: int,
) -> None:
    """One chunk of every document that still has one: counted first, learned from afterwards, in one forward pass.

    Rows of documents that are over run along and count nothing.
    """
    batch = Batch(tally.tokens, active)
    with autocast(tally.tokens.device):
        nll = model.nll(batch.inputs, batch.targets, adapters)
    losses: list[Tensor] = []
    for plan, (window, scored) in zip(group, batch.scored(nll), strict=True):
        if step < len(plan):
            tally.add(scored.detach(), window.first, window.stop, number)
        if step + 1 < len(plan):
            losses.append(scored.mean())
            tally.events.append(Event(Kind.UPDATE, number, window.first, window.stop))
    if losses:
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]  # torch gives it no types
        optimizer.step()


# evaluation/learn_stream.py

def by_chunk(windows: Iterator[Window], chunk: int) -> list[list[Window]]:
    """Windows by the chunk in which their first scored position lies. Position 1 is the first of chunk 0."""
    found: list[list[Window]] = []
    for window in windows:
        number = (window.first - 1) // chunk
        while len(found) <= number:
            found.append([])
        found[number].append(window)
    return found

def learned_parameters(model: GPT, config: Config) -> list[dict[str, object]]:
    """Groups for SGD: all weights, or those of the last layers; the first of these layers at a rate of its own."""
    evaluation = config.evaluation
    if not evaluation.ttt_layers_last_n:
        return [{"params": list(model.parameters()), "factor": 1.0}]
    first = model.config.num_layers - evaluation.ttt_layers_last_n
    blocks = list(model.blocks)[first:]
    rest = [p for block in blocks[1:] for p in block.parameters()]
    groups: list[dict[str, object]] = [
        {"params": list(blocks[0].parameters()), "factor": evaluation.ttt_first_layer_lr},
        {"params": rest, "factor": 1.0},
    ]
    return [group for group in groups if group["params"]]

def learn_stream(model: GPT, tally: Tally, config: Config) -> None:
    """Score a stream and learn from it, all ranks together. The model ends with what it learned."""
    evaluation, device = config.evaluation, tally.tokens.device
    table = None
    groups = learned_parameters(model, config)
    if evaluation.ttt_hash_buckets:
        table = HashTable(evaluation.ttt_hash_buckets, config.model.model_dim, device)
        groups.append({"params": [table.table], "factor": 1.0})
    optimizer = torch.optim.SGD(groups, lr=evaluation.ttt_lr, momentum=evaluation.ttt_momentum)
    windows = sliding_windows(len(tally.tokens), config.eval_seq_len, evaluation.eval_stride)
    plan = by_chunk(windows, evaluation.ttt_chunk_tokens)
    for number, chunk in enumerate(plan):
        add_scores(model, tally, chunk, evaluation.eval_batch_seqs, table)
        if chunk and number + 1 < len(plan):
            scale = 0.5 * (1.0 + math.cos(math.pi * number / max(len(plan) - 1, 1)))
            for group in optimizer.param_groups:
                group["lr"] = evaluation.ttt_lr * scale * group["factor"]
            _learn(model, table, optimizer, tally, config, chunk[0].first, chunk[-1].stop)

def _learn(
    model: GPT,
    table: HashTable | None,
    optimizer: torch.optim.Optimizer,
    tally: Tally,
    config: Config,
    first: int,
    last: int,
) -> None:
    """Passes over the targets at `first` to `last`, which have been scored, in sequences shared between ranks."""
    world, evaluation = tally.world, config.evaluation
    held: list[nn.Parameter] = [p for group in optimizer.param_groups for p in group["params"]]
    sequences = [
        Window(first - 1 + w.start, first - 1 + w.stop, first - 1 + w.first)
        for w in plain_windows(last - first + 2, config.data.train_seq_len)
    ]
    size = evaluation.eval_batch_seqs * world.size
    for _ in range(evaluation.ttt_epochs):
        for start in range(0, len(sequences), size):
            together = sequences[start : start + size]
            mine = together[world.rank :: world.size]
            optimizer.zero_grad()
            if mine:
                batch = Batch(tally.tokens, mine)
                with autocast(tally.tokens.device):
                    nll = model.nll(batch.inputs, batch.targets, extra=table(batch.inputs) if table else None)
                # Divided by the tokens of all ranks, so that their mean gradient is that of one process.
                share = world.size / sum(w.stop - w.start for w in together)
                loss = torch.cat([losses for _, losses in batch.scored(nll)]).sum() * share
                loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            world.average_gradients(held)
            if evaluation.ttt_grad_clip:
                nn.utils.clip_grad_norm_(held, evaluation.ttt_grad_clip)
            optimizer.step()
    tally.events.append(Event(Kind.UPDATE, 0, first, last))


# evaluation/evaluate.py

def evaluated(model: GPT, tokens: Tensor, table: ByteTable, config: Config, world: World) -> tuple[Score, Tally]:
    """The score of a stream of token ids (length,) of type int64, and the tally with its events.

    `ttt_sgd` leaves the model changed; every other way leaves it as it was.
    """
    tally = Tally(tokens, table, world)
    evaluation = config.evaluation
    if evaluation.evaluation == "ttt_sgd":
        learn_stream(model, tally, config)
    elif evaluation.evaluation in {"ttt_documents", "ttt_stream"}:
        learn_documents(model, tally, config)
    else:
        add_scores(model, tally, _planned(tokens, config), evaluation.eval_batch_seqs)
    return tally.score(), tally

def validation_score(model: GPT, tokens: Tensor, table: ByteTable, config: Config, world: World) -> Score:
    """The score in windows side by side, of the training length: what is looked at while a model is trained.

    It has no way to learn, whatever the final score is made by.
    """
    tally = Tally(tokens, table, world)
    rows = max(1, config.schedule.val_batch_size // world.size // config.data.train_seq_len)
    add_scores(model, tally, plain_windows(len(tokens), config.data.train_seq_len), rows)
    return tally.score()

def _planned(tokens: Tensor, config: Config) -> list[Window]:
    length, seq_len, stride = len(tokens), config.eval_seq_len, config.evaluation.eval_stride
    if config.evaluation.evaluation == "plain":
        return list(plain_windows(length, seq_len))
    if config.evaluation.evaluation == "sliding":
        return list(sliding_windows(length, seq_len, stride))
    found = documents(tokens.cpu().numpy(), config.model.bos_id)
    return list(document_windows(found, length, seq_len, stride))


# entry.py

ARTIFACT = "final_model.bin"

class Log:
    """Prints lines, and puts them into a file; silent on all ranks but the first."""

    def __init__(self, world: World, path: Path, *, keep: bool = False) -> None:
        """`keep` goes on with a file that is there."""
        self.world, self.path = world, path
        if world.leads:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not keep:
                path.unlink(missing_ok=True)

    def __call__(self, lines: str | Iterable[str], *, shown: bool = True) -> None:
        """One line or several; those that are not `shown` stand in the file only."""
        if not self.world.leads:
            return
        with self.path.open("a", encoding="utf-8") as stream:
            for line in [lines] if isinstance(lines, str) else lines:
                stream.write(f"{line}\n")
                if shown:
                    print(line, flush=True)  # noqa: T201  the competition reads what is printed

def validated(source: Source, config: Config, world: World) -> Callable[[GPT], Score]:
    """What scores a model while it is trained."""
    return lambda model: validation_score(model, source.val_tokens, source.table, config, world)

def calibrated(model: GPT, source: Source, config: Config, world: World) -> Hessians | None:
    """Hessians over training batches, where the quantiser asks for them."""
    if config.quant.quantizer != "gptq":
        return None
    loader = source.loader(config, World(0, 1, world.device))
    tokens = min(config.data.micro_batch_tokens, config.data.train_batch_tokens)
    batches = (x for _ in range(config.quant.gptq_batches) for x, _ in loader.micro_batches(tokens, tokens))
    return collected(model, batches)

def trained(config: Config, source: Source, world: World, log: Log, now: Clock) -> GPT:
    """The weights that are to be packed."""
    trainer = Trainer(config, source.loader(config, world), world, now)
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    log(opening(config, world, parameters, len(source.train_paths), source.val_pattern, len(source.val_tokens)))
    trainer.warm_up()
    score = validated(source, config, world)

    def told(step: Step) -> None:
        if is_logged(config, step.step):
            log(step_line(config, step))

    def validate(model: GPT, progress: Progress) -> None:
        log(validation_line(config, progress.step, progress.seconds, score(model)))

    trainer.train(told, validate)
    if trainer.step < config.schedule.iterations:
        log(stopped_line(config, trainer.step, trainer.seconds))
    return trainer.finished()

def run(config: Config, world: World, code: str, folder: Path) -> Score:
    """Everything, with files in `folder`; `code` is the text whose bytes count."""
    log, now = Log(world, folder / "logs" / f"{config.run_id}.txt"), clock(world.device)
    log(
        [code, "=" * 100, f"Running Python {sys.version}", f"Running PyTorch {torch.__version__}", "=" * 100],
        shown=False,
    )
    seeded(config.seed)
    source = opened(config, world)
    model = trained(config, source, world, log, now)
    path = folder / ARTIFACT
    if world.leads:
        path.write_bytes(packed(model, config.quant, calibrated(model, source, config, world)))
    world.wait()
    label = f"{config.quant.quantizer}+{config.quant.codec}"
    log(size_lines(label, path.stat().st_size, len(code.encode())))
    del model
    return scored(path, config, source, world, log, now)

def scored(path: Path, config: Config, source: Source, world: World, log: Log, now: Clock) -> Score:
    """The score of the file on disk, in a model that never saw the training."""
    started = now()
    model = model_of(path.read_bytes(), config).to(world.device)
    score, _ = evaluated(model, source.val_tokens, source.table, config, world)
    how = config.evaluation.evaluation
    label = f"{config.quant.quantizer}_{config.quant.codec}_roundtrip" if how == "plain" else how
    log(final_lines(label, score, now() - started))
    return score


def settings() -> Config:
    """Every number of the run; each answers to its variable."""
    return Config(
        model=ModelConfig(
            vocab_size=int(os.environ.get("VOCAB_SIZE", 1024)),
            num_layers=int(os.environ.get("NUM_LAYERS", 3)),
            model_dim=int(os.environ.get("MODEL_DIM", 96)),
            num_heads=int(os.environ.get("NUM_HEADS", 4)),
            num_kv_heads=int(os.environ.get("NUM_KV_HEADS", 2)),
            mlp_mult=int(os.environ.get("MLP_MULT", 2)),
            activation=os.environ.get("ACTIVATION", "relu2"),
            qk_norm=bool(int(os.environ.get("QK_NORM", "1"))),
            qk_gain_init=float(os.environ.get("QK_GAIN_INIT", 1.5)),
            rope_base=float(os.environ.get("ROPE_BASE", 10000.0)),
            rope_dims=int(os.environ.get("ROPE_DIMS", 0)),
            rope_ntk=bool(int(os.environ.get("ROPE_NTK", "0"))),
            attention_window=int(os.environ.get("ATTENTION_WINDOW", 0)),
            xsa_last_n=int(os.environ.get("XSA_LAST_N", 0)),
            value_residual=bool(int(os.environ.get("VALUE_RESIDUAL", "0"))),
            value_embed_layers=int(os.environ.get("VALUE_EMBED_LAYERS", 0)),
            value_embed_dim=int(os.environ.get("VALUE_EMBED_DIM", 128)),
            weighted_norm=bool(int(os.environ.get("WEIGHTED_NORM", "0"))),
            ln_scale=bool(int(os.environ.get("LN_SCALE", "0"))),
            block_scales=bool(int(os.environ.get("BLOCK_SCALES", "1"))),
            resid_mix=os.environ.get("RESID_MIX", "learned"),
            skips=os.environ.get("SKIPS", "add"),
            loop_start=int(os.environ.get("LOOP_START", 0)),
            loop_end=int(os.environ.get("LOOP_END", 0)),
            loop_visits=int(os.environ.get("LOOP_VISITS", 1)),
            loop_at=float(os.environ.get("LOOP_AT", 0.35)),
            parallel_from=int(os.environ.get("PARALLEL_FROM", -1)),
            smear=bool(int(os.environ.get("SMEAR", "0"))),
            smear_resets=bool(int(os.environ.get("SMEAR_RESETS", "1"))),
            bigram_buckets=int(os.environ.get("BIGRAM_BUCKETS", 0)),
            bigram_dim=int(os.environ.get("BIGRAM_DIM", 128)),
            tie_embeddings=bool(int(os.environ.get("TIE_EMBEDDINGS", "1"))),
            tied_embed_init_std=float(os.environ.get("TIED_EMBED_INIT_STD", 0.005)),
            spectral_init=bool(int(os.environ.get("SPECTRAL_INIT", "0"))),
            ortho_init=bool(int(os.environ.get("ORTHO_INIT", "0"))),
            logit_softcap=float(os.environ.get("LOGIT_SOFTCAP", 30.0)),
            bos_id=int(os.environ.get("BOS_ID", 1)),
        ),
        data=DataConfig(
            data_path=os.environ.get("DATA_PATH", "./data/datasets/english_sp1024"),
            tokenizer_path=os.environ.get("TOKENIZER_PATH", "./data/tokenizers/english_1024_bpe.model"),
            train_seq_len=int(os.environ.get("TRAIN_SEQ_LEN", 128)),
            train_batch_tokens=int(os.environ.get("TRAIN_BATCH_TOKENS", 2048)),
            micro_batch_tokens=int(os.environ.get("MICRO_BATCH_TOKENS", 2048)),
        ),
        optim=OptimConfig(
            matrix_lr=float(os.environ.get("MATRIX_LR", 0.04)),
            scalar_lr=float(os.environ.get("SCALAR_LR", 0.04)),
            tied_embed_lr=float(os.environ.get("TIED_EMBED_LR", 0.05)),
            head_lr=float(os.environ.get("HEAD_LR", 0.008)),
            matrix_optimizer=os.environ.get("MATRIX_OPTIMIZER", "muon"),
            muon_momentum=float(os.environ.get("MUON_MOMENTUM", 0.95)),
            muon_momentum_start=float(os.environ.get("MUON_MOMENTUM_START", 0.85)),
            muon_momentum_steps=int(os.environ.get("MUON_MOMENTUM_STEPS", 500)),
            muon_ns_steps=int(os.environ.get("MUON_NS_STEPS", 5)),
            beta1=float(os.environ.get("BETA1", 0.9)),
            beta2=float(os.environ.get("BETA2", 0.95)),
            adam_eps=float(os.environ.get("ADAM_EPS", 1e-08)),
            matrix_decay=float(os.environ.get("MATRIX_DECAY", 0.0)),
            token_decay=float(os.environ.get("TOKEN_DECAY", 0.0)),
            scalar_decay=float(os.environ.get("SCALAR_DECAY", 0.0)),
            grad_clip_norm=float(os.environ.get("GRAD_CLIP_NORM", 0.0)),
        ),
        schedule=ScheduleConfig(
            iterations=int(os.environ.get("ITERATIONS", 150)),
            max_wallclock_seconds=float(os.environ.get("MAX_WALLCLOCK_SECONDS", 0.0)),
            warmup_steps=int(os.environ.get("WARMUP_STEPS", 0)),
            schedule=os.environ.get("SCHEDULE", "warmdown"),
            warmdown_iters=int(os.environ.get("WARMDOWN_ITERS", 75)),
            warmdown_frac=float(os.environ.get("WARMDOWN_FRAC", 0.0)),
            min_lr=float(os.environ.get("MIN_LR", 0.0)),
            val_loss_every=int(os.environ.get("VAL_LOSS_EVERY", 50)),
            train_log_every=int(os.environ.get("TRAIN_LOG_EVERY", 10)),
            val_batch_size=int(os.environ.get("VAL_BATCH_SIZE", 16384)),
        ),
        averaging=AveragingConfig(
            averaging=os.environ.get("AVERAGING", "off"),
            ema_decay=float(os.environ.get("EMA_DECAY", 0.997)),
            swa_start=float(os.environ.get("SWA_START", 0.6)),
            swa_snapshots=int(os.environ.get("SWA_SNAPSHOTS", 24)),
        ),
        quant=QuantConfig(
            quantizer=os.environ.get("QUANTIZER", "int8"),
            matrix_clip=float(os.environ.get("MATRIX_CLIP", 12.85)),
            embed_clip=float(os.environ.get("EMBED_CLIP", 20.0)),
            gptq_batches=int(os.environ.get("GPTQ_BATCHES", 64)),
            gptq_damp=float(os.environ.get("GPTQ_DAMP", 0.01)),
            keep_embed=bool(int(os.environ.get("KEEP_EMBED", "0"))),
            keep_last_keys=int(os.environ.get("KEEP_LAST_KEYS", 0)),
            scale_floor=os.environ.get("SCALE_FLOOR", "eps"),
            codec=os.environ.get("CODEC", "zlib"),
            qat_bits=int(os.environ.get("QAT_BITS", 0)),
            qat_start=float(os.environ.get("QAT_START", 0.15)),
            qat_by_steps=bool(int(os.environ.get("QAT_BY_STEPS", "0"))),
        ),
        evaluation=EvalConfig(
            evaluation=os.environ.get("EVALUATION", "plain"),
            eval_seq_len=int(os.environ.get("EVAL_SEQ_LEN", 0)),
            eval_stride=int(os.environ.get("EVAL_STRIDE", 64)),
            eval_batch_seqs=int(os.environ.get("EVAL_BATCH_SEQS", 32)),
            ttt_lr=float(os.environ.get("TTT_LR", 0.01)),
            ttt_chunk_tokens=int(os.environ.get("TTT_CHUNK_TOKENS", 256)),
            ttt_epochs=int(os.environ.get("TTT_EPOCHS", 1)),
            ttt_lora_rank=int(os.environ.get("TTT_LORA_RANK", 8)),
            ttt_lora_targets=os.environ.get("TTT_LORA_TARGETS", "query,value,head"),
            ttt_layers_last_n=int(os.environ.get("TTT_LAYERS_LAST_N", 0)),
            ttt_momentum=float(os.environ.get("TTT_MOMENTUM", 0.9)),
            ttt_grad_clip=float(os.environ.get("TTT_GRAD_CLIP", 1.0)),
            ttt_first_layer_lr=float(os.environ.get("TTT_FIRST_LAYER_LR", 1.0)),
            ttt_hash_buckets=int(os.environ.get("TTT_HASH_BUCKETS", 0)),
        ),
        seed=int(os.environ.get("SEED", 1337)),
        run_id=os.environ.get("RUN_ID", "reference"),
    )


def main() -> None:
    """Run everything under torchrun, or in one process."""
    with joined() as world:
        run(settings(), world, Path(__file__).read_text(encoding="utf-8"), Path())


if __name__ == "__main__":
    main()
