"""What becomes of each size: small enough for seconds on a CPU, in the relations that the full size has.

Relations kept: strides, chunks and windows to the sequence length; batches to world size, accumulation and sequence
length; steps at which something starts to the number of steps; widths to the model's; seconds to the limit. Layers
are kept: settings and code name them by number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.plan import Meaning, Shape
from harness.observe.cpu_run.planning.meanings import SECONDS

SEQUENCE = 64
"""Tokens of a training sequence."""
STEPS = 12
"""Steps of the run: the least with which a warmdown over nearly all of them falls below 0.15 of the learning rate,
where late quantisation-aware training starts, and below 0.2 twice, where weights are averaged."""
SPARE_STEPS = 4
"""Steps allowed beyond, where the clock is meant to end the run."""
FEW_STEPS = 6
"""Steps at the original shape."""
TICK = 0.001
"""Seconds by which the run's clock goes on at each reading."""
ACCUMULATION = 8
"""Micro batches a step on one process, where nothing that can be changed says so: scripts split a step into
8 // world_size."""
MICRO_BATCHES = 2
"""Micro batches a step where they can be changed: the least with which gradients are accumulated."""
VAL_TOKENS = 2_112
"""33 sequences: one is left over, for a last target and as a remainder, and any usual batch divides the others, since
some evaluations drop a last batch that is not full."""
DOCUMENTS = 16
_PREFIX_DOCUMENTS = 4
"""Documents where a setting limits them: each of up to four phases has one."""
_FULL_VAL_TOKENS = 62_000_000
"""Tokens of the competition's validation set at 1,024 pieces."""
_USUAL_STEPS = 7_000
"""Steps that the baseline makes in ten minutes."""
_USUAL_SECONDS = 600.0
SLOTS = 128
"""The validation stream over these gives a table the load that 62 M tokens give one of 4 M slots."""
_OPEN_BITS = 14
"""Open addressing must hold every context of the stream, in up to seven orders."""
_FIRST_LARGE_BITS = 10
_EFFORT = 5
"""Quality, level or preset from which compressors take a second a megabyte, and lzma 700 MB of memory."""
_CAPS: Mapping[Meaning, int] = {
    Meaning.WARMUP: 1,
    Meaning.LOG_EVERY: 4,
    Meaning.EVAL_BATCH: 32,
    Meaning.TTT_EPOCHS: 2,
    Meaning.TTT_STEPS: 3,
    Meaning.TTT_BATCH: 8,
    Meaning.CALIBRATION_BATCHES: 4,
    Meaning.BUCKETS: SLOTS,
    Meaning.EPOCHS: 1,
    Meaning.CHUNK_SEQUENCES: 4,
    Meaning.ACCUMULATION: MICRO_BATCHES,
    Meaning.EFFORT: _EFFORT,
}
"""Counts that are simply cut, and where."""
KEPT = frozenset({Meaning.LAYERS, Meaning.VOCABULARY, Meaning.VALIDATE_EVERY})
"""Recognised and left alone."""
OF_SHAPE = frozenset(
    {
        Meaning.DIM, Meaning.HEADS, Meaning.KV_HEADS, Meaning.HEAD_DIM, Meaning.ROPE_DIMS, Meaning.WIDTH,
        Meaning.HIDDEN, Meaning.NUMEL, Meaning.PARAMETERS,
    }
)  # fmt: skip
"""Sizes of the model: a rung changes them together, an artifact fixes them."""
OF_ARTIFACT = OF_SHAPE | {Meaning.BUCKETS, Meaning.BUCKET_BITS}
"""What a shipped artifact fixes."""


@dataclass(frozen=True)
class Original:
    """The sizes of the launch that others relate to; zero or None where they are not known."""

    sequence: int = 1024
    eval_sequence: int = 0
    dim: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    steps: int = _USUAL_STEPS
    seconds: float = _USUAL_SECONDS
    batch_tokens: int = 0
    accumulation: int = 0
    divided: int = 1
    """What the program divides its tokens a step by before it gives them to a loader: for calibration, mostly."""


@dataclass(frozen=True)
class Tiny:
    """The sizes of one rung. `readings` are the clock readings that one training step makes."""

    original: Original
    shape: Shape = field(default_factory=Shape)
    steps: int = STEPS
    readings: int = 0
    timed: bool = False
    """The clock ends the run."""

    @property
    def sequence(self) -> int:
        """Tokens of a training sequence."""
        return min(SEQUENCE, self.original.sequence)

    @property
    def eval_sequence(self) -> int:
        """Tokens of an evaluation sequence."""
        return self.tokens(self.original.eval_sequence or self.original.sequence)

    @property
    def micro_batches(self) -> int:
        """Micro batches a step."""
        return min(self.original.accumulation, MICRO_BATCHES) or ACCUMULATION

    @property
    def seconds(self) -> float:
        """The training time limit after which the clock has been read for `steps` steps."""
        return round((self.steps * max(self.readings, 1) + 0.5) * TICK, 6)

    @property
    def width(self) -> float:
        """The tiny model dimension as a share of the original."""
        dim, original = self.shape.dim, self.original.dim
        return dim / original if dim and original else 1.0

    def tokens(self, length: float, least: int = 16) -> int:
        """A length along the sequence: the same share of it, a multiple of eight, never more than it was.

        Nor more than four of the largest sequences: a batch of eight such fills the validation stream.
        """
        scaled = min(round(length * self.sequence / max(self.original.sequence, 1) / 8) * 8, 4 * SEQUENCE)
        return int(min(length, max(scaled, least)))

    def kv_heads(self) -> int:
        """Heads of keys and values: the original share of the heads, a divisor of them."""
        heads, original = self.shape.heads or 1, self.original
        wanted = max(1, round(heads * original.kv_heads / original.heads)) if original.heads else heads
        return max(count for count in range(1, heads + 1) if heads % count == 0 and count <= max(wanted, 1))

    def head_dim(self) -> int:
        """The dimension of a tiny head."""
        return (self.shape.dim or 0) // (self.shape.heads or 1)


def shrunk(meaning: Meaning, value: float, name: str, tiny: Tiny) -> float | None:
    """The tiny value for a size; None where it stays. Values of zero and below switch things off and stay."""
    if value <= 0 or meaning in KEPT:
        return None
    if value < 1 and meaning not in SECONDS:
        return None  # a share, not a count
    new = _of_shape(meaning, value, tiny) if meaning in OF_SHAPE else _of_run(meaning, value, name, tiny)
    return None if new is None or new == value else new


def _of_shape(meaning: Meaning, value: float, tiny: Tiny) -> float | None:
    if not tiny.shape.dim:
        return None
    original = tiny.original
    match meaning:
        case Meaning.DIM:
            return tiny.shape.dim
        case Meaning.HEADS:
            return tiny.shape.heads
        case Meaning.KV_HEADS:
            return tiny.kv_heads()
        case Meaning.HEAD_DIM:
            return tiny.head_dim()
        case Meaning.ROPE_DIMS:
            full = original.head_dim or value
            return tiny.head_dim() if value >= full else max(4, int(value * tiny.head_dim() / full) // 2 * 2)
        case Meaning.PARAMETERS:
            return min(value, 1)
        case Meaning.NUMEL:
            return max(16, int(value * tiny.width**2))
    if value == original.dim:
        return tiny.shape.dim
    return min(value, max(8, round(value * tiny.width / 8) * 8))


def _of_run(meaning: Meaning, value: float, name: str, tiny: Tiny) -> float | None:
    if meaning is Meaning.EVAL_BATCH and not value % tiny.original.sequence:
        meaning = Meaning.EVAL_BATCH_TOKENS  # few, but whole sequences of a program that has short ones
    if meaning in _CAPS:
        return min(value, _CAPS[meaning])
    if meaning in _LENGTHS:
        return _length(meaning, value, tiny)
    if meaning in _BATCHES:
        return _batch(meaning, value, tiny)
    pace = min(1.0, tiny.steps / max(tiny.original.steps, 1))
    match meaning:
        case Meaning.BATCH_SEQUENCES:  # beside tokens a step it is the micro batch, else the whole one
            return min(value, 1 if tiny.original.batch_tokens else tiny.micro_batches)
        case Meaning.STEPS:
            return min(value, tiny.steps + (SPARE_STEPS if tiny.timed else 0))
        case Meaning.WARMDOWN:
            return min(value, tiny.steps - 1)
        case Meaning.STEP:
            return min(value, max(1, min(round(value * pace), tiny.steps - 2)))
        case Meaning.EVERY:
            return min(value, max(1, round(value * pace)))
        case Meaning.WALLCLOCK | Meaning.RESERVE:
            return _seconds(meaning, value, name, tiny)
        case Meaning.DOCUMENTS:
            return min(value, _PREFIX_DOCUMENTS)
        case Meaning.TOKEN_LIMIT:
            return min(value, max(VAL_TOKENS // 3, round(value * VAL_TOKENS / _FULL_VAL_TOKENS)))
        case Meaning.CACHE_TOKENS:  # else no token of the stream would be left to ask it
            return min(value, max(1, round(value * VAL_TOKENS / _FULL_VAL_TOKENS)))
        case Meaning.BUCKET_BITS:
            bits = _OPEN_BITS if "open" in name.lower() else SLOTS.bit_length() - 1
            return min(value, bits) if value >= _FIRST_LARGE_BITS else None
    return None


_LENGTHS = frozenset(
    {
        Meaning.SEQUENCE, Meaning.EVAL_SEQUENCE, Meaning.STRIDE, Meaning.WINDOW, Meaning.CHUNK,
        Meaning.CALIBRATION_LENGTH,
    }
)  # fmt: skip
_BATCHES = frozenset(
    {Meaning.BATCH_TOKENS, Meaning.MICRO_BATCH_TOKENS, Meaning.EVAL_BATCH_TOKENS, Meaning.CHUNK_TOKENS}
)


def _length(meaning: Meaning, value: float, tiny: Tiny) -> float:
    if meaning is Meaning.WINDOW:
        return tiny.tokens(value, least=8)
    if meaning is Meaning.CHUNK:  # a document still has several, and its later ones drop what came first
        return tiny.tokens(value, least=SEQUENCE // 2)
    return tiny.tokens(value)


def _batch(meaning: Meaning, value: float, tiny: Tiny) -> float:
    if meaning is Meaning.CHUNK_TOKENS:
        sequences = round(value / max(tiny.original.sequence, 1))
        return min(value, tiny.eval_sequence * 4 if sequences >= 1 else tiny.tokens(value))
    if meaning is Meaning.MICRO_BATCH_TOKENS:
        return min(value, tiny.sequence)
    if meaning is Meaning.EVAL_BATCH_TOKENS:
        return min(value, ACCUMULATION * max(tiny.sequence, tiny.eval_sequence))
    unit = tiny.micro_batches * tiny.sequence * tiny.original.divided
    share = value / tiny.original.batch_tokens if tiny.original.batch_tokens else 1.0
    return unit * max(1, min(4, round(share)))


def _seconds(meaning: Meaning, value: float, name: str, tiny: Tiny) -> float:
    unit = 1000.0 if name.lower().endswith("ms") else 1.0
    if meaning is Meaning.WALLCLOCK:
        return min(value, tiny.seconds * unit)
    return min(value, max(1e-6, round(value * tiny.seconds / max(tiny.original.seconds, 1e-3), 6)))
