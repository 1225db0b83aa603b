"""Facts of training and evaluation logs: one `RunFacts` for each run that a file holds."""

from __future__ import annotations

import re

from harness.model.base import Fact, Frozen

_NUMBER = re.compile(r"\d+")
_SAME = 6e-5
"""Bits per byte: a claim of four digits, rounded or cut."""


def is_claimed(val_bpb: float, claim: float) -> bool:
    """Whether a score is the one that is claimed, to the digits that claims have."""
    return abs(val_bpb - claim) <= _SAME


def numberless(label: str) -> str:
    """A label without the numbers in it: `chunk [474/474]` of one run is `chunk [8/8]` of another."""
    return _NUMBER.sub("#", label)


class Score(Frozen):
    """One line that reports a score: nats per token, bits per byte, and the seconds its evaluation took."""

    label: str
    """The words before the numbers, lower case, without `_exact`: `final_int8_zlib_roundtrip`, `ttt_sliding:done`."""
    exact: bool = False
    val_loss: float | None = None
    val_bpb: float | None = None
    step: int | None = None
    seconds: float | None = None
    diagnostic: bool = False
    """A progress or intermediate score (pre-quantisation, running, per chunk), never the submission's result."""
    summary: bool = False
    """A number without words before it (`val_bpb: 1.2244`, or a line of a closing summary): it may repeat any other
    score, and is the result only where no labelled score is."""
    line: int


class CurvePoint(Frozen):
    """One step of the training curve; `seconds` is the training clock printed there."""

    step: int
    train_loss: float | None = None
    val_loss: float | None = None
    val_bpb: float | None = None
    seconds: float | None = None
    line: int


class LogEvent(Frozen):
    """A line that tells the order of work; `kind` is one of the fixed words of the log reader's `events` module."""

    kind: str
    text: str
    line: int
    seconds: float | None = None


class LoggedSetting(Frozen):
    """A `name: value` pair printed by the run (configuration dump or settings line)."""

    name: str
    value: str
    line: int


class ByteCount(Frozen):
    """How many bytes (and tokens) an evaluation says it counted, with the scores (bits per byte) on that line."""

    bytes: int
    tokens: int | None = None
    scores: tuple[float, ...] = ()
    line: int


class RunFacts(Frozen):
    """One run: training and / or evaluation under one seed. Sizes in bytes, times in seconds, memory in MiB."""

    first_line: int
    last_line: int
    repeats: int = 0
    """How often the file prints this run again (console and log file in one, or a tail of it); repeats are no runs."""
    seed: Fact[int] | None = None
    scores: tuple[Score, ...] = ()
    final: Score | None = None
    """The last score that is neither diagnostic nor a summary, exact before rounded; else the last summary."""
    steps: Fact[int] | None = None
    steps_planned: Fact[int] | None = None
    train_seconds: Fact[float] | None = None
    eval_seconds: Fact[float] | None = None
    total_seconds: Fact[float] | None = None
    """A wall-clock total that the run itself prints for everything."""
    bytes_total: Fact[int] | None = None
    bytes_total_uncompressed: Fact[int] | None = None
    bytes_code: Fact[int] | None = None
    bytes_code_compressed: Fact[int] | None = None
    """Code size after a wrapper that the log computes (the "virtual wrapper"), where it prints both."""
    bytes_model: Fact[int] | None = None
    bytes_model_raw: Fact[int] | None = None
    megabytes_total: Fact[float] | None = None
    """A packed size printed only in MB; the log does not say whether that is 10**6 or 2**20 bytes."""
    codec: str | None = None
    world_size: Fact[int] | None = None
    gpu: Fact[str] | None = None
    gpus: Fact[int] | None = None
    """Devices listed by nvidia-smi or counted by the script's own words ("1 GPUs", "8xH100")."""
    torch: Fact[str] | None = None
    cuda: Fact[str] | None = None
    python: Fact[str] | None = None
    peak_memory_mib: Fact[int] | None = None
    model_params: Fact[int] | None = None
    val_tokens: Fact[int] | None = None
    train_shards: Fact[int] | None = None
    documents: Fact[int] | None = None
    """Validation documents that the run says it scored."""
    settings: tuple[LoggedSetting, ...] = ()
    events: tuple[LogEvent, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    counts: tuple[ByteCount, ...] = ()
    """What evaluations say that they counted, the last ones."""
    omitted: int = 0
    """Score lines, settings, events or curve points beyond the limits, counted but not listed."""


class EmbeddedSource(Frozen):
    """Source code printed at the top of a log, compared with the code submitted."""

    first_line: int
    last_line: int
    bytes: int
    sha256: str
    equals: str | None = None
    """Path (and layer, as `path@1`) of the submitted text it is equal to."""
    nearest: str | None = None
    differing_lines: int | None = None
    """Lines that differ from `nearest`, counted as in a unified diff; None when not compared."""
    differences: tuple[str, ...] = ()
    """First differing lines, `-` logged, `+` submitted."""


class LogFacts(Frozen):
    """One log file. A log that is byte-identical to another names it in `duplicate_of` and is not read again."""

    path: str
    sha256: str
    bytes: int
    lines: int
    encoding: str
    dialect: str | None = None
    """`baseline` (A), `refactored` (B), `short` (C), `stamped` (D) or None when no step or score line was met."""
    seed_in_name: int | None = None
    duplicate_of: str | None = None
    truncated: bool = False
    """The file was larger than the reader's limit: its middle was not read."""
    runs: tuple[RunFacts, ...] = ()
    embedded: EmbeddedSource | None = None
    errors: tuple[Fact[str], ...] = ()
    """Tracebacks, out-of-memory lines, "OVER TIME" and other failures that the log itself reports."""
    errors_omitted: int = 0
    """Further different errors beyond the limit."""
