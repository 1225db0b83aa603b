"""Facts of README files: the numbers that the prose claims."""

from __future__ import annotations

from harness.model.base import At, Fact, Frozen


class Mention(Frozen):
    """A number that the prose states, in the unit of its kind.

    Kinds: val_bpb (bits per byte), bytes, layers, seq_len (tokens), steps, params, seeds (a count), gpus, seconds.
    """

    kind: str
    value: float
    at: At
    text: str


class ReadmeFacts(Frozen):
    """A README (or other Markdown / text file at the root of the submission)."""

    path: str
    sha256: str
    bytes: int
    title: Fact[str] | None = None
    mentions: tuple[Mention, ...] = ()
    independent: Fact[str] | None = None
    """Where it says that documents are independent of each other."""
