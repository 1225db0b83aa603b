"""Frames between host and guest: what is sent arrives; anything else is refused with a reason, never believed."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.observe.cpu_run.frames import FrameError, receive, send

WORDS = st.dictionaries(st.text(max_size=8).filter(lambda key: key != "bytes"), st.integers() | st.text(max_size=20))


@given(st.lists(st.tuples(WORDS, st.binary(max_size=300)), max_size=5))
def test_round_trip(frames: list[tuple[dict[str, object], bytes]]) -> None:
    """Frames come out as they went in, one after the other, and then the stream ends."""
    stream = io.BytesIO()
    for header, blob in frames:
        send(stream, header, blob)
    stream.seek(0)
    assert [receive(stream) for _ in frames] == frames
    assert receive(stream) is None


@given(st.binary(max_size=200))
def test_noise(noise: bytes) -> None:
    """Bytes that are no frame raise FrameError, or end, or happen to be one; nothing else."""
    try:
        found = receive(io.BytesIO(noise))
    except FrameError:
        return
    assert found is None or isinstance(found[0], dict)


@pytest.mark.parametrize(
    "line",
    [
        b"[1]",
        b'{"event":"x"}',
        b'{"bytes":-1}',
        b'{"bytes":1e3}',
        b'{"bytes":true}',
        b'{"bytes":5}\nabc',
        b'{"bytes":99999999999}',
        b"[" * 50_000,
        b'{"a":' * 9_000,
    ],
)
def test_refused(line: bytes) -> None:
    """Sizes that are missing, negative, no integer, too large or not kept are refused, and so is deep nesting."""
    with pytest.raises(FrameError):
        receive(io.BytesIO(line))


def test_no_frame_beyond_the_limit() -> None:
    """A frame larger than the caller takes is refused before it is read."""
    stream = io.BytesIO(json.dumps({"bytes": 11}).encode() + b"\n" + b"x" * 11)
    with pytest.raises(FrameError, match="at most 10"):
        receive(stream, limit=10)
