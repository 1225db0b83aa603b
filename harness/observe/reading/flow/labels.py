"""Labels: what a value is made of, as far as the order of scoring and learning is concerned.

A value carries a set of atoms. Tokens remember the loops that choose them: `val[i * n : (i + 1) * n]` inside loop L
over i is `tokens(L)`, the piece of this iteration. What has learnt from tokens carries `known`: of the piece of this
iteration while the iteration lasts, of an *earlier* piece from the next iteration on, and of everything that the loop
covered once it has ended. So whether a score knew its own tokens is a question about atoms, not about names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

Atom = tuple[Any, ...]
Labels = frozenset[Atom]
Loops = frozenset[int]
Split = Literal["val", "train"]

NONE: Labels = frozenset()
NO_LOOPS: Loops = frozenset()

LN2: Labels = frozenset({("ln2",)})
"""The natural logarithm of two: what turns nats into bits."""
BY_POSITION: Loops = frozenset({0})
"""Stands for the walk over positions of a causal result that is kept by position: it knows earlier pieces only."""
DISTRIBUTION: Atom = ("distribution",)
"""Probabilities (or their logarithms) of a whole alphabet."""
LOSS: Atom = ("loss",)
"""A negative log-likelihood, or the probability of the realised token alone."""
LOG2: Atom = ("log2",)
"""A logarithm to base two: bits already."""


def path(split: Split) -> Atom:
    """A file name or pattern of one split's shards."""
    return ("path", split)


def tokens(split: Split, loops: Loops = NO_LOOPS) -> Atom:
    """Tokens of a split, chosen by the variables of these loops."""
    return ("tokens", split, loops)


def varies(loop: int) -> Atom:
    """A value that differs from iteration to iteration of a loop."""
    return ("varies", loop)


def thing(site: int) -> Atom:
    """The identity of an object by the place where it is made."""
    return ("thing", site)


def known(update: int, loops: Loops = NO_LOOPS, past: Loops = NO_LOOPS) -> Atom:
    """What update number `update` learnt from validation tokens.

    `loops` choose the piece it learnt from, as far as they still run; `past` are loops of which it was an earlier
    iteration.
    """
    return ("known", update, loops, past)


def counted(score: int) -> Atom:
    """Part of the sum that score number `score` adds to."""
    return ("counted", score)


def of_kind(labels: Labels, kind: str) -> list[Atom]:
    """The atoms of one kind."""
    return [atom for atom in labels if atom[0] == kind]


def has(labels: Labels, kind: str) -> bool:
    """Whether there is an atom of that kind."""
    for atom in labels:  # noqa: SIM110  asked of every value: a generator would cost more than the question
        if atom[0] == kind:
            return True
    return False


def without(labels: Labels, *kinds: str) -> Labels:
    """All atoms but those of these kinds."""
    gone = []
    for atom in labels:
        if atom[0] in kinds:
            gone.append(atom)  # noqa: PERF401  a comprehension is one more call in 3.11, and this is asked all the time
    return labels.difference(gone) if gone else labels


def validation_loops(labels: Labels) -> Loops | None:
    """The loops that choose the validation tokens in a value; None when it holds none."""
    pieces = [atom[2] for atom in labels if atom[0] == "tokens" and atom[1] == "val"]
    return frozenset().union(*pieces) if pieces else None


def variables(labels: Labels) -> Loops:
    """The loops with which a value varies."""
    return frozenset([atom[1] for atom in labels if atom[0] == "varies"])


def things(labels: Labels) -> list[int]:
    """Sites of the objects that a value may be or hold."""
    sites = []
    for atom in labels:
        if atom[0] == "thing":
            sites.append(atom[1])  # noqa: PERF401  likewise
    return sites


def chosen(labels: Labels, index: Labels) -> Labels:
    """A piece of a value: its tokens are those that the index selects."""
    loops = variables(index)
    if loops and has(labels, "tokens"):
        labels = frozenset(tokens(atom[1], atom[2] | loops) if atom[0] == "tokens" else atom for atom in labels)
    return labels | index if index else labels


def placed(labels: Labels, index: Labels) -> Labels:
    """What is stored under a position: what it knew of earlier positions it will know of no others."""
    loops = variables(index)
    if not loops or not any(atom[0] == "known" and atom[3] & loops for atom in labels):
        return labels
    return frozenset(
        known(atom[1], NO_LOOPS, BY_POSITION) if atom[0] == "known" and atom[3] & loops else atom for atom in labels
    )


def join(values: Iterable[Labels]) -> Labels:
    """The atoms of all values."""
    result = NONE
    for value in values:
        if value and value is not result:
            result = result | value if result else value
    return result


def next_iteration(labels: Labels, loop: int) -> Labels:
    """What a label means once another iteration of the loop has begun: pieces of this one are earlier pieces."""
    gone = [atom for atom in labels if atom[0] == "known" and loop in atom[2]]
    if not gone:
        return labels
    return labels.difference(gone).union([known(atom[1], atom[2] - {loop}, atom[3] | {loop}) for atom in gone])


def after_loop(labels: Labels, loop: int) -> Labels:
    """What a label means once the loop has ended: its pieces are all pieces."""
    gone: list[Atom] = []
    new: list[Atom] = []
    for atom in labels:
        kind = atom[0]
        if kind == "varies":
            if atom[1] == loop:
                gone.append(atom)
        elif kind == "tokens":
            if loop in atom[2]:
                gone.append(atom)
                new.append(tokens(atom[1], atom[2] - {loop}))
        elif kind == "known" and (loop in atom[2] or loop in atom[3]):
            gone.append(atom)
            new.append(known(atom[1], atom[2] - {loop}, atom[3] - {loop}))
    return labels.difference(gone).union(new) if gone else labels


def exposed(labels: Labels, loops: Loops) -> dict[int, bool]:
    """Updates that knew the validation tokens chosen by `loops`, or more than was scored before them.

    An update on an earlier piece of a loop that chooses the tokens knew none of them. The value says whether it knew
    just this piece (True) or the whole stretch (False).
    """
    found: dict[int, bool] = {}
    for atom in labels:
        if atom[0] == "known" and not atom[3] & (loops | BY_POSITION):
            found[atom[1]] = found.get(atom[1], False) or bool(atom[2] & loops)
    return found
