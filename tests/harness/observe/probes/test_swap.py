"""Tokens are put in one place until their probabilities sum to more than 1, or cannot any more."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.model.inputs import StreamKind, TokenizerKind
from harness.model.proof import SURE, Swap
from harness.observe.cpu_run.inputs.stream import Stream, document_lengths, make_stream
from harness.observe.cpu_run.inputs.tokenizers import make_tokenizer
from harness.observe.cpu_run.rows import Rows, rows_of
from harness.observe.probes.swap import LEAST, MOST, by_token, candidates, likely, places, swaps

SIZE = 600
STREAM = make_stream(make_tokenizer(TokenizerKind.BYTE, 260), StreamKind.NATURAL, document_lengths(SIZE, (97, 65)), 0)


def rows(chance: float, source: int = 0) -> Rows:
    """A run that gives every token this probability."""
    found = rows_of(np.arange(1, SIZE), np.full(SIZE - 1, -math.log(chance)))
    found["source"] = source
    return found


def tried(chance: float) -> tuple[list[float], int]:
    """Sums that come out, and how many runs were made."""
    runs = 0

    def values(stream: Stream, asked: tuple[int, int]) -> Rows:
        nonlocal runs
        runs += 1
        changed = np.flatnonzero(stream.tokens != STREAM.tokens)
        assert changed.tolist() == [asked[0]], "one token at a time"
        assert asked[1] == STREAM.tokens[asked[0]]
        return rows(chance)

    return [one.total for one in swaps(STREAM, rows(chance), values)], runs


def test_more_than_one() -> None:
    """What is asked for the realised token alone may give all of them a lot: the first place that shows it ends it."""
    totals, runs = tried(0.4)
    assert len(totals) == 1
    assert totals[0] > 1
    assert runs == 2
    totals, runs = tried(0.09)
    assert totals[0] > 1, "twelve others are tried where that may lead above 1"
    assert runs <= MOST


def test_less_than_one() -> None:
    """Where a sum above 1 is out of reach, no more is tried than the least."""
    totals, runs = tried(0.01)
    assert len(totals) == 3
    assert max(totals) < 1
    assert runs == 3 * LEAST


def test_places_and_candidates() -> None:
    """Places are those of mixed scores and no starts of documents; candidates are other tokens of the text."""
    assert places(STREAM, rows(0.5, source=7)) == []
    starts = set(STREAM.starts.tolist())
    for position in places(STREAM, rows(0.5)):
        assert position not in starts
        others = candidates(STREAM, position)
        assert len(set(others)) == MOST
        assert int(STREAM.tokens[position]) not in others
        assert [token for token in others if token not in STREAM.tokens] == [others[0]], "bytes begin no words"
    strange = rows(0.5)
    strange["mixed"], strange["total"][77] = True, 1.2
    assert places(STREAM, strange)[0] == int(strange["at"][77]), "what sums to more than 1 comes first"
    tilted = rows(0.5)
    tilted["mixed"], tilted["when"] = True, 1
    tilted["when"][500] = 0
    assert int(tilted["at"][500]) in places(STREAM, tilted), "a score that a row has may not have been changed"


def test_candidates_begin_unlike() -> None:
    """But for a space in front, no token that is tried begins like another or like the token itself."""
    for position in range(20, SIZE, 37):
        tokens = [int(WORDS.tokens[position]), *candidates(WORDS, position)]
        texts = [WORDS.tokenizer.surface(token).removeprefix(b" ") for token in tokens]
        assert len(texts) == 1 + MOST
        assert not [(a, b) for a in texts for b in texts if a is not b and a.startswith(b)]
        begins = WORDS.tokenizer.begins_with_space[tokens]
        assert begins[0] != begins[1]


WORDS = make_stream(make_tokenizer(TokenizerKind.BPE, 512), StreamKind.NATURAL, (SIZE,), 0)


def scored_by_bytes(stream: Stream, chance: float) -> Rows:
    """Every byte of every token is given this probability."""
    sizes = stream.tokenizer.surface_bytes[stream.tokens]
    return rows_of(np.repeat(np.arange(SIZE), sizes), np.full(sizes.sum(), -math.log(chance)))


def spread(stream: Stream) -> Rows:
    """Every token is given 0.9, which is spread over its bytes."""
    rows = scored_by_bytes(stream, 0.9)
    rows["value"] /= stream.tokenizer.surface_bytes[stream.tokens][rows["at"]]
    return rows


def test_bytes() -> None:
    """A token has the sum over its bytes, and tokens that begin like the text are tried first."""
    whole = by_token(scored_by_bytes(WORDS, 0.5))
    assert len(set(whole["at"].tolist())) == len(whole)
    sizes = WORDS.tokenizer.surface_bytes[WORDS.tokens[whole["at"]]]
    assert whole["value"] == pytest.approx(sizes * math.log(2))
    (found,) = swaps(WORDS, spread(WORDS), lambda stream, _: spread(stream))
    texts = [WORDS.tokenizer.surface(token) for token in found.tokens]
    following = b"".join(WORDS.tokenizer.surface(int(token)) for token in WORDS.tokens[found.position :][:8])
    assert len(set(texts)) == len(texts) == 2
    assert all(following.startswith(text) for text in texts)
    assert found.above
    assert found.shared is not None
    assert found.shared.tokens == found.tokens


def test_a_model_of_bytes() -> None:
    """Tokens that begin alike may have more than 1 together where each byte gets the same as part of all of them; not
    different bytes in one place.
    """
    sure = list(swaps(WORDS, scored_by_bytes(WORDS, 0.99), lambda stream, _: surely(stream)))
    assert len(sure) == 3
    assert max(one.total for one in sure) > 2
    assert not any(one.above or one.convicts or one.shared for one in sure)
    assert max(one.together for one in sure) <= 1
    (found,) = swaps(WORDS, scored_by_bytes(WORDS, 0.99), lambda stream, _: scored_by_bytes(stream, 0.99))
    assert found.above
    assert found.shared is None
    assert found.together == pytest.approx(1.98)


def surely(stream: Stream) -> Rows:
    """A model of bytes that knows the text: what goes on like it is given 0.99 a byte, the others the rest."""
    rows = scored_by_bytes(stream, 0.99)
    changed = np.flatnonzero(stream.tokens != WORDS.tokens)
    for at in changed.tolist():
        mine = stream.tokenizer.surface(int(stream.tokens[at]))
        text = b"".join(WORDS.tokenizer.surface(int(token)) for token in WORDS.tokens[at : at + 24])
        lost = [index for index in range(len(mine)) if mine[: index + 1] != text[: index + 1]]
        rows["value"][np.flatnonzero(rows["at"] == at)[lost]] = -math.log(0.01 / 255)
    return rows


def test_bytes_that_are_not_counted() -> None:
    """A token for which a program adds nothing tells nothing; the next is tried. A run that fails ends it."""
    base = scored_by_bytes(WORDS, 0.99)
    asked: list[int] = []

    def values(stream: Stream, at: tuple[int, int]) -> Rows | None:
        rows = scored_by_bytes(stream, 0.99)
        asked.append(at[0])
        return rows[rows["at"] != at[0]] if len(asked) == 1 else rows

    (found,) = swaps(WORDS, base, values)
    assert found.above
    assert len(asked) == len(found.tokens)
    untried = list(swaps(WORDS, base, lambda *_: None))
    assert [len(one.tokens) for one in untried] == [1, 1, 1]


def test_likely_places() -> None:
    """Those at which text goes on as one token begins come first; none is a document's first token."""
    chances = scored_by_bytes(WORDS, 0.05)
    places_tried = likely(WORDS, chances)
    assert len(places_tried) == len(set(places_tried)) == 3
    sure = chances.copy()
    sure["value"][(sure["at"] >= 300) & (sure["at"] < 312)] = 1e-3
    assert 300 <= likely(WORDS, sure)[0] < 312


def test_scores_of_single_tokens_stay() -> None:
    """What is no run of scores of one token is as it was; a second pass over a token is no part of the first."""
    base = rows(0.5, source=3)
    assert by_token(base) is base
    again = np.concatenate([base, base])
    assert by_token(again) is again
    assert len(by_token(base[:0])) == 0


def followed(told: float, total: float, other: float) -> list[Swap]:
    """Places where rows are known: own tokens get 2 nats, out of rows of a `total`; with another token in the place its
    row sums to `other`, and gives them what is `told`.
    """
    base = rows(math.exp(-2.0), source=5)
    base["mixed"], base["total"] = True, total

    def values(_: Stream, asked: tuple[int, int]) -> Rows:
        found = base.copy()
        here = found["at"] == asked[0]
        found["asked"][here], found["total"][here] = told, other
        return found

    return list(swaps(STREAM, base, values))


def test_one_row_for_all() -> None:
    """Two others suffice where each was scored from the row of the token itself, and that row sums to 1."""
    found = followed(2.0, 1.0, 1.00001)
    assert [one.whole for one in found] == [True] * 3
    assert [len(one.tokens) for one in found] == [3] * 3
    assert not any(one.above or one.beyond or one.other for one in found)


def test_two_distributions_in_one_place() -> None:
    """A row that is a distribution, too, and gives the token something else is proof; one that is none says nothing."""
    (found,) = followed(2.3, 1.0, 1.0)
    assert found.other == 1
    assert not found.whole
    assert all(one.other is None and not one.whole for one in followed(2.3, 1.0, 1.1))
    assert all(one.other is None and not one.whole for one in followed(2.3, 0.9, 1.0))


def raised(told: list[float], own: float = 1.0) -> list[Swap]:
    """Places where the token itself got `own` nats out of nothing known, and the others are scored from rows that have
    this for it, one after the other.
    """
    base = rows(math.exp(-own))
    runs = iter(told * 3)

    def values(_: Stream, asked: tuple[int, int]) -> Rows:
        found = base.copy()
        here = found["at"] == asked[0]
        found["value"][here], found["source"][here], found["total"][here], found["asked"][here] = (
            7.0,
            5,
            1.0,
            next(runs),
        )
        return found

    return list(swaps(STREAM, base, values))


def test_one_token_alone_is_raised() -> None:
    """Where others are scored from one distribution as it stands, and it has less for the token itself, that is proof;
    but for a few others, for rows that differ, and for a token that got less.
    """
    (found,) = raised([2.0] * 12)
    assert found.other == 1
    assert len(found.foretold) == SURE
    assert all(one.other is None for one in raised([2.0, 2.5] * 6))
    assert all(one.other is None for one in raised([0.5] * 12))
    few = Swap(position=1, tokens=(1, 2, 3), values=(1.0, 7.0, 7.0), totals=(None, 1.0, 1.0), foretold=(2.0, 2.0))
    assert few.raised
    assert few.other is None


def test_a_whole_row_that_is_none() -> None:
    """A row that is the same for all tokens and sums to more than 1 is proof; less acquits of nothing."""
    (found,) = followed(2.0, 1.004, 1.004)
    assert found.beyond == 1.004
    less = followed(2.0, 0.97, 0.97)
    assert len(less) == 3
    assert not any(one.beyond or one.whole for one in less)
