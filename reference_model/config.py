"""What a run of the reference stack is made of: frozen sections, one value a field.

Field names are unique over all sections, and each field answers to the environment variable of its name in capitals
(`MODEL_DIM`, `TTT_LR` ...), as the competition's scripts have it. Dataclasses rather than pydantic, because a bundled
submission carries this file to machines that have torch and little else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_args, get_type_hints


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
    from documents before) or `ttt_sgd` (all weights, chunk after chunk). `rehearsed_documents` is against the rules: it
    shows what they forbid."""
    eval_seq_len: int = 0
    """0: that of training."""
    eval_stride: int = 64
    eval_batch_seqs: int = 32
    ttt_lr: float = 0.01
    ttt_chunk_tokens: int = 256
    ttt_epochs: int = 1
    """Passes over a chunk that is scored (`ttt_sgd`; adapters take one step a chunk), or over a document of which the
    last alone counts (`rehearsed_documents`)."""
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
        lora = evaluation.evaluation in {"ttt_documents", "ttt_stream", "rehearsed_documents"}
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
    "evaluation": ("plain", "sliding", "documents", "ttt_documents", "ttt_stream", "ttt_sgd", "rehearsed_documents"),
}


def from_environment(preset: Config, environment: Mapping[str, str] | None = None) -> Config:
    """The preset with every field replaced whose variable is set. Raises ValueError for a value of the wrong type."""
    given = os.environ if environment is None else environment
    sections = {}
    for part in fields(preset):
        section = getattr(preset, part.name)
        if isinstance(section, get_args(Section)):
            sections[part.name] = replace(section, **_overrides(section, given))
    return replace(preset, **sections, **_overrides(preset, given))


def _overrides(section: Any, given: Mapping[str, str]) -> dict[str, Any]:
    types = get_type_hints(type(section))
    return {
        part.name: _parsed(part.name.upper(), given[part.name.upper()], types[part.name])
        for part in fields(section)
        if part.name.upper() in given and types[part.name] in (bool, int, float, str)
    }


def _parsed(name: str, text: str, kind: type) -> Any:
    try:
        return bool(int(text)) if kind is bool else kind(text)
    except ValueError:
        wanted = "0 or 1" if kind is bool else kind.__name__
        raise ValueError(f"{name} is {text!r}; give {wanted}") from None


def _divides(name: str, value: int, by: str, divisor: int) -> None:
    if divisor <= 0 or value % divisor:
        raise ValueError(f"{name} is {value}; make it a multiple of {by}, {divisor}")
