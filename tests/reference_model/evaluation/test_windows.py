"""Windows: every position is scored exactly once, with as much context as was promised."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from reference_model.data.documents import Document
from reference_model.evaluation.windows import Window, document_windows, plain_windows, sliding_windows

lengths, sizes = st.integers(0, 200), st.integers(1, 40)


def scored(windows: list[Window]) -> Counter[int]:
    """How often each position is scored."""
    return Counter(p for window in windows for p in range(window.first, window.stop + 1))


def whole(length: int) -> Counter[int]:
    """Every position but the first, once."""
    return Counter(range(1, length))


@given(lengths, sizes)
def test_plain_windows_tile_the_stream(length: int, seq_len: int) -> None:
    """Each scores all of its tokens."""
    windows = list(plain_windows(length, seq_len))
    assert scored(windows) == whole(length)
    assert all(w.first == w.start + 1 and w.stop - w.start <= seq_len for w in windows)


@given(lengths, sizes, sizes)
def test_sliding_windows_keep_their_context(length: int, seq_len: int, stride: int) -> None:
    """All but the first give each scored token at least seq_len - stride tokens of context."""
    stride = min(stride, seq_len)
    windows = list(sliding_windows(length, seq_len, stride))
    assert scored(windows) == whole(length)
    assert all(w.stop - w.start <= seq_len for w in windows)
    assert all(w.first - w.start >= seq_len - stride for w in windows[1:])


@given(st.lists(st.integers(1, 30), max_size=6), sizes, sizes)
def test_windows_within_documents(counts: list[int], seq_len: int, stride: int) -> None:
    """Each position once, the BOS of the next document as the last of its own; nothing before a document is seen."""
    starts = [sum(counts[:i]) for i in range(len(counts))]
    found = [Document(start, start + count) for start, count in zip(starts, counts, strict=True)]
    length = sum(counts)
    windows = list(document_windows(found, length, seq_len, min(stride, seq_len)))
    assert scored(windows) == whole(length)
    for window in windows:
        home = next(one for one in found if one.start < window.first <= one.end)
        assert home.start <= window.start
        assert window.stop <= home.end
