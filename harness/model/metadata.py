"""Facts of submission.json: normalised claims, and what was wrong with the file."""

from __future__ import annotations

from harness.model.base import Fact, Frozen


class SeedClaim(Frozen):
    """What the submission claims for one seed. Times in seconds, sizes in bytes."""

    seed: int | None
    val_bpb: Fact[float] | None = None
    val_loss: Fact[float] | None = None
    bytes_total: Fact[int] | None = None
    train_seconds: Fact[float] | None = None
    eval_seconds: Fact[float] | None = None
    steps: Fact[int] | None = None


class MetadataFacts(Frozen):
    """The claims of submission.json under one spelling each.

    `parsed` is False when nothing could be read; `damage` lists what had to be repaired to read the rest. A fact's
    `text` is the key it came from. Losses are nats per token, sizes bytes, times seconds.
    """

    path: str
    sha256: str
    parsed: bool
    damage: tuple[Fact[str], ...] = ()
    keys: tuple[str, ...] = ()
    name: Fact[str] | None = None
    author: Fact[str] | None = None
    github_id: Fact[str] | None = None
    date: Fact[str] | None = None
    track: Fact[str] | None = None
    summary: Fact[str] | None = None
    val_bpb: Fact[float] | None = None
    val_loss: Fact[float] | None = None
    val_bpb_std: Fact[float] | None = None
    bytes_total: Fact[int] | None = None
    bytes_code: Fact[int] | None = None
    bytes_model: Fact[int] | None = None
    train_seconds: Fact[float] | None = None
    eval_seconds: Fact[float] | None = None
    steps: Fact[float] | None = None
    seeds: tuple[Fact[int], ...] = ()
    per_seed: tuple[SeedClaim, ...] = ()
    hardware: Fact[str] | None = None
    torch: Fact[str] | None = None
    scores: tuple[Fact[float], ...] = ()
    """Every other value at the top level whose key speaks of bits per byte; `text` is the key."""
    declared: tuple[Fact[float], ...] = ()
    """Sizes of the model that the file states (`num_layers`, `train_seq_len`, `params` ...); `text` names it."""
    placeholders: tuple[Fact[str], ...] = ()
    """Claims present but empty of content: null, "TBD", -1, 0."""
