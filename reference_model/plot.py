"""A curve in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def chart(values: Sequence[float], title: str, width: int = 64, height: int = 10) -> str:
    """Columns of blocks for values in order, means of neighbours where there are more than `width`."""
    if not values:
        return f"{title}: nothing to show"
    columns = _columns(values, min(width, len(values)))
    low, high = min(columns), max(columns)
    span = (high - low) or 1.0
    eighths = [round((value - low) / span * (8 * height - 1)) + 1 for value in columns]
    lines = []
    for row in reversed(range(height)):
        cells = "".join(_EIGHTHS[max(0, min(8, filled - 8 * row))] for filled in eighths)
        label = f"{high:7.3f}" if row == height - 1 else f"{low:7.3f}" if row == 0 else " " * 7
        lines.append(f"{label} │{cells}")
    return "\n".join([title, *lines, f"{' ' * 8}└{'─' * len(columns)}"])


def _columns(values: Sequence[float], count: int) -> list[float]:
    bounds = [round(i * len(values) / count) for i in range(count + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(bounds)]
