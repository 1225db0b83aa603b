"""Bytes of unknown origin to text, without ever failing."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")


@dataclass(frozen=True)
class Decoded:
    r"""Text with `\n` line ends, the encoding that gave it, and whether bytes had to be replaced."""

    text: str
    encoding: str
    replaced: bool = False


def decode(data: bytes) -> Decoded:
    r"""Decode `data` as its byte-order mark says, else UTF-16 when every second byte is zero, else UTF-8, else Latin-1.

    Line ends become `\n` (a progress bar's bare carriage return ends a line too, so that its last state is a line of
    its own).
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            text = data.decode(encoding, errors="replace").removeprefix("\ufeff")
            return Decoded(_newlines(text), encoding, "\ufffd" in text)
    head = data[:4096]
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        # Before UTF-8, which takes the zero bytes of plain English in UTF-16 for characters.
        zeros, others = head[start::2].count(0), head[1 - start :: 2].count(0)
        if len(head) >= 8 and zeros > 0.8 * len(head[start::2]) and others < 0.2 * zeros:
            text = data.decode(encoding, errors="replace")
            return Decoded(_newlines(text), encoding, "\ufffd" in text)
    try:
        return Decoded(_newlines(data.decode("utf-8")), "utf-8")
    except UnicodeDecodeError:
        pass
    text = data.decode("utf-8", errors="replace")
    if text.count("\ufffd") <= max(8, len(text) // 1000):
        return Decoded(_newlines(text), "utf-8", replaced=True)
    return Decoded(_newlines(data.decode("latin-1")), "latin-1", replaced=True)


def is_binary(data: bytes) -> bool:
    """Whether `data` is no text: a NUL in its first 8 KiB, unless it looks like UTF-16 or UTF-32."""
    head = data[:8192]
    if b"\0" not in head:
        return False
    return decode(head).encoding in {"utf-8", "latin-1"}


def strip_ansi(text: str) -> str:
    """`text` without terminal control sequences."""
    return _ANSI.sub("", text) if "\x1b" in text else text


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
