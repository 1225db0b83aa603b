"""Encoded and compressed payloads, decoded with hard limits on what comes out."""

from __future__ import annotations

import base64
import binascii
import bz2
import codecs
import importlib
import lzma
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

MAX_OUTPUT = 8 * 1024 * 1024
"""Bytes that one payload may unpack to; the largest program found in a wrapper has 0.4 MB."""
MAX_TOTAL = 16 * 1024 * 1024
"""Bytes that all payloads of one script may unpack to together."""
MAX_DICTIONARY = 256 * 1024 * 1024
"""Memory that an LZMA stream may ask for; preset 9 asks for 65 MiB."""


class Undecodable(Exception):  # noqa: N818  an answer, turned into a fact by the caller
    """A payload that cannot be decoded; the text says why."""


@dataclass
class Allowance:
    """How many more bytes the payloads of a script may unpack to."""

    left: int = MAX_TOTAL

    @property
    def cap(self) -> int:
        """Bytes that the next payload may have."""
        return min(MAX_OUTPUT, self.left)


class _Decompressor(Protocol):
    """What zlib, bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _stream(new: Callable[[], _Decompressor], data: bytes, allowance: Allowance) -> bytes:
    """Decompress one or several concatenated streams; trailing bytes that are no stream are ignored, as Python does."""
    out: list[bytes] = []
    size = 0
    while True:
        engine = new()
        try:
            piece = engine.decompress(data, allowance.cap - size + 1)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, MemoryError) as error:
            if out:
                break
            raise Undecodable(f"the compressed data is damaged: {error}") from None
        size += len(piece)
        if size > allowance.cap:
            raise Undecodable(f"the payload unpacks to more than {allowance.cap} bytes")
        if not engine.eof:
            raise Undecodable("the compressed data ends early")
        out.append(piece)
        data = engine.unused_data
        if not data:
            break
    allowance.left -= size
    return b"".join(out)


def decompress_zlib(data: bytes, allowance: Allowance, wbits: int = zlib.MAX_WBITS) -> bytes:
    """Decompress a zlib stream; negative `wbits` mean a raw one, 31 a gzip member."""
    try:
        zlib.decompressobj(wbits)
    except ValueError as error:
        raise Undecodable(f"zlib window size {wbits}: {error}") from None
    return _stream(lambda: zlib.decompressobj(wbits), data, allowance)


def decompress_bz2(data: bytes, allowance: Allowance) -> bytes:
    """Decompress bzip2 streams."""
    return _stream(bz2.BZ2Decompressor, data, allowance)


def decompress_lzma(
    data: bytes,
    allowance: Allowance,
    container: int = lzma.FORMAT_AUTO,
    filters: Sequence[Mapping[str, Any]] | None = None,
) -> bytes:
    """Decompress xz, lzma-alone or raw LZMA data; a raw stream says its filters apart."""
    raw = container == lzma.FORMAT_RAW
    for one in filters or ():
        if isinstance(one, Mapping) and (size := one.get("dict_size")) and int(size) > MAX_DICTIONARY:
            raise Undecodable(f"the LZMA dictionary of {size} bytes is larger than {MAX_DICTIONARY}")

    def new() -> lzma.LZMADecompressor:
        limit = None if raw else MAX_DICTIONARY
        return lzma.LZMADecompressor(container, limit, filters)

    try:
        new()
    except (lzma.LZMAError, ValueError, TypeError, KeyError, MemoryError, OverflowError) as error:
        raise Undecodable(f"LZMA format or filters are not valid: {error}") from None
    return _stream(new, data, allowance)


def decompress_brotli(data: bytes, allowance: Allowance) -> bytes:
    """Decompress brotli data, where its library is installed."""
    module = _library("brotli")
    engine = module.Decompressor()
    out = bytearray()
    try:
        for start in range(0, len(data), 16):  # the library has no limit of its own: little at a time
            out += engine.process(data[start : start + 16])
            if len(out) > allowance.cap:
                raise Undecodable(f"the payload unpacks to more than {allowance.cap} bytes")
        if not engine.is_finished():
            raise Undecodable("the compressed data ends early")
    except module.error as error:
        raise Undecodable(f"the compressed data is damaged: {error}") from None
    allowance.left -= len(out)
    return bytes(out)


def decompress_zstd(data: bytes, allowance: Allowance) -> bytes:
    """Decompress a zstandard frame, where the library is installed."""
    module = _library("zstandard")
    try:
        engine = module.ZstdDecompressor(max_window_size=MAX_DICTIONARY)
        out: bytes = engine.stream_reader(data).read(allowance.cap + 1)
    except (module.ZstdError, MemoryError) as error:
        raise Undecodable(f"the compressed data is damaged: {error}") from None
    if len(out) > allowance.cap:
        raise Undecodable(f"the payload unpacks to more than {allowance.cap} bytes")
    allowance.left -= len(out)
    return out


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Undecodable(f"the payload is compressed with {name}, and that library is not installed here") from None


_TEXT_DECODERS: dict[str, Callable[..., bytes]] = {
    "b85": base64.b85decode,
    "b64": base64.b64decode,
    "urlsafe-b64": base64.urlsafe_b64decode,
    "a85": base64.a85decode,
    "b32": base64.b32decode,
    "b16": base64.b16decode,
    "hex": binascii.unhexlify,
}


def decode_text(codec: str, data: str | bytes, **options: Any) -> bytes:
    """Decode `data` with an encoding of bytes as characters: b85, b64, urlsafe-b64, a85, b32, b16 or hex."""
    try:
        return _TEXT_DECODERS[codec](data, **options)
    except (ValueError, TypeError) as error:
        raise Undecodable(f"not valid {codec}: {str(error)[:120]}") from None


def rot13(data: str) -> str:
    """Rotate letters by 13."""
    return codecs.decode(data, "rot13")
