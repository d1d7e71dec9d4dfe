"""Line charts as inline SVG, coloured by the page's style sheet so that they follow its light and dark scheme."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape
from typing import NamedTuple

from bench.plan.intervals import Interval, bars, told

# Of the drawing, in its own units; the page scales it.
_WIDTH, _HEIGHT = 440, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 14, 16, 42
_Scale = Callable[[float], float]


class Point(NamedTuple):
    """interval: about y, or None."""

    x: float
    y: float
    interval: Interval | None = None


class Line(NamedTuple):
    """kind: the class that the style sheet colours, and dashes.  legend: several lines may share one; else the name."""

    name: str
    kind: str
    points: list[Point]
    legend: str = ""


class Mark(NamedTuple):
    """A vertical line at x."""

    x: float
    name: str


def chart(
    title: str,
    lines: list[Line],
    x_label: str,
    *,
    marks: list[Mark] | None = None,
    y_range: tuple[float, float] | None = None,
    digits: int = 1,
) -> str:
    """A figure element.  y_range: where several charts share one."""
    lines = [line for line in lines if line.points]
    low, high = y_range or extent(lines)
    # A mark far to the right must not squeeze the curves; the legend still names it.
    right = max(point.x for line in lines for point in line.points) or 1.0
    inside = [mark for mark in marks or [] if mark.x <= 1.5 * right]
    right = max([right, *(mark.x for mark in inside)])
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x_of(value: float) -> float:
        return round(_LEFT + width * value / right, 1)

    def y_of(value: float) -> float:
        return round(_TOP + height * (1 - (value - low) / (high - low)), 1)

    parts = []
    for tick in _ticks(low, high):
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y_of(tick)}" y2="{y_of(tick)}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y_of(tick) + 4}" text-anchor="end">{tick:g}</text>')
    for tick in _ticks(0, right):
        parts.append(f'<text x="{x_of(tick)}" y="{_HEIGHT - _BOTTOM + 17}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{_TOP + height}" y2="{_TOP + height}"/>')
    parts.append(f'<text x="{_LEFT + width / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
    for mark in inside:
        parts.append(f'<line class="mark" x1="{x_of(mark.x)}" x2="{x_of(mark.x)}" y1="{_TOP}" y2="{_TOP + height}"/>')
        late = mark.x > 0.6 * right
        parts.append(
            f'<text x="{x_of(mark.x) + (-4 if late else 4)}" y="{_TOP + height - 6}" '
            f'text-anchor="{"end" if late else "start"}">{escape(mark.name)}</text>'
        )
    parts += [_band(line, x_of, y_of) for line in lines]
    parts += [_line(line, x_of, y_of, digits) for line in lines]
    entries = {line.legend or line.name: line.kind for line in reversed(lines)}
    legend = "".join(f'<li class="{kind}">{escape(name)}</li>' for name, kind in reversed(entries.items()))
    spoken = escape(f"{title} against {x_label}. {_spoken(lines, digits)}", quote=True)
    return (
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption><ul class="legend">{legend}</ul>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{spoken}">{"".join(parts)}</svg></figure>'
    )


def extent(lines: list[Line]) -> tuple[float, float]:
    """Range of the y axis, with a margin."""
    reach = [(point.y, *bars(point.y, point.interval)) for line in lines for point in line.points]
    low, high = min(y - below for y, below, _ in reach), max(y + above for y, _, above in reach)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _line(line: Line, x_of: _Scale, y_of: _Scale, digits: int) -> str:
    path = " ".join(f"{x_of(point.x)},{y_of(point.y)}" for point in line.points)
    dots = "".join(
        f'<circle cx="{x_of(point.x)}" cy="{y_of(point.y)}" r="3.2">'
        f"<title>{escape(f'{line.name}, {point.x:g}: {_value(point, digits)}')}</title></circle>"
        for point in line.points
        if len(line.points) <= 12
    )
    return f'<g class="line {line.kind}"><polyline points="{path}"/>{dots}</g>'


def _band(line: Line, x_of: _Scale, y_of: _Scale) -> str:
    """The interval as an area."""
    known = [(point.x, point.interval) for point in line.points if point.interval is not None]
    if len(known) < 2:
        return ""
    path = [f"{x_of(x)},{y_of(one.high)}" for x, one in known]
    path += [f"{x_of(x)},{y_of(one.low)}" for x, one in reversed(known)]
    return f'<polygon class="band {line.kind}" points="{" ".join(path)}"/>'


def _spoken(lines: list[Line], digits: int) -> str:
    """The chart in words: where each line starts and ends."""
    ends = [(line.name, line.points[0], line.points[-1]) for line in lines]
    return " ".join(
        f"{name}: from {_value(first, digits)} at {first.x:g} to {_value(last, digits)} at {last.x:g}."
        for name, first, last in ends
    )


def _value(point: Point, digits: int) -> str:
    return told(point.y, point.interval, f"{{:.{digits}f}}")


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers inside an interval, about five."""
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 12) for index in range(first, math.floor(high / step + 1e-9) + 1)]
