"""Documents in a stream of tokens: each begins with BOS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Document:
    """Tokens `start` to `end - 1` of the stream; the first is BOS, unless the stream begins inside a document."""

    start: int
    end: int


def documents(tokens: npt.NDArray[np.integer], bos_id: int) -> list[Document]:
    """The documents of a stream (tokens,), in order; together they are the stream."""
    if not len(tokens):
        return []
    starts = [int(i) for i in np.flatnonzero(tokens == bos_id)]
    if not starts or starts[0]:
        starts.insert(0, 0)
    return [Document(start, end) for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True)]
