"""A counter-example in ten seconds: where the stream was changed, where the past moved, and the two numbers."""

from __future__ import annotations

import math

from harness.model.findings import Proof
from reports.plots import Span, strip

_WIDTH = 60


def picture(proof: Proof, key: str) -> str:
    """The stream as an inline SVG; empty where the proof tells of no parting."""
    if proof.parted is None or not proof.stream:
        return ""
    spans = [Span("the same", 0, proof.parted + 1, "kept"), Span("changed", proof.parted + 1, proof.stream, "changed")]
    moved = [Span("score moved", first, last + 1, "moved") for first, last in proof.spans]
    return strip(key, "Where the stream was changed and which scores moved", proof.stream, spans, moved)


def line(proof: Proof) -> str:
    """The stream as text: `!` where a score moved, `.` where none did, `~` where tokens were changed."""
    if proof.parted is None or not proof.stream:
        return ""
    cells = ["." if (cell + 0.5) * proof.stream / _WIDTH <= proof.parted + 1 else "~" for cell in range(_WIDTH)]
    for first, last in proof.spans:
        for cell in range(first * _WIDTH // proof.stream, min(_WIDTH - 1, last * _WIDTH // proof.stream) + 1):
            cells[cell] = "!"
    return "".join(cells)


def words(proof: Proof) -> str:
    """The numbers: what was compared, what moved, and by how much."""
    if proof.parted is None:
        pairs = zip(proof.tokens, proof.values, strict=False)
        given = ", ".join(f"{token}: {math.exp(-value):.4f}" for token, value in list(pairs)[:8])
        return (
            f"At position {proof.position} the program gave these probabilities to tokens put there in turn: {given}."
        )
    text = f"Tokens after {proof.parted} were changed; of {proof.rows_compared} scores up to there {proof.moved} moved"
    if len(proof.values) == 2:
        before, after = proof.values
        return f"{text}, that of token {proof.position} from {before:.9g} to {after:.9g} nats."
    return f"{text}."
