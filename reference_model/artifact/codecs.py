"""Ways to compress. Which one was used stands in the artifact: nothing is guessed, nothing falls back in silence."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable
from typing import NamedTuple

CODECS = ("zlib", "zstd", "lzma", "brotli")
"""The place in this list is the byte that names a codec in an artifact."""
SHUFFLE_STRIDE = 2


class Codec(NamedTuple):
    """Both directions; `decompress` gets the length that must come out."""

    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes, int], bytes]


def codec(name: str) -> Codec:
    """The codec of that name. Raises ModuleNotFoundError where its library is missing, KeyError for no codec."""
    if name == "zstd":
        import zstandard

        return Codec(
            lambda data: zstandard.ZstdCompressor(level=22).compress(data),
            lambda data, size: zstandard.ZstdDecompressor().decompress(data, max_output_size=size),
        )
    if name == "brotli":
        import brotli  # type: ignore[import-untyped]  # ships no types

        def unbrotli(data: bytes, size: int) -> bytes:
            del size  # brotli offers no limit: the length is compared afterwards
            return unshuffled(brotli.decompress(data))

        return Codec(lambda data: brotli.compress(shuffled(data), quality=11), unbrotli)
    if name == "lzma":
        return Codec(_lzma, lambda data, size: lzma.LZMADecompressor().decompress(data, size))
    if name == "zlib":
        return Codec(
            lambda data: zlib.compress(data, 9), lambda data, size: zlib.decompressobj().decompress(data, size)
        )
    raise KeyError(f"there is no codec {name!r}; there are {', '.join(CODECS)}")


def _lzma(data: bytes) -> bytes:
    """At its strongest, with a dictionary no larger than the data: the preset's 64 MiB would only cost time."""
    size = max(4_096, min(len(data), 64 << 20))
    return lzma.compress(data, filters=[{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": size}])


def shuffled(data: bytes) -> bytes:
    """All bytes at even places, then all at odd ones: the high bytes of float16 are alike."""
    return data[0::SHUFFLE_STRIDE] + data[1::SHUFFLE_STRIDE]


def unshuffled(data: bytes) -> bytes:
    """The reverse."""
    half = (len(data) + 1) // SHUFFLE_STRIDE
    out = bytearray(len(data))
    out[0::SHUFFLE_STRIDE], out[1::SHUFFLE_STRIDE] = data[:half], data[half:]
    return bytes(out)
