"""Streams part where nothing else ends, and a run on another stream is told from the first by what moved."""

from __future__ import annotations

import pytest

from harness.model.inputs import StreamKind, TokenizerKind
from harness.observe.cpu_run.inputs.stream import document_lengths, make_stream
from harness.observe.cpu_run.inputs.tokenizers import make_tokenizer
from harness.observe.probes.prove import partings


@pytest.mark.parametrize(("size", "first"), [(64, 0), (500, 0), (500, 48), (2112, 0), (5000, 0)])
def test_partings(size: int, first: int) -> None:
    """Two positions inside of documents and off all multiples of small powers of two, early and late."""
    stream = make_stream(
        make_tokenizer(TokenizerKind.BYTE, 260), StreamKind.NATURAL, document_lengths(size, (193, 65, 321)), 0
    )
    found = partings(stream, first, size)
    assert found == sorted(set(found))
    assert first < found[0] < size // 2 <= found[-1] < size - 1 or size < 100
    starts = set(stream.starts.tolist())
    for at in found:
        assert at % 16, "a window may end there"
        assert not starts & {at, at + 1}, "a document begins there"
        other = stream.diverged(at, 9)
        assert (other.tokens[: at + 1] == stream.tokens[: at + 1]).all()
        assert other.lengths == stream.lengths
        assert other.tokens[at + 1] != stream.tokens[at + 1]
