"""The chart: as many lines and columns as asked, whatever the values."""

from hypothesis import given
from hypothesis import strategies as st

from reference_model.plot import chart


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(1, 80), st.integers(1, 20))
def test_its_size(values: list[float], width: int, height: int) -> None:
    """A title, `height` rows, an axis; no row is wider than the values or `width`."""
    lines = chart(values, "loss", width, height).split("\n")
    assert len(lines) == height + 2
    assert all(len(line) <= 9 + min(width, len(values)) or len(line) <= 40 for line in lines[1:])


def test_a_falling_curve_falls() -> None:
    """The first column is full, the last almost empty."""
    rows = chart([4.0, 3.0, 2.0, 1.0], "loss", height=4).split("\n")[1:-1]
    assert [row[9] for row in rows] == ["█", "█", "█", "█"]
    assert [row[12] for row in rows] == [" ", " ", " ", "▁"]


def test_nothing_to_show() -> None:
    """No values, no chart."""
    assert "nothing" in chart([], "loss")
