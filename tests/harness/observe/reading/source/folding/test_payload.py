"""Decoders with limits."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.observe.reading.source.folding import payload
from harness.observe.reading.source.folding.payload import MAX_OUTPUT, MAX_TOTAL, Allowance, Undecodable

RAW = [{"id": lzma.FILTER_DELTA, "dist": 2}, {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16, "lc": 2, "lp": 1, "pb": 0}]


def raw_deflate(data: bytes) -> bytes:
    """A deflate stream without header."""
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


ROUND_TRIPS: dict[str, tuple[Callable[[bytes], bytes], Callable[..., bytes], dict[str, Any]]] = {
    "zlib": (zlib.compress, payload.decompress_zlib, {}),
    "deflate": (raw_deflate, payload.decompress_zlib, {"wbits": -15}),
    "gzip": (gzip.compress, payload.decompress_zlib, {"wbits": 31}),
    "bz2": (bz2.compress, payload.decompress_bz2, {}),
    "xz": (lzma.compress, payload.decompress_lzma, {}),
    "alone": (lambda data: lzma.compress(data, lzma.FORMAT_ALONE), payload.decompress_lzma, {}),
    "raw": (
        lambda data: lzma.compress(data, lzma.FORMAT_RAW, filters=RAW),
        payload.decompress_lzma,
        {"container": lzma.FORMAT_RAW, "filters": RAW},
    ),
}


@pytest.mark.parametrize("name", ROUND_TRIPS)
@given(data=st.binary(max_size=2000))
@settings(max_examples=20, deadline=None)
def test_round_trip(name: str, data: bytes) -> None:
    """What was compressed comes back, also from several streams after one another."""
    compress, decompress, options = ROUND_TRIPS[name]
    assert decompress(compress(data), Allowance(), **options) == data
    if name in {"gzip", "bz2", "xz"}:
        assert decompress(compress(data) * 2, Allowance(), **options) == data * 2


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_bombs_end(name: str) -> None:
    """A payload that grows beyond the limit ends there, and says so."""
    compress, decompress, options = ROUND_TRIPS[name]
    bomb = compress(bytes(MAX_OUTPUT + 1))
    with pytest.raises(Undecodable, match="more than"):
        decompress(bomb, Allowance(), **options)


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_damage_is_told(name: str) -> None:
    """A cut stream and one that is none give a reason."""
    compress, decompress, options = ROUND_TRIPS[name]
    whole = compress(b"some text that is long enough " * 50)
    with pytest.raises(Undecodable):
        decompress(whole[: len(whole) // 2], Allowance(), **options)
    with pytest.raises(Undecodable):
        decompress(b"\x00\x01not a stream\xff" * 3, Allowance(), **options)


def test_all_payloads_share_one_allowance() -> None:
    """Payloads that are small each cannot together unpack to more than the total."""
    allowance = Allowance()
    piece = zlib.compress(bytes(MAX_OUTPUT))
    for _ in range(MAX_TOTAL // MAX_OUTPUT):
        payload.decompress_zlib(piece, allowance)
    with pytest.raises(Undecodable):
        payload.decompress_zlib(zlib.compress(b"x"), allowance)


@pytest.mark.parametrize(
    "filters",
    [
        [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 31}],
        [{"id": 12345}],
        [{}],
        [{"id": lzma.FILTER_LZMA2, "colour": 1}],
        [],
    ],
    ids=range(5),
)
def test_filters_are_checked(filters: list[dict[str, int]]) -> None:
    """Filters that make no sense, or ask for gigabytes, give a reason."""
    with pytest.raises(Undecodable):
        payload.decompress_lzma(b"\x00" * 40, Allowance(), lzma.FORMAT_RAW, filters)


def test_trailing_bytes_are_ignored() -> None:
    """Bytes after the end of the stream do no harm, as in Python's own functions."""
    assert payload.decompress_bz2(bz2.compress(b"text") + b"rubbish", Allowance()) == b"text"


@pytest.mark.parametrize(
    ("codec", "encode"),
    [
        ("b85", base64.b85encode),
        ("a85", base64.a85encode),
        ("b64", base64.b64encode),
        ("urlsafe-b64", base64.urlsafe_b64encode),
        ("b32", base64.b32encode),
        ("b16", base64.b16encode),
        ("hex", lambda data: data.hex().encode()),
    ],
)
def test_text_codecs(codec: str, encode: Callable[[bytes], bytes]) -> None:
    """Bytes written as characters come back from text and from bytes; nonsense gives a reason."""
    data = bytes(range(256))
    assert payload.decode_text(codec, encode(data)) == data
    assert payload.decode_text(codec, encode(data).decode()) == data
    with pytest.raises(Undecodable):
        payload.decode_text(codec, "\u20ac nonsense")


@pytest.mark.parametrize(("function", "library"), [("decompress_brotli", "brotli"), ("decompress_zstd", "zstandard")])
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, function: str, library: str) -> None:
    """Where an optional library is not installed the reason names it."""
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(Undecodable, match=library):
        getattr(payload, function)(b"data", Allowance())


class _Brotli:
    """Stands in for the brotli library: every byte becomes a thousand."""

    error = ValueError

    class Decompressor:
        """The part that is used."""

        def process(self, data: bytes) -> bytes:
            """Blow up the data."""
            return data * 1000

        def is_finished(self) -> bool:
            """Always at the end."""
            return True


def test_brotli_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brotli data is fed little by little, and ends at the limit."""
    monkeypatch.setitem(__import__("sys").modules, "brotli", _Brotli)
    assert payload.decompress_brotli(b"ab", Allowance()) == b"ab" * 1000
    with pytest.raises(Undecodable, match="more than"):
        payload.decompress_brotli(bytes(MAX_OUTPUT // 1000 + 32), Allowance())


def test_zstandard_round_trip() -> None:
    """Zstandard frames are read, and limited."""
    compress = zstandard.ZstdCompressor().compress
    assert payload.decompress_zstd(compress(b"text"), Allowance()) == b"text"
    with pytest.raises(Undecodable, match="more than"):
        payload.decompress_zstd(compress(bytes(MAX_OUTPUT + 1)), Allowance())
    with pytest.raises(Undecodable, match="damaged"):
        payload.decompress_zstd(b"rubbish", Allowance())
