"""Which tokens are given as context and which are scored, as plain numbers.

Positions count tokens of the stream. A window gives tokens `start` to `stop - 1` to the model and scores the tokens at
`first` to `stop`, each predicted from those before it. Every plan here scores every position from 1 on exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reference_model.data.documents import Document


class Window(NamedTuple):
    """One row of a batch of evaluation."""

    start: int
    stop: int
    first: int


def plain_windows(length: int, seq_len: int) -> Iterator[Window]:
    """Windows side by side; the last may be shorter. `length`: tokens of the stream."""
    for start in range(0, length - 1, seq_len):
        yield Window(start, min(start + seq_len, length - 1), start + 1)


def sliding_windows(length: int, seq_len: int, stride: int) -> Iterator[Window]:
    """The first window scores all of its tokens, each further one its last `stride`; the last ends with the stream."""
    return _slid(0, length - 1, seq_len, stride)


def document_windows(documents: list[Document], length: int, seq_len: int, stride: int) -> Iterator[Window]:
    """Sliding windows that see nothing but their document.

    The BOS that ends a document is predicted from it, so that documents together score every position.
    """
    for document in documents:
        yield from _slid(document.start, min(document.end, length - 1), seq_len, stride)


def _slid(start: int, end: int, seq_len: int, stride: int) -> Iterator[Window]:
    """Windows over tokens `start` to `end`, of which the first is context only."""
    stop = min(start + seq_len, end)
    if stop > start:
        yield Window(start, stop, start + 1)
    while stop < end:
        first, stop = stop + 1, min(stop + stride, end)
        yield Window(max(start, stop - seq_len), stop, first)
