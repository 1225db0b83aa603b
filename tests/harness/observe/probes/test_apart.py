"""Other tokens stand in one early document alone, whose end lies inside of any window."""

from __future__ import annotations

from harness.model.inputs import StreamKind, TokenizerKind
from harness.observe.cpu_run.inputs.stream import Stream, document_lengths, make_stream
from harness.observe.cpu_run.inputs.tokenizers import make_tokenizer
from harness.observe.probes.apart import SEED, early


def _stream(lengths: tuple[int, ...]) -> Stream:
    return make_stream(make_tokenizer(TokenizerKind.BYTE, 260), StreamKind.NATURAL, lengths, 0)


def test_changed() -> None:
    """Tokens of that document are others, all but its first; every other token is as it was."""
    stream = _stream(document_lengths(1000, (64, 109, 200)))
    bounds = early(stream)
    assert bounds == (65, 172)
    other = stream.changed(range(bounds[0], bounds[1] + 1), SEED)
    assert (stream.tokens != other.tokens).nonzero()[0].tolist() == list(range(65, 173))
    assert other.lengths == stream.lengths


def test_one_document() -> None:
    """A single document has none after it."""
    assert early(_stream((100,))) is None
