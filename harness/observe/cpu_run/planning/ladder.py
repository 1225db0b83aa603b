"""Whether a failed attempt calls for the next rung: a pure function of what was raised and of the line that raised it.

A rung changes the model's shape only. Failures of shape, divisibility and index may go away with it, and numbers that
a shape far from the one that was tuned lets grow without end; a vocabulary or a
stream that does not fit wants other inputs; everything else is the submission's, the machine's or ours, and another
shape would only hide it. In doubt the answer is no: a wrong climb costs a run, and the last rung ends the ladder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from harness.model.plan import Plan


class Cause(StrEnum):
    """Why an attempt failed, as far as sizes go."""

    SHAPE = "shapes do not fit each other"
    DIVISIBILITY = "a size does not divide another"
    INDEX = "an index is out of range"
    VOCABULARY = "the vocabulary does not fit"
    TOKENS = "too few tokens"
    NUMBERS = "numbers are no longer finite"
    OTHER = "not a matter of size"


CLIMBS = frozenset({Cause.SHAPE, Cause.DIVISIBILITY, Cause.INDEX, Cause.VOCABULARY, Cause.NUMBERS})
"""Causes for which the next rung is tried."""


@dataclass(frozen=True)
class Failure:
    """An exception: the name of its type, its message, and the text of the line that raised it."""

    exception: str
    message: str = ""
    source: str = ""


MAX_MESSAGE = 2_000

_NEVER = frozenset(
    """
    ModuleNotFoundError ImportError KeyError NameError AttributeError FileNotFoundError PermissionError OSError
    SyntaxError IndentationError MemoryError TimeoutError KeyboardInterrupt SystemExit NotSupported
    NotImplementedError TypeError UnicodeDecodeError EOFError ConnectionError HTTPError URLError CalledProcessError
    RecursionError StopIteration OutOfMemoryError
    """.split()  # noqa: SIM905  a list of words reads better as text
)
"""Exceptions that no shape explains."""

_MESSAGES: tuple[tuple[Cause, tuple[str, ...]], ...] = (
    (Cause.OTHER, ("world_?size", "logit_softcap", "out of memory", "can't allocate memory", "cuda is", "compressor")),
    (Cause.VOCABULARY, ("vocab",)),
    (Cause.NUMBERS, ("(non-?|not |in)finite", r"\bnans?\b")),
    (
        Cause.TOKENS,
        (
            "too (short|small|few)", "at least one (sequence|array)", "short (window )?read", "non-empty tensorlist",
            "expects 'from' to be less than 'to'", "low >= high", "high <= 0", "zero-size array",
            "sequences? of length", "cannot provide", "not enough tokens", "byte sidecar",
        ),
    ),
    (
        Cause.DIVISIBILITY,
        ("divi(sible|de)", "multiple of", "must be even", "power of (2|two)", "integer division or modulo"),
    ),
    (
        Cause.INDEX,
        (
            r"index \S+ is out of bounds", "index out of range", "out of range in self", "index k out of range",
            "dimension out of range", "exceeds dimension size", "indexselect", "index_select",
        ),
    ),
    (
        Cause.SHAPE,
        (
            "shapes? cannot be multiplied", "is invalid for input of size",
            "must match (the )?(size|existing size|except)",
            "sizes of tensors must match", "size mismatch", "expected size", "expanded size", "split_sizes",
            "split expects", "cannot reshape", "could not be broadcast", "not broadcast(able)?", "shape mismatch",
            "mismatched? (shape|size)", "unflatten", "inconsistent tensor size", "each tensor to be equal size",
            "kernel size can't be greater", "negative dimension", "maximum size for tensor", "normalized_shape",
            "expected input.* to have", "expected .*(dim|shape|channels|features)", "inner dimensions",
            "(dims?|dimension|heads?|width|hidden) must (not exceed|be (<|at most|less|smaller|no (larger|more)))",
            "must have (the )?same (shape|size|number of)", "incorrect (local )?(window count|number of)",
            r"error\(s\) in loading state_dict", "number of (heads|query)", "query, key",
        ),
    ),
)  # fmt: skip
"""Pieces of messages, in lower case; the first cause that fits counts."""
_COMPILED = tuple((cause, re.compile("|".join(pieces))) for cause, pieces in _MESSAGES)
_SIZE_WORDS = re.compile(
    r"\b(\w*dim\w*|\w*heads?|\w*shape|size|numel|\w*seq_?len\w*|groups?|\w*block_size|hidden|width)\b"
)
_FILE_WORDS = re.compile(r"argv|glob|files|split\(|environ|shards?\b|paths?\b")


def cause_of(failure: Failure) -> Cause:
    """What a failure says about sizes; `OTHER` where it says nothing."""
    exception = failure.exception.rpartition(".")[2]
    if exception in _NEVER:
        return Cause.OTHER
    message = failure.message[:MAX_MESSAGE].lower()
    source = failure.source[:MAX_MESSAGE].lower()
    if exception == "AssertionError":
        return _of_assertion(message, source)
    if exception == "ZeroDivisionError":  # of fractions: a sum, a time; of integers: a size that was cut to nothing
        whole = "float" not in message and ("/" in source or "%" in source)
        return Cause.DIVISIBILITY if whole else Cause.OTHER
    found = next((cause for cause, pattern in _COMPILED if pattern.search(message)), Cause.OTHER)
    if exception == "IndexError":
        return Cause.OTHER if _FILE_WORDS.search(source) else Cause.INDEX
    return found


def _of_assertion(message: str, source: str) -> Cause:
    """An assertion's line says what it is about; its message, where it has one, says it better."""
    if any(word in source + message for word in ("world_size", "16000000", "16_000_000", "elapsed", "_time")):
        return Cause.OTHER
    if "vocab" in source + message:
        return Cause.VOCABULARY
    if "%" in source or "divisible" in message:
        return Cause.DIVISIBILITY
    if _SIZE_WORDS.search(source) and any(sign in source for sign in ("==", "<", ">")):
        return Cause.SHAPE
    return next((cause for cause, pattern in _COMPILED if message and pattern.search(message)), Cause.OTHER)


def next_rung(plan: Plan, number: int, failure: Failure, before: Failure | None = None) -> int | None:
    """The number of the rung to try after rung `number` (from 0) failed so; None where the ladder ends.

    `before` is how the rung before failed: the same numbers in the same words are none of the shape's sizes.
    """
    following = number + 1
    cause = cause_of(failure)
    if cause in (Cause.SHAPE, Cause.INDEX) and failure == before and re.search(r"\d", failure.message):
        return None
    return following if following < len(plan.rungs) and cause in CLIMBS else None
