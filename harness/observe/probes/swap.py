"""Do the probabilities that a program gives to the tokens at one place sum to 1? Others are put there, one by one.

Tried only where scores are not taken as they are out of one row over the vocabulary: at the tokens that were scored
best, where a table of counts had something to say. Two ways lead to an answer.

- What the program does with the score of its token can be done again for every token of the vocabulary (`guest.lanes`).
  Then each run has a whole row and its sum, as far as all that the program knew of the token is what was followed. So a
  token that begins a word is put in the place of one that does not, or the other way round, and one that the stream has
  never had. If their runs give the token itself what it got in its own place, all were scored from one row, and its sum
  is the answer. If their row is a distribution, too, and gives it something else, the program chose between two of them
  with knowledge of the token, as a gate does.
- Else a sum over some tokens that is above 1 is proof, whatever the others get; one below acquits of nothing. None of
  these tokens begins like another: so it is proof for a model of bytes as well.

Where a token is scored byte by byte, its score is the sum over its bytes. What is foretold of the next bytes then goes
to every token that begins like the text that follows: to `t`, `th` and `the` alike. So these are tried first, and there
where the scores of the bytes let them expect most. A sum above 1 is proof where the bytes show that they are not scored
from a distribution over bytes (`bytewise`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from harness.model.proof import NOISE, Swap
from harness.observe.cpu_run.inputs.stream import Stream
from harness.observe.cpu_run.rows import Rows
from harness.observe.probes.bytewise import shared, spelled, together

LEAST, MOST = 3, 12
"""Tokens that are tried in each place beside its own: of a hashed table without norm any three sufficed; more only
where what they got so far lets a sum above 1 be reached."""
_SHARES = (0.5, 0.7, 0.9)
_EARLIEST = 16
_AHEAD, _LONGEST = 8, 24
"""Tokens, and bytes, of the text that follows a place."""

Values = Callable[[Stream, tuple[int, int]], Rows | None]
"""The scores of a run on a stream, with their tokens; asked what the row at a position gives to a token."""


def swaps(stream: Stream, rows: Rows, values: Values) -> Iterator[Swap]:
    """Places where other tokens were tried, until one shows what is against a distribution."""
    whole = by_token(rows)
    by_bytes = len(whole) < len(rows)
    for position in likely(stream, rows) if by_bytes else places(stream, whole):
        own = first_row(whole, position)
        if own is None:
            continue
        token = int(stream.tokens[position])
        swap = Swap(
            position=position,
            tokens=(token,),
            values=(float(own["value"]),),
            totals=(_total(own),),
            by_bytes=by_bytes,
        )
        letters = [spelled(rows, stream, position)] if by_bytes else []
        for candidate in candidates(stream, position, by_bytes=by_bytes):
            changed = stream.replaced(position, candidate)
            other = values(changed, (position, token))
            if other is None:
                break
            row = first_row(by_token(other), position)
            if row is None:  # as where a program counts no byte of it
                continue
            swap = swap.model_copy(
                update={
                    "tokens": (*swap.tokens, candidate),
                    "values": (*swap.values, float(row["value"])),
                    "totals": (*swap.totals, _total(row)),
                    "foretold": (*swap.foretold, _foretold(row)),
                }
            )
            if by_bytes:
                letters.append(spelled(other, changed, position))
                known = [one for one in letters if one is not None]
                swap = swap.model_copy(update={"shared": shared(known), "together": together(known)})
            if swap.convicts or _settled(swap) or (len(swap.tokens) > LEAST and not _within_reach(swap)):
                break
        yield swap
        if swap.convicts:
            return


def _settled(swap: Swap) -> bool:
    """Whether the sum of one row is known, and does not convict."""
    return swap.one_row and max(one or 0.0 for one in swap.totals) <= 1 + NOISE


def _total(row: np.void) -> float | None:
    return float(row["total"]) or None


def _foretold(row: np.void) -> float | None:
    return float(row["asked"]) if row["total"] and row["asked"] else None


def _within_reach(swap: Swap) -> bool:
    """Whether the tokens that are left, each as probable as the best tried so far, would make more than 1; or whether
    the row that all were scored from does, or gives the token itself less than it got.
    """
    if swap.one_row or swap.raised:
        return True
    best = math.exp(-min(swap.values[1:]))
    return swap.total + (MOST + 1 - len(swap.tokens)) * best > 1


def by_token(rows: Rows) -> Rows:
    """One score for each run of scores of one token, as those of its bytes are: their sum, of which no row is known."""
    if not len(rows):
        return rows
    begins = np.flatnonzero(np.concatenate([[True], rows["at"][1:] != rows["at"][:-1]]))
    if len(begins) == len(rows):
        return rows
    found = rows[begins].copy()
    found["value"] = np.add.reduceat(rows["value"], begins)
    for name in ("source", "total", "mixed", "asked"):
        found[name] = 0  # a row of bytes is none of tokens, nor is that of a token of one byte
    return found


def places(stream: Stream, rows: Rows) -> list[int]:
    """Positions to try: where the row that was computed sums to most, if that is more than 1, and in each of a few
    parts of the stream that whose score, taken as it is out of no row, is the best; first of those that are no row's.
    """
    mixed = rows[_triable(stream, rows["at"]) & ((rows["source"] == 0) | rows["mixed"])]
    found = []
    if len(mixed) and mixed["total"].max() > 1 + NOISE:
        found.append(int(mixed["at"][mixed["total"].argmax()]))
    size = len(stream.tokens)
    for share, end in zip(_SHARES, (*_SHARES[1:], 1.0), strict=True):
        part = mixed[(mixed["at"] >= share * size) & (mixed["at"] < end * size)]
        changed = part[part["when"] == 0]
        part = changed if len(changed) else part
        if len(part):
            found.append(int(part["at"][part["value"].argmin()]))
    return list(dict.fromkeys(found))


def likely(stream: Stream, rows: Rows) -> list[int]:
    """Positions to try where each row is a byte's: those at which the tokens that begin like the text may be expected
    to get most together, if bytes in their place are scored as they are in the text.
    """
    begins = np.flatnonzero(np.concatenate([[True], rows["at"][1:] != rows["at"][:-1]]))
    at, firsts = np.unique(rows["at"][begins], return_index=True)
    lengths = np.diff([*begins, len(rows)])
    bytes_of = {
        position: rows["value"][begins[first] : begins[first] + lengths[first]]
        for position, first in zip(at.tolist(), firsts.tolist(), strict=True)
    }
    expected: dict[int, float] = {}
    for position in at[_triable(stream, at)].tolist():
        tokens = [int(stream.tokens[position]), *beginnings(stream, position)]
        following = [bytes_of[one] for one in takewhile(bytes_of.__contains__, range(position, position + _AHEAD))]
        reached = np.cumsum(np.concatenate(following))
        sizes = [len(stream.tokenizer.surface(token)) for token in tokens]
        if len(tokens) > 1:
            expected[position] = sum(math.exp(-reached[size - 1]) for size in sizes if 0 < size <= len(reached))
    return sorted(expected, key=lambda one: -expected[one])[: len(_SHARES)]


def _triable(stream: Stream, at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """At which positions other tokens may be put."""
    found = (at >= _EARLIEST) & (at < len(stream.tokens)) & ~np.isin(at, stream.starts)
    found[found] = stream.tokens[at[found]] != stream.tokens.max()  # a vocabulary's size may be taken from it
    return found


def beginnings(stream: Stream, position: int) -> list[int]:
    """Other tokens that begin like the text from a position on, the shortest first."""
    tokenizer = stream.tokenizer
    text = b"".join(tokenizer.surface(int(token)) for token in stream.tokens[position : position + _AHEAD])[:_LONGEST]
    known = (tokenizer.by_surface.get(text[:size]) for size in range(1, len(text) + 1))
    largest = int(stream.tokens.max())
    return [token for token in known if token is not None and token != stream.tokens[position] and token <= largest]


def candidates(stream: Stream, position: int, *, by_bytes: bool = False) -> list[int]:
    """Other tokens: the commonest that, unlike the one at the position, begins a word, or does not; one that the stream
    never had; then the commonest, which tables know. A document's first token is none. None begins like another or the
    token itself, but where scores are by bytes: see `beginnings`.
    """
    tokens, counts = np.unique(stream.tokens, return_counts=True)
    barred = {int(stream.tokens[position]), int(stream.tokens[0])}
    texts = [] if by_bytes else [_letters(stream, int(stream.tokens[position]))]
    ordered = [
        token
        for token in tokens[np.argsort(-counts, kind="stable")].tolist()
        if token not in barred and not _alike(_letters(stream, token), texts)
    ]
    begins = stream.tokenizer.begins_with_space
    unlike = [token for token in ordered if begins[token] != begins[stream.tokens[position]]][:1]
    never = [token for token in stream.tokenizer.words.tolist() if token < tokens[-1] and token not in tokens][:1]
    if by_bytes:
        return list(dict.fromkeys([*beginnings(stream, position), *unlike, *never, *ordered]))[:MOST]
    found: list[int] = []
    for token in dict.fromkeys([*unlike, *never, *ordered]):
        text = _letters(stream, token)
        if text and not _alike(text, texts):
            found.append(token)
            texts.append(text)
    return found[:MOST]


def _letters(stream: Stream, token: int) -> bytes:
    """Its bytes but for the space that it may begin with, which counts in some places only."""
    return stream.tokenizer.surface(token).removeprefix(b" ")


def _alike(text: bytes, texts: list[bytes]) -> bool:
    """Whether it begins like one of these that has bytes, or one of these like it."""
    return any(one and (text.startswith(one) or one.startswith(text)) for one in texts)


def first_row(rows: Rows, position: int) -> np.void | None:
    """What was added when the token at a position was first scored; None where it was not."""
    found = rows[rows["at"] == position]
    row: np.void | None = found[0] if len(found) and math.isfinite(found["value"][0]) else None
    return row
