"""Lines that count what an evaluation scored: `scored_tokens:62021632 scored_bytes:151080363`, `N_bytes=40540160`."""

from __future__ import annotations

import re

from harness.model.logs import ByteCount
from harness.observe.reading.logs.lines import Line
from harness.observe.reading.logs.numbers import integer, real

MAX_COUNTS = 12
"""Counts kept of a run: the last ones."""

_BYTES = re.compile(
    r"(?<!\w)(?:(?:n|scored|eval|total_scored|val)_(?:\w{1,12}_)?)?bytes\s?[:=]\s?(?P<n>\d[\d,_]{6,13})\b(?!\.)", re.I
)
_TOKENS = re.compile(
    r"(?<!\w)(?:(?:n|scored|eval|total_scored|val)_)?tokens\s?[:=]\s?(?P<n>\d[\d,_]{5,13})\b(?!\.)", re.I
)
_SCORE = re.compile(r"(?:bpb|mix|bits_per_byte)\w{0,8}\s?[:=]\s?(?P<n>\d\.\d{3,17})", re.I)
_PARTIAL = ("progress", "chunk", "batch", "rank", "step:", "checkpoint", "calib")
"""Words of lines that count a part on the way."""


def read_count(line: Line) -> ByteCount | None:
    """The count on `line`: bytes beside a number of tokens or a score; None for all other lines."""
    if "bytes" not in line.low or len(line.text) > 600 or any(map(line.low.__contains__, _PARTIAL)):
        return None
    counted = _BYTES.search(line.text)
    if counted is None or (size := integer(counted["n"])) is None:
        return None
    found = _TOKENS.search(line.text)
    tokens = integer(found["n"]) if found else None
    scores = [real(match["n"]) for match in _SCORE.finditer(line.text)][:4]
    if tokens is None and not scores:
        return None
    return ByteCount(bytes=size, tokens=tokens, scores=tuple(s for s in scores if s is not None), line=line.number)
