"""The record over time as inline SVG: a step line under the dots of all accepted rows, drawn for two widths."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.plots import ticks
from reports.text import attribute

_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 16.0, 22.0, 26.0


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Point:
    """One row: its day, mean score in bits per byte, title, and the address of its page."""

    day: dt.date
    score: float
    title: str
    address: str


@dataclass(frozen=True)
class Size:
    """A drawing area in units; `days` between the labels of the time axis."""

    width: int
    height: int
    days: int


WIDE, NARROW = Size(900, 330, 7), Size(360, 280, 14)


def steps(points: Sequence[Point]) -> list[Point]:
    """Points that lowered the score, in order of days; of one day in the order given."""
    lowered: list[Point] = []
    for point in sorted(points, key=lambda point: point.day):
        if not lowered or point.score < lowered[-1].score:
            lowered.append(point)
    return lowered


def record_plot(points: Sequence[Point], size: Size, key: str) -> str:
    """The picture for one width; `key` makes the ids of its title and description unique. Empty without points."""
    if not points:
        return ""
    first, last = min(p.day for p in points), max(p.day for p in points)
    low, high = min(p.score for p in points), max(p.score for p in points)
    pad = (high - low or 0.01) * 0.06
    across = _scale(first.toordinal(), last.toordinal(), _LEFT + 6, size.width - _RIGHT)
    up = _scale(low - pad, high + pad, size.height - _BOTTOM, _TOP)
    line = steps(points)
    parts = [
        f'<svg viewBox="0 0 {size.width} {size.height}" role="img" aria-labelledby="{key}-t {key}-d">',
        f'<title id="{key}-t">Record over time, bits per byte</title>',
        f'<desc id="{key}-d">{_said(line)}; {len(points)} accepted rows.</desc>',
    ]
    parts += _axes(first, last, low, high, size, across, up)
    parts.append(f'<path class="step" d="{_path(line, across, up, size.width - _RIGHT)}"/>')
    held = set(map(id, line))
    for point in sorted(points, key=lambda point: id(point) in held):
        style = "held" if id(point) in held else "other"
        words = f"{point.score:.4f}, {point.day}: {attribute(point.title, 80)}"
        parts.append(
            f'<a href="{attribute(point.address)}"><circle class="{style}" cx="{across(point.day.toordinal()):.1f}" '
            f'cy="{up(point.score):.1f}" r="{4 if style == "held" else 3}"><title>{words}</title></circle></a>'
        )
    for point, anchor, shift in ((line[0], "start", 8.0), (line[-1], "end", 0.0)):
        x, y = across(point.day.toordinal()) + shift, up(point.score) - 9
        parts.append(f'<text class="value" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{point.score:.4f}</text>')
    return "".join([*parts, "</svg>"])


def _said(line: Sequence[Point]) -> str:
    first, last = line[0], line[-1]
    return f"From {first.score:.4f} on {first.day} to {last.score:.4f} on {last.day} in {len(line)} steps"


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = high - low
    return lambda value: start + (end - start) * ((value - low) / span if span else 0.5)


def _path(line: Sequence[Point], across: Callable[[float], float], up: Callable[[float], float], end: float) -> str:
    """A line that holds each score until the next one, and the last to the right edge."""
    moves = [f"M{across(line[0].day.toordinal()):.1f} {up(line[0].score):.1f}"]
    for point in line[1:]:
        moves += [f"H{across(point.day.toordinal()):.1f}", f"V{up(point.score):.1f}"]
    return "".join([*moves, f"H{end:.1f}"])


def _axes(
    first: dt.date,
    last: dt.date,
    low: float,
    high: float,
    size: Size,
    across: Callable[[float], float],
    up: Callable[[float], float],
) -> list[str]:
    """Lines at round scores, and days a fixed number apart."""
    parts = []
    for value in ticks(low, high, 5):
        y = up(value)
        parts.append(f'<line class="rule" x1="{_LEFT}" x2="{size.width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>')
    day = first
    while day <= last:
        label = f"{_MONTHS[day.month - 1]} {day.day}"
        parts.append(
            f'<text x="{across(day.toordinal()):.1f}" y="{size.height - 6}" text-anchor="middle">{label}</text>'
        )
        day += dt.timedelta(days=size.days)
    return parts
