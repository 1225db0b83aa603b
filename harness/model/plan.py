"""The plan of a tiny run: what is started, with which environment, which source is rewritten, and what it needs."""

from __future__ import annotations

from enum import StrEnum

from harness.model.base import At, Frozen, Scalar
from harness.model.launch import SettingOrigin

MAX_DIRECTIVES = 400
"""Most rewritings of one rung; the largest need of the field is some thirty."""


class Meaning(StrEnum):
    """What a size stands for. The values are words of the field, used in reports."""

    STEPS = "training steps"
    EPOCHS = "training epochs"
    WARMUP = "warmup steps"
    WARMDOWN = "warmdown steps"
    STEP = "step at which something starts"
    EVERY = "steps between two occasions"
    VALIDATE_EVERY = "steps between validations"
    LOG_EVERY = "steps between log lines"
    WALLCLOCK = "seconds of training"
    RESERVE = "seconds kept back"
    BATCH_TOKENS = "tokens a step"
    MICRO_BATCH_TOKENS = "tokens a micro batch"
    BATCH_SEQUENCES = "sequences a step"
    EVAL_BATCH_TOKENS = "tokens an evaluation batch"
    EVAL_BATCH = "sequences an evaluation batch"
    ACCUMULATION = "micro batches a step"
    SEQUENCE = "sequence length"
    EVAL_SEQUENCE = "evaluation sequence length"
    STRIDE = "stride of the sliding window"
    WINDOW = "attention window"
    CHUNK_TOKENS = "tokens a chunk of test-time training"
    CHUNK_SEQUENCES = "sequences a chunk of test-time training"
    CHUNK = "tokens a chunk inside a sequence"
    TTT_EPOCHS = "epochs of test-time training"
    TTT_STEPS = "gradient steps of test-time training"
    TTT_BATCH = "sequences a batch of test-time training"
    CALIBRATION_BATCHES = "calibration batches"
    CALIBRATION_LENGTH = "tokens a calibration sequence"
    DOCUMENTS = "documents"
    TOKEN_LIMIT = "limit on tokens read"
    CACHE_TOKENS = "tokens that a cache has seen before it is asked"
    NUMEL = "elements from which a tensor is quantised"
    PARAMETERS = "least parameters that the program expects"
    BUCKETS = "slots of a hash table"
    EFFORT = "effort of a compressor"
    BUCKET_BITS = "logarithm of the slots of a hash table"
    DIM = "model dimension"
    HEADS = "attention heads"
    KV_HEADS = "key and value heads"
    HEAD_DIM = "head dimension"
    ROPE_DIMS = "rotary dimensions"
    WIDTH = "side width"
    HIDDEN = "hidden width"
    VOCABULARY = "vocabulary"
    LAYERS = "layers"


class Override(Frozen):
    """An environment variable that is set although the launch does not, or sets otherwise."""

    name: str
    value: str
    why: str
    meaning: Meaning | None = None
    replaces: SettingOrigin | None = None
    """Which origin's value gives way; None where nothing set it."""
    was: Scalar = None


class Directive(Frozen):
    """One piece of a program's text that is replaced before it runs.

    `line` counts from 1; `column` and `end_column` count UTF-8 bytes from 0, as `ast` does, in the text that the
    grammar of this harness parses (`grammar.Parsed.text`). Neither `old` nor `new` holds a line break, so line numbers
    stay.
    """

    at: At
    column: int
    end_column: int
    old: str
    new: str
    why: str
    setting: str | None = None
    """The name of the attribute, variable, parameter or argument whose value it is."""
    meaning: Meaning | None = None


class EntryKind(StrEnum):
    """How the program is started."""

    MAIN = "main"
    """The file is run as `__main__`."""
    CALL = "call"
    """The file is imported, then a function is called that nothing calls."""
    MODAL = "modal"
    """The body of a function decorated for modal is called as a plain function."""
    SHELL = "shell"
    """Started by a run script: one of several steps in its order."""


class StepPurpose(StrEnum):
    """What a step of the run is for."""

    PREPARE = "prepare"
    TRAIN = "train"
    EVALUATE = "evaluate"
    TRAIN_AND_EVALUATE = "train and evaluate"


class EntryStep(Frozen):
    """One program to run; steps share the working directory and run in order.

    For `CALL` and `MODAL`, `calls` names the function; `arguments` are `sys.argv[1:]` in the other cases.
    """

    kind: EntryKind
    path: str
    purpose: StepPurpose = StepPurpose.TRAIN_AND_EVALUATE
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    """Set for this step only, on top of the rest."""
    calls: str | None = None
    why: str = ""
    at: At | None = None


class Shape(Frozen):
    """The three sizes of attention that a rung tries; None keeps what the submission says."""

    dim: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None


class Rung(Frozen):
    """One attempt: complete overrides and directives on top of `Plan.environment`."""

    name: str
    shape: Shape = Shape()
    overrides: tuple[Override, ...] = ()
    directives: tuple[Directive, ...] = ()
    changes: str = ""
    """What differs from the rung before, in words."""


class Feature(StrEnum):
    """What the launch switches on and the run must therefore execute."""

    SLIDING = "sliding"
    TTT = "ttt"
    SLOT = "slot"
    GPTQ = "gptq"
    QAT = "qat"
    EMA = "ema"
    SWA = "swa"
    NGRAM = "ngram"


class Expected(Frozen):
    """A feature, whether the launch enables it, and the settings that say so."""

    feature: Feature
    enabled: bool
    because: tuple[str, ...] = ()


class InputsWanted(Frozen):
    """What must lie on disk when the run starts. Token counts are for one data set."""

    vocabulary: int | None = None
    sequence: int
    eval_sequence: int
    train_tokens: int
    val_tokens: int
    documents: int
    """Documents in the validation stream."""


class RunLimits(Frozen):
    """What one step of an attempt may use."""

    cpu_seconds: float = 120.0
    """Processor time of each rank: what ends a run hangs on the run, not on what else the machine does."""
    wall_seconds: float = 900.0
    """Against what neither works nor ends."""
    memory_bytes: int = 6 << 30


class Plan(Frozen):
    """How a submission is run at tiny scale. Its rungs are tried in order, until one does not fail for its sizes."""

    script: str | None
    """The launched file; None when there is nothing to run, and `reason` says why."""
    reason: str | None = None
    """Why there is nothing to run, or why what runs can train no model."""
    environment: tuple[tuple[str, str], ...] = ()
    """The launch as the submission has it, and the launcher's variables."""
    dropped: tuple[str, ...] = ()
    """Variables whose text contradicts the type that the program wants, with the text."""
    entry: tuple[EntryStep, ...] = ()
    rungs: tuple[Rung, ...] = ()
    expected: tuple[Expected, ...] = ()
    inputs: InputsWanted | None = None
    limits: RunLimits = RunLimits()
    world_size: int = 1
    evaluates_only: str | None = None
    """The shipped artifact that fixes the model's sizes; None when the run trains its own."""
    unshrunk: tuple[str, ...] = ()
    """Sizes that were recognised but could not be changed, with the reason."""
    notes: tuple[str, ...] = ()
