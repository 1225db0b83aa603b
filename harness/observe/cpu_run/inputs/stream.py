"""Token streams of given lengths, in documents that each begin with the token for it.

A `Stream` is immutable; `replaced` and `diverged` give its neighbours, which is what probes compare: the same tokens
but for one position, or the same up to a position and other ones after it. Both keep lengths and document boundaries.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import cycle, islice, pairwise

import numpy as np
from numpy.typing import NDArray

from harness.model.inputs import StreamKind
from harness.observe.cpu_run.inputs.text import documents
from harness.observe.cpu_run.inputs.tokenizers import Tokenizer, Tokens

_PHRASES = 6
"""Different phrases in a stream of repeats."""
_TRIES = 10_000
_LARGEST_AT = 5
"""Where the largest token stands: before all that experiments change."""


class StreamError(ValueError):
    """No such stream: lengths that are no lengths, or more pairs than the vocabulary has."""


@dataclass(frozen=True)
class Stream:
    """Tokens with the lengths of their documents; every document begins with `tokenizer.bos`."""

    tokenizer: Tokenizer
    kind: StreamKind
    tokens: Tokens
    lengths: tuple[int, ...]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Positions of the documents' first tokens."""
        return np.cumsum((0, *self.lengths[:-1]))

    @cached_property
    def text_bytes(self) -> NDArray[np.int64]:
        """Bytes of text of every token, those before it known: a space that would begin a document does not count.

        Of a space that is spelt as the bytes of its mark the first counts.
        """
        sizes = self.tokenizer.surface_bytes[self.tokens].copy()
        after = np.zeros(len(self.tokens), np.bool_)
        after[1:] = self.tokenizer.surface_bytes[self.tokens[:-1]] == 0
        if self.tokenizer.kind is not self.tokenizer.kind.CASEOPS:
            sizes[after & self.tokenizer.begins_with_space[self.tokens]] -= 1
        for at in self.tokenizer.spelt_spaces(self.tokens).tolist():
            sizes[at : at + 3] = (0 if after[at] else 1, 0, 0)
        return sizes

    def replaced(self, position: int, token: int) -> Stream:
        """The same stream with another token at one position. Raises `StreamError` at the first token of a document."""
        if position in self.starts or not 0 <= position < len(self.tokens):
            raise StreamError(f"no token can be replaced at {position}")
        tokens = self.tokens.copy()
        tokens[position] = token
        return replace(self, tokens=tokens)

    def diverged(self, position: int, seed: int) -> Stream:
        """Equal up to and including `position`, another token everywhere after it but at the documents' starts."""
        return self.changed(range(position + 1, len(self.tokens)), seed)

    def changed(self, places: Sequence[int] | NDArray[np.int64], seed: int) -> Stream:
        """Another token at each of these places, which ascend, but for documents' starts; every other one as it is.

        The largest token stays the same where that can be: programs take the size of the vocabulary from it, which the
        real validation set always has in full.
        """
        at = np.asarray(places, np.int64)
        before = self.tokens[: int(at[0])].tolist() if len(at) else []
        other = make_stream(self.tokenizer, self.kind, self.lengths, seed, before=before)
        tokens = self.tokens.copy()
        tokens[at] = other.tokens[at]
        return replace(self, tokens=_apart(self, tokens, at.tolist()))


def document_lengths(total: int, pattern: Sequence[int]) -> tuple[int, ...]:
    """Lengths that follow `pattern` in turn and add up to `total`; the last is what is left over."""
    if total < 2 or not pattern or min(pattern) < 2:
        raise StreamError("a document has a first token and another one")
    found: list[int] = []
    rest = total
    for length in cycle(pattern):
        if rest <= length + 1:  # never a document of one token
            return (*found, rest)
        found.append(length)
        rest -= length
    raise AssertionError("cycle ends only by return")


def make_stream(
    tokenizer: Tokenizer, kind: StreamKind, lengths: Sequence[int], seed: int, *, before: Sequence[int] = ()
) -> Stream:
    """A stream of `kind` with documents of `lengths`, the same for the same arguments. The largest token is among its
    first ones, as it is somewhere in the real sets: programs take the size of the vocabulary from it.

    `before` are tokens that it begins with instead of its own (for `bigrams_once`, whose later tokens depend on them).
    """
    if not lengths or min(lengths) < 2:
        raise StreamError("a document has a first token and another one")
    if kind is StreamKind.BIGRAMS_ONCE:
        tokens = _bigrams_once(tokenizer, lengths, seed, before)
    else:
        source = _repeats(tokenizer, seed) if kind is StreamKind.REPEATS else _natural(tokenizer, seed)
        tokens = _laid_out(tokenizer.bos, lengths, source)
        tokens[min(_LARGEST_AT, lengths[0] - 1)] = tokenizer.words.max()
        tokens[: len(before)] = before
    return Stream(tokenizer, kind, tokens, tuple(lengths))


def _laid_out(bos: int, lengths: Sequence[int], source: Iterator[Tokens]) -> Tokens:
    """One document a length: a text is cut where it is too long, followed by the next where it is too short."""
    made: list[Tokens] = []
    for length in lengths:
        parts = [np.array([bos], np.uint16)]
        missing = length - 1
        while missing:
            part = next(source)[:missing]
            parts.append(part)
            missing -= len(part)
        made += parts
    return np.concatenate(made)


def _natural(tokenizer: Tokenizer, seed: int) -> Iterator[Tokens]:
    texts = documents(seed)
    while batch := list(islice(texts, 64)):
        yield from tokenizer.encode(batch)


def _repeats(tokenizer: Tokenizer, seed: int) -> Iterator[Tokens]:
    """A handful of phrases of the text in a random order, for ever."""
    draw = random.Random(f"repeats {seed}")
    texts = list(islice(documents(seed), _PHRASES))
    phrases = [tokens[: 8 + 4 * number] for number, tokens in enumerate(tokenizer.encode(texts))]
    while True:
        yield phrases[int(draw.random() * len(phrases))]


def _bigrams_once(tokenizer: Tokenizer, lengths: Sequence[int], seed: int, before: Sequence[int]) -> Tokens:
    """Random tokens of text, drawn anew where a pair would come again, pairs around a document's start included."""
    draw = random.Random(f"bigrams {seed}")
    words = tokenizer.words.tolist()
    firsts = set(np.cumsum((0, *lengths)).tolist())
    made: list[int] = list(before)
    used = set(pairwise(made))
    for position in range(len(made), sum(lengths)):
        if position in firsts:
            token = tokenizer.bos
        else:
            token = _unused(draw, words, made[-1], tokenizer.bos if position + 1 in firsts else None, used)
        if made:
            used.add((made[-1], token))
        made.append(token)
    return np.array(made, np.uint16)


def _unused(
    draw: random.Random, words: Sequence[int], previous: int, following: int | None, used: set[tuple[int, int]]
) -> int:
    for _ in range(_TRIES):
        token = words[int(draw.random() * len(words))]
        if (previous, token) not in used and (following is None or (token, following) not in used):
            return token
    raise StreamError(f"{len(words)} tokens have no pair left")


def _apart(stream: Stream, tokens: Tokens, changed: Sequence[int]) -> Tokens:
    """`tokens`, replaced in these places by the nearest that differs, where they equal the stream's or are larger than
    any of it; its largest is put in where it got lost.
    """
    made = tokens.copy()
    largest = int(stream.tokens.max())
    starts = set(stream.starts.tolist())
    used = set(pairwise(made.tolist())) if stream.kind is StreamKind.BIGRAMS_ONCE else set()
    words = [token for token in stream.tokenizer.words.tolist() if token <= largest]

    def put(at: int, token: int) -> bool:
        """Whether the token may stand there."""
        follows = int(made[at + 1]) if at + 1 < len(made) else -1
        pairs = {(int(made[at - 1]), token), (token, follows)}
        if token == stream.tokens[at] or pairs & used:
            return False
        made[at] = token
        if stream.kind is StreamKind.BIGRAMS_ONCE:
            used.update(pairs)
        return True

    free = [at for at in changed if at not in starts]
    for at in free:
        token = int(made[at])
        if token == stream.tokens[at] or token > largest:
            here = words.index(token) if token in words else 0
            any(put(at, words[(here + step) % len(words)]) for step in range(1, len(words)))
    if largest not in made:
        any(put(at, largest) for at in free)
    return made
