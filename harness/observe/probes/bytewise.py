"""Tokens that are scored byte by byte: is what a byte gets a matter of the bytes before it alone?

A model of bytes is a model of text like any other, and under it `t`, `th` and `the` may each be as good as certain in
one place: their probabilities sum to more than 1, though it is a distribution over bytes. It is none where a byte gets
more as part of one token than as part of another that begins alike, or where different bytes in one place get more than
1 together. Programs that spread a token's probability over its bytes do both: the share is large where a token is long.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.proof import ALIKE, SharedByte
from harness.observe.cpu_run.inputs.stream import Stream
from harness.observe.cpu_run.rows import Rows


@dataclass(frozen=True)
class Spelled:
    """A token in a place, its bytes, and what each of them got in nats."""

    token: int
    text: bytes
    values: NDArray[np.float64]


def spelled(rows: Rows, stream: Stream, position: int) -> Spelled | None:
    """What the bytes of the token at a position got when it was first scored; None where it is not known of which byte
    each score is. The space that a token begins with is no byte where a document begins.
    """
    here = np.flatnonzero(rows["at"] == position)
    if not len(here):
        return None
    values = rows["value"][here[: int(np.argmax(np.diff(here, append=len(rows) + 1) != 1)) + 1]]
    token = int(stream.tokens[position])
    text = stream.tokenizer.surface(token)
    if len(values) == len(text) - 1 and text.startswith(b" "):
        text = text[1:]
    return Spelled(token, text, values) if len(values) == len(text) else None


def shared(tokens: Sequence[Spelled]) -> SharedByte | None:
    """The byte that got the most unlike as part of two tokens, all before it being the same; None for none."""
    found = None
    for number, one in enumerate(tokens):
        for other in tokens[:number]:
            same = 0
            for mine, yours in zip(one.text, other.text, strict=False):
                if mine != yours:
                    break
                same += 1
            apart = np.abs(one.values[:same] - other.values[:same])
            if same and apart.max() > ALIKE and (found is None or apart.max() > found.apart):
                index = int(apart.argmax())
                values = float(other.values[index]), float(one.values[index])
                found = SharedByte(index=index, byte=one.text[index], tokens=(other.token, one.token), values=values)
    return found


def together(tokens: Iterable[Spelled]) -> float:
    """What different bytes after the same text got together, at most: more than 1 is no distribution over bytes."""
    given: dict[bytes, dict[int, float]] = {}
    for one in tokens:
        for index, value in enumerate(one.values.tolist()):
            bytes_there = given.setdefault(one.text[:index], {})
            bytes_there[one.text[index]] = max(bytes_there.get(one.text[index], 0.0), math.exp(-value))
    return max((math.fsum(one.values()) for one in given.values()), default=0.0)
