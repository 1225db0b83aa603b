"""A counter-example in ten seconds: a picture of what was changed and what came of it, and the two numbers."""

from __future__ import annotations

import math

from harness.model.findings import Proof, Shows
from reports.plots import Bar, Mark, Span, bars, strip

_WIDTH = 60
_BARS = 8
"""Tokens that are drawn; the others are one bar together."""
_LARGEST = 700.0
"""Whose exponential is a number still: what a program makes of its scores may be anything."""


def picture(proof: Proof, key: str) -> str:
    """An inline SVG: the stream, or the probabilities at one place; empty where there is nothing to draw."""
    if proof.shows in (Shows.MOVED, Shows.REMADE):
        return _stream(proof, key)
    rows = _rows(proof)
    marks = [Mark("all tokens together at most", 1.0, "limit")] if proof.shows is not Shows.CHOSEN else []
    title = f"Probabilities given at position {proof.position:,}"
    return bars(key, title, [Bar(name, (("probability", value),)) for name, value in rows], marks, _probability)


def line(proof: Proof) -> str:
    """The stream as text: `!` where a score moved, `.` where none did, `~` where tokens were changed."""
    changed = _changed(proof)
    if changed is None:
        return ""
    first, last = changed
    middles = [(cell + 0.5) * proof.stream / _WIDTH for cell in range(_WIDTH)]
    cells = ["~" if first <= middle < last + 1 else "." for middle in middles]
    for begin, end in _marked(proof):
        for cell in range(begin * _WIDTH // proof.stream, min(_WIDTH - 1, end * _WIDTH // proof.stream) + 1):
            cells[cell] = "!"
    return "".join(cells)


def words(proof: Proof) -> str:
    """The numbers: what was compared, what moved, and by how much."""
    where = f"At position {proof.position}"
    match proof.shows:
        case Shows.SUM:
            given = ", ".join(f"{name}: {_probability(value)}" for name, value in _rows(proof))
            return f"{where} the program gave these probabilities to tokens put there in turn: {given}."
        case Shows.ROW:
            (name, value), (_, total) = _rows(proof)
            return f"{where} {name} was given {_probability(value)}, out of probabilities that sum to {total:.4f}."
        case Shows.CHOSEN:
            (own, other), (before, after) = proof.tokens, (_probability(value) for _, value in _rows(proof))
            return (
                f"{where} the program gave token {own} a probability of {before}. The distribution that it scored "
                f"token {other} from in the same place gives token {own} {after}."
            )
        case Shows.REMADE:
            return (
                f"Tokens after {proof.parted} were changed. The numbers over the vocabulary that token "
                f"{proof.position} was scored from are others then; {proof.rows_compared - proof.moved} of "
                f"{proof.rows_compared} scores before it stayed."
            )
        case Shows.MOVED:
            return _moved(proof)


def _moved(proof: Proof) -> str:
    if proof.changed is not None:
        tokens, scores = f"{proof.changed[0]} to {proof.changed[1]} alone", "of later documents"
    else:
        tokens, scores = f"after {proof.parted}", "up to there"
    text = f"Tokens {tokens} were changed; of {proof.rows_compared} scores {scores} {proof.moved} moved"
    if len(proof.values) != 2:
        return f"{text}."
    before, after = proof.values
    return f"{text}, that of token {proof.position} from {before:.9g} to {after:.9g} nats."


def _stream(proof: Proof, key: str) -> str:
    changed = _changed(proof)
    if changed is None:
        return ""
    first, last = changed
    spans = [Span("the same", 0, first, "kept"), Span("changed", first, last + 1, "changed")]
    if last + 1 < proof.stream:
        spans.append(Span("the same", last + 1, proof.stream, "kept"))
    remade = proof.shows is Shows.REMADE
    name = "scored from other numbers" if remade else "score moved"
    moved = [Span(name, begin, end + 1, "moved") for begin, end in _marked(proof)]
    title = f"Where the stream was changed and which {'token was scored otherwise' if remade else 'scores moved'}"
    return strip(key, title, proof.stream, spans, moved)


def _changed(proof: Proof) -> tuple[int, int] | None:
    """The first and last changed token; None where the proof tells of none."""
    if not proof.stream or proof.shows not in (Shows.MOVED, Shows.REMADE):
        return None
    if proof.changed is not None:
        return proof.changed
    return (proof.parted + 1, proof.stream - 1) if proof.parted is not None else None


def _marked(proof: Proof) -> tuple[tuple[int, int], ...]:
    return ((proof.position, proof.position),) if proof.shows is Shows.REMADE else proof.spans


def _rows(proof: Proof) -> list[tuple[str, float]]:
    """Names and probabilities; of a sum the most probable first where they are many, and the sum last."""
    chances = [math.exp(min(-value, _LARGEST)) for value in proof.values]
    given = [(f"token {token}", chance) for token, chance in zip(proof.tokens, chances, strict=False)]
    if proof.shows is Shows.CHOSEN:
        return [("as it is", chances[0]), (f"with {proof.tokens[1]}", chances[1])]
    if proof.shows is Shows.ROW:
        return [given[0], ("all tokens", proof.total or 0.0)]
    rest: list[tuple[str, float]] = []
    if len(given) > _BARS:
        ordered = sorted(given, key=lambda one: -one[1])
        given, rest = ordered[: _BARS - 1], ordered[_BARS - 1 :]
    others = [(f"{len(rest)} others", math.fsum(chance for _, chance in rest))] if rest else []
    return [*given, *others, ("together", math.fsum(chances))]


def _probability(value: float) -> str:
    return f"{value:.4f}" if value >= 0.001 else f"{value:.1e}"
