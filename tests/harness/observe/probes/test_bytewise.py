"""What bytes got as parts of tokens: from a distribution over bytes, or from shares of the tokens that they are of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.inputs import StreamKind, TokenizerKind
from harness.observe.cpu_run.inputs.stream import make_stream
from harness.observe.cpu_run.inputs.tokenizers import make_tokenizer
from harness.observe.cpu_run.rows import rows_of
from harness.observe.probes.bytewise import Spelled, shared, spelled, together

WORDS = make_stream(make_tokenizer(TokenizerKind.BPE, 512), StreamKind.NATURAL, (200,), 0)
SIZES = WORDS.tokenizer.surface_bytes[WORDS.tokens]


def token(text: bytes, *chances: float, name: int = 1) -> Spelled:
    """A token whose bytes got these probabilities."""
    return Spelled(name, text, -np.log(np.array(chances)))


@given(st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=6), st.integers(0, 1000))
def test_a_model_of_bytes(texts: list[bytes], seed: int) -> None:
    """Whatever it foretells after each text: no byte got unlike, and no bytes in one place get more than 1."""

    def chance(before: bytes, byte: int) -> float:
        weights = np.random.default_rng([seed, *before]).random(256)
        return float(weights[byte] / weights.sum())

    tokens = [token(text, *(chance(text[:at], text[at]) for at in range(len(text)))) for text in texts]
    assert shared(tokens) is None
    assert together(tokens) <= 1 + 1e-9


def test_spread_over_the_bytes() -> None:
    """A long token's share is large for each of its bytes: the first of them got more than as part of a short one."""
    tokens = [token(b"t", 0.2, name=7), token(b"th", 0.3, 0.3, name=8), token(b"the", 0.6, 0.6, 0.6, name=9)]
    found = shared(tokens)
    assert found is not None
    assert (found.index, found.byte, found.tokens) == (0, ord("t"), (7, 9))
    assert found.values == pytest.approx((-math.log(0.2), -math.log(0.6)))
    assert shared(tokens[:1]) is None
    later = shared([token(b"th", 0.5, 0.2), token(b"the", 0.5, 0.6, 0.9)])
    assert later is not None
    assert later.index == 1
    assert shared([token(b"at", 0.5, 0.2), token(b"it", 0.5, 0.6)]) is None, (
        "after other bytes it may get what it likes"
    )


def test_more_than_one_together() -> None:
    """Bytes in one place add up; those after other bytes do not."""
    assert together([token(b"ab", 0.6, 0.9), token(b"ac", 0.6, 0.3), token(b"b", 0.1)]) == pytest.approx(1.2)
    assert together([token(b"ab", 0.6, 0.9), token(b"bc", 0.3, 0.3)]) == pytest.approx(0.9)
    assert together([]) == 0


def test_scores_of_a_token() -> None:
    """The first run of scores at its position, where they are as many as its bytes, or but for a space in front."""
    at = int(np.flatnonzero((SIZES > 2) & WORDS.tokenizer.begins_with_space[WORDS.tokens])[0])
    text, size = WORDS.tokenizer.surface(int(WORDS.tokens[at])), int(SIZES[at])
    values = np.arange(1.0, size + 1)
    places = np.concatenate([[at - 1], np.full(size, at), [at + 1], np.full(size, at)])
    found = spelled(rows_of(places, np.concatenate([[0.0], values, [0.0], 9 * values])), WORDS, at)
    assert found is not None
    assert (found.text, found.values.tolist()) == (text, values.tolist())
    bare = spelled(rows_of(np.full(size - 1, at), values[1:]), WORDS, at)
    assert bare is not None
    assert (bare.text, bare.values.tolist()) == (text[1:], values[1:].tolist())
    assert spelled(rows_of(np.full(size - 2, at), values[2:]), WORDS, at) is None
    assert spelled(rows_of(np.array([at + 1]), np.zeros(1)), WORDS, at) is None
