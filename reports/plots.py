"""Small plots as inline SVG: no script, no style of their own, colours by the classes of the page's style sheet.

Every plot has a title and a description for those who do not see it, and is laid out for 320 units across, so that its
text stays readable on a phone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10

from reports.text import attribute

WIDTH = 320
_LEFT, _RIGHT = 68, 12
_ROW = 22
_SERIES = 4
"""Colours that the style sheet has; further series repeat them dashed."""


@dataclass(frozen=True)
class Bar:
    """One row of stacked parts. `parts` are (name, value); the number of a part's colour is its place."""

    label: str
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Mark:
    """A vertical line across the rows: a limit, a claim, a record."""

    name: str
    value: float
    style: str
    """A class of the style sheet: `limit`, `claim`, `record`, `mean`."""


@dataclass(frozen=True)
class Series:
    """Points of one curve, by x."""

    label: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Span:
    """A stretch of an axis, the end not included. `style` is a class of the style sheet."""

    name: str
    first: float
    end: float
    style: str


_STEEP = 0.08
"""Share of a curve's start that does not decide how high the plot reaches."""

Form = Callable[[float], str]


def bars(key: str, title: str, rows: Sequence[Bar], marks: Sequence[Mark], form: Form) -> str:
    """Horizontal stacked bars from zero, with the values at their ends; `form` writes a value."""
    highest = max([sum(value for _, value in row.parts) for row in rows] + [mark.value for mark in marks])
    scale = _Scale(0, highest * 1.02 or 1, _LEFT, WIDTH - _RIGHT)
    names = list(dict.fromkeys(name for row in rows for name, _ in row.parts))
    said = "; ".join(f"{row.label}: " + ", ".join(f"{name} {form(value)}" for name, value in row.parts) for row in rows)
    draw = _Drawing(key, title, f"{said}. {_marks_said(marks, form)}")
    for i, row in enumerate(rows):
        top = 8 + i * _ROW
        draw.text(_LEFT - 6, top + 11, row.label, "end")
        start = 0.0
        for name, value in row.parts:
            left, right = scale(start), scale(start + value)
            draw.add(f'<rect class="s{names.index(name) % _SERIES}" x="{left:.1f}" y="{top}" ')
            draw.add(f'width="{max(0.5, right - left):.1f}" height="14"/>')
            start += value
        end = scale(start)
        inside = end > WIDTH - 95
        draw.text(end - 5 if inside else end + 5, top + 11, form(start), "end" if inside else "start", inside=inside)
    bottom = 8 + len(rows) * _ROW
    draw.marks(scale, marks, bottom)
    legend = [(f"s{names.index(name) % _SERIES}", name) for name in names]
    return draw.done(bottom, legend, marks, form)


def dots(key: str, title: str, rows: Sequence[tuple[str, float]], marks: Sequence[Mark], form: Form) -> str:
    """One dot a row on a common axis that need not start at zero, with lines to compare with."""
    values = [value for _, value in rows] + [mark.value for mark in marks]
    low, high = min(values), max(values)
    pad = (high - low or 0.01) * 0.12
    scale = _Scale(low - pad, high + pad, _LEFT, WIDTH - _RIGHT)
    said = "; ".join(f"{label}: {form(value)}" for label, value in rows)
    draw = _Drawing(key, title, f"{said}. {_marks_said(marks, form)}")
    bottom = 8 + len(rows) * _ROW
    draw.marks(scale, marks, bottom)
    for i, (label, value) in enumerate(rows):
        top = 8 + i * _ROW
        x = scale(value)
        draw.text(_LEFT - 6, top + 11, label, "end")
        draw.add(f'<line class="rule" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{top + 7}" y2="{top + 7}"/>')
        draw.add(f'<circle class="s0" cx="{x:.1f}" cy="{top + 7}" r="4.5"/>')
        left = x > WIDTH / 2
        draw.text(x - 9 if left else x + 9, top + 11, form(value), "end" if left else "start", halo=True)
    return draw.done(bottom, [], marks, form)


def curves(key: str, title: str, series: Sequence[Series], axis: str) -> str:
    """Curves over `axis`. The steep start is cut off at the top so that the rest can be told apart."""
    xs = [x for one in series for x, _ in one.points]
    start = min(xs) + _STEEP * (max(xs) - min(xs))
    ys = [y for one in series for x, y in one.points if x >= start]
    low, high = min(ys), max(ys)
    pad = (high - low or 0.01) * 0.08
    height = 170
    across = _Scale(min(xs), max(xs), 40, WIDTH - _RIGHT)
    up = _Scale(low - pad, high + pad, height, 10)
    said = "; ".join(f"{one.label}: from {one.points[0][1]:.4f} to {one.points[-1][1]:.4f}" for one in series)
    highest = max(y for one in series for _, y in one.points)
    cut = f" Values above {high + pad:.2f} lie outside." if highest > high + pad else ""
    draw = _Drawing(key, title, f"{said}.{cut}")
    for y in ticks(low, high):
        draw.add(f'<line class="rule" x1="40" x2="{WIDTH - _RIGHT}" y1="{up(y):.1f}" y2="{up(y):.1f}"/>')
        draw.text(35, up(y) + 4, f"{y:g}", "end")
    for x in ticks(min(xs), max(xs), 4):
        draw.text(across(x), height + 16, f"{x:,.0f}", "middle")
    draw.text(WIDTH - _RIGHT, height + 30, axis, "end")
    draw.add(
        f'<clipPath id="{key}-clip"><rect x="40" y="6" width="{WIDTH - _RIGHT - 40}" height="{height - 6}"/></clipPath>'
    )
    draw.add(f'<g clip-path="url(#{key}-clip)">')
    for i, one in enumerate(series):
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in one.points)
        draw.add(f'<polyline class="{_stroke(i)}" points="{path}"/>')
    draw.add("</g>")
    legend = [(_stroke(i), one.label) for i, one in enumerate(series)] if len(series) > 1 else []
    return draw.done(height + 32, legend, (), str)


def strip(key: str, title: str, length: int, spans: Sequence[Span], marks: Sequence[Span]) -> str:
    """One axis from 0 to `length` in stretches, with marks on it that are never too narrow to be seen."""
    scale = _Scale(0, length, 4, WIDTH - 4)
    said = "; ".join(f"{one.name} {one.first:,.0f} to {one.end - 1:,.0f}" for one in (*spans, *marks))
    draw = _Drawing(key, title, f"{said}.")
    for one, top, high in [*((one, 12, 12) for one in spans), *((one, 6, 24) for one in marks)]:
        left, right = scale(one.first), scale(one.end)
        draw.add(f'<rect class="{one.style}" x="{left:.1f}" y="{top}" width="{max(1.5, right - left):.1f}" ')
        draw.add(f'height="{high}"/>')
    draw.text(4, 44, "0", "start")
    draw.text(WIDTH - 4, 44, f"{length:,}", "end")
    legend = dict.fromkeys((one.style, one.name) for one in (*spans, *marks))
    return draw.done(48, list(legend), (), str)


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers between `low` and `high`, about `count` of them."""
    span = high - low
    if span <= 0:
        return [low]
    step = 10.0 ** floor(log10(span / count))
    step = next(step * m for m in (1, 2, 5, 10) if span / (step * m) <= count)
    first = -floor(-low / step)
    return [round(i * step, 10) for i in range(first, floor(high / step) + 1)]


def _stroke(i: int) -> str:
    return f"c{i % _SERIES}" + (" dashed" if i >= _SERIES else "")


def _marks_said(marks: Sequence[Mark], form: Form) -> str:
    return "; ".join(f"{mark.name}: {form(mark.value)}" for mark in marks) + "." if marks else ""


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + share * (self.end - self.start)


class _Drawing:
    """The pieces of one picture, with all text escaped."""

    def __init__(self, key: str, title: str, description: str) -> None:
        self.key = key
        self.title = title
        self.description = description
        self.pieces: list[str] = []

    def add(self, piece: str) -> None:
        """Markup of ours."""
        self.pieces.append(piece)

    def text(self, x: float, y: float, words: str, anchor: str, *, inside: bool = False, halo: bool = False) -> None:
        """Words at a place; `inside` a bar they take its contrasting colour, with `halo` lines do not cross them."""
        style = ' class="inside"' if inside else ' class="halo"' if halo else ""
        self.add(f'<text{style} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{attribute(words, 60)}</text>')

    def marks(self, scale: _Scale, marks: Sequence[Mark], bottom: float) -> None:
        """The lines across all rows."""
        for mark in marks:
            x = scale(mark.value)
            self.add(f'<line class="{mark.style}" x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="{bottom - 4}"/>')

    def done(self, bottom: float, legend: Sequence[tuple[str, str]], marks: Sequence[Mark], form: Form) -> str:
        """The whole picture: what was drawn, then a legend."""
        entries = [
            (f'<rect class="swatch {style}" x="{{x}}" y="{{y}}" width="10" height="7"/>', name)
            for style, name in legend
        ]
        line = '<line class="{style}" x1="{{x}}" x2="{{end}}" y1="{{middle}}" y2="{{middle}}"/>'
        entries += [(line.format(style=mark.style), f"{mark.name} {form(mark.value)}") for mark in marks]
        x, y = 4.0, bottom + 12.0
        for shape, name in entries:
            width = 26 + 6.0 * len(name)
            if x > 4 and x + width > WIDTH:
                x, y = 4.0, y + 16
            self.add(shape.format(x=round(x), end=round(x) + 10, y=round(y) - 7, middle=round(y) - 4))
            self.text(x + 15, y, name, "start")
            x += width
        y += 16 if entries else 0
        height = y - 6
        return (
            f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-labelledby="{self.key}-t {self.key}-d">'
            f'<title id="{self.key}-t">{attribute(self.title)}</title>'
            f'<desc id="{self.key}-d">{attribute(self.description, 1000)}</desc>{"".join(self.pieces)}</svg>'
        )
