"""Bytes of unknown origin to text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.observe.reading.text import decode, is_binary, strip_ansi


@pytest.mark.parametrize(
    ("data", "text", "encoding", "replaced"),
    [
        (b"", "", "utf-8", False),
        (b"plain\n", "plain\n", "utf-8", False),
        ("é→\n".encode(), "é→\n", "utf-8", False),
        (b"\xef\xbb\xbfbom", "bom", "utf-8-sig", False),
        ("bom é".encode("utf-16"), "bom é", "utf-16", False),
        ("\ufeffbom".encode("utf-16-be"), "bom", "utf-16", False),
        ("bom".encode("utf-32"), "bom", "utf-32", False),
        ("step:1 val_loss:2.5 é".encode("utf-16-le"), "step:1 val_loss:2.5 é", "utf-16-le", False),
        (b"caf\xe9 " * 10, "café " * 10, "latin-1", True),
        ("val_bpb:1.2 →".encode()[:-1], "val_bpb:1.2 \ufffd", "utf-8", True),
    ],
    ids=["empty", "ascii", "utf-8", "bom", "utf-16", "utf-16-be", "utf-32", "utf-16 without bom", "latin-1", "cut"],
)
def test_decode(data: bytes, text: str, encoding: str, replaced: bool) -> None:
    """The mark decides, else UTF-8, else UTF-16 by its zeros, else Latin-1; what had to be replaced is said."""
    decoded = decode(data)
    assert (decoded.text, decoded.encoding, decoded.replaced) == (text, encoding, replaced)


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
def test_line_ends(ends: str) -> None:
    """Windows, old and Unix line ends read the same; a progress bar's returns end lines too."""
    assert decode(f"a{ends}b{ends}".encode()).text == "a\nb\n"


@given(st.binary(max_size=300))
def test_decode_never_fails(data: bytes) -> None:
    """Any bytes give text without carriage returns."""
    assert "\r" not in decode(data).text
    is_binary(data)


@given(st.text(max_size=100))
def test_utf8_comes_back(text: str) -> None:
    """Text that is not marked survives, but for its line ends."""
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.startswith("\ufeff"):
        assert decode(text.encode("utf-8", "surrogatepass")).text in {
            expected,
            decode(text.encode("utf-8", "replace")).text,
        }


@pytest.mark.parametrize(
    ("data", "binary"),
    [
        (b"text", False),
        (b"", False),
        (b"\x80\x04\x95\0\0\0", True),
        (b"text\0text", True),
        ("text".encode("utf-16"), False),
        ("text".encode("utf-32"), False),
    ],
)
def test_is_binary(data: bytes, binary: bool) -> None:
    """A zero byte makes a file binary, unless its encoding explains it."""
    assert is_binary(data) == binary


@pytest.mark.parametrize(
    ("text", "clean"),
    [("\x1b[32mok\x1b[0m", "ok"), ("\x1b[1;31;40mx\x1b[K", "x"), ("plain", "plain"), ("\x1b[?25lx\x1b[?25h", "x")],
)
def test_strip_ansi(text: str, clean: str) -> None:
    """Colours and cursor moves are no text."""
    assert strip_ansi(text) == clean
