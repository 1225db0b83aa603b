"""README prose into what it claims: numbers, and that documents are independent. It is never matched for techniques."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from harness.model.base import At, Fact, snippet
from harness.model.readme import Mention, ReadmeFacts
from harness.observe.reading.text import decode

MAX_LINES = 4_000
MAX_LINE = 2_000
MAX_MENTIONS = 400

_INDEPENDENT = re.compile(r"\bdocuments?\s+(?:is|are|stay|remain|count\s+as)\s+(?!not\b)(?:\w+\s+)?independent\b", re.I)
_NUM = r"(\d[\d,_]*(?:\.\d+)?)"
_KINDS: tuple[tuple[str, str, re.Pattern[str], Callable[[float, str], float]], ...] = (
    ("val_bpb", "bpb", re.compile(r"\b(?:val_?bpb|bpb)\b[^\d\n]{0,24}(\d\.\d{3,10})\b", re.I), lambda v, _: v),
    ("val_bpb", "bpb", re.compile(r"\b(\d\.\d{3,10})\*{0,2}\s*(?:val_?)?bpb\b", re.I), lambda v, _: v),
    ("bytes", "bytes", re.compile(_NUM + r"\*{0,2}\s*bytes\b", re.I), lambda v, _: v),
    (
        "bytes",
        "b",
        re.compile(_NUM + r"\*{0,2}\s*(MB|MiB)\b"),
        lambda v, unit: v * (1024.0**2 if unit == "MiB" else 1e6),
    ),
    ("layers", "l", re.compile(r"\b(?:NUM_LAYERS\s*[=:]\s*)?(\d{1,2})\s?-?(?:L\b|layers?\b)"), lambda v, _: v),
    ("layers", "num_layers", re.compile(r"\bnum_layers\s*[=:]\s*(\d{1,2})\b", re.I), lambda v, _: v),
    ("seq_len", "seq", re.compile(r"\bseq(?:_?len|uence[ _]length)?\s*[=: ]?\s*(\d{3,6})\b", re.I), lambda v, _: v),
    (
        "params",
        "param",
        re.compile(_NUM + r"\s*([MK])\s*(?:-?param)", re.I),
        lambda v, unit: v * (1e6 if unit in "mM" else 1e3),
    ),
    ("params", "param", re.compile(r"\b([\d,]{7,14})\s*param", re.I), lambda v, _: v),
    ("steps", "steps", re.compile(_NUM + r"\s*(?:training\s+)?steps\b", re.I), lambda v, _: v),
    ("seeds", "seed", re.compile(r"\b(\d{1,2})[ -]seeds?\b", re.I), lambda v, _: v),
    ("gpus", "", re.compile(r"\b(\d{1,3})\s*[x×]\s*(?:NVIDIA\s+)?[HAB]\d{3}", re.I), lambda v, _: v),
    ("seconds", "s", re.compile(_NUM + r"\s*(?:s|sec|seconds)\b"), lambda v, _: v),
)
"""Kind of claim, what a line must hold in lower case to be searched, pattern, and the number into its unit."""


def read_readme(path: str, data: bytes) -> ReadmeFacts:
    """Facts of one README. Never raises; long lines are cut, long files end at `MAX_LINES`."""
    lines = decode(data).text.split("\n")[:MAX_LINES]
    mentions: list[Mention] = []
    for number, line in enumerate(lines, 1):
        if len(mentions) >= MAX_MENTIONS:
            break
        if any(c.isdigit() for c in line):
            mentions.extend(_mentions(path, number, line[:MAX_LINE]))
    return ReadmeFacts(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        title=_title(path, lines),
        mentions=tuple(mentions[:MAX_MENTIONS]),
        independent=_independent(path, lines),
    )


def _independent(path: str, lines: list[str]) -> Fact[str] | None:
    for number, line in enumerate(lines, 1):
        if _INDEPENDENT.search(line[:MAX_LINE]) is not None:
            return Fact(value=snippet(line.strip()), at=At(path=path, line=number))
    return None


def _title(path: str, lines: list[str]) -> Fact[str] | None:
    for number, line in enumerate(lines, 1):
        if line.startswith("#") and line.strip("# "):
            return Fact(value=snippet(line.strip("# ")), at=At(path=path, line=number))
    return None


def _mentions(path: str, number: int, line: str) -> list[Mention]:
    found = []
    low = line.lower()
    for kind, hint, pattern, convert in _KINDS:
        for match in pattern.finditer(line) if hint in low else ():
            digits = re.sub(r"[,_]", "", match.group(1))
            if not digits or len(digits) > 15:
                continue
            unit = match.group(2) if match.re.groups > 1 else ""
            value = convert(float(digits), unit)
            at = At(path=path, line=number)
            found.append(Mention(kind=kind, value=value, at=at, text=snippet(match.group(), 80)))
    return found
