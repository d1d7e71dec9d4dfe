"""Line charts as inline SVG; the page's style sheet colours them, so that they follow its light and dark scheme."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from markupsafe import Markup

from bench.page.document import rendered
from bench.plan.intervals import Interval, bars, told

# Size and margins of a drawing, in its own units; the page scales it.
_WIDTH, _HEIGHT = 440, 270
# The names of marks stand above the drawing, where they cover no line.
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 14, 24, 42
_Scale = Callable[[float], float]


class Point(NamedTuple):
    """A point of a line.

    Attributes:
        x: horizontal position.
        y: vertical position.
        interval: interval of y, or None.
    """

    x: float
    y: float
    interval: Interval | None = None


class Line(NamedTuple):
    """A line of a chart.

    Attributes:
        name: name of the line.
        kind: its class in the style sheet, which colours and dashes it.
        points: its points.
        legend: its text in the legend, which several lines may share; the name if empty.
    """

    name: str
    kind: str
    points: list[Point]
    legend: str = ""


class Mark(NamedTuple):
    """A vertical line.

    Attributes:
        x: its position.
        name: its name.
    """

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
) -> Markup:
    """Draw a chart as a figure element.

    Args:
        title: title of the chart.
        lines: the lines; lines without points are left out.
        x_label: label of the horizontal axis.
        marks: vertical lines, or None.
        y_range: (low, high) of the vertical axis if several charts share it, or None.
        digits: decimals of the values in texts.
    """
    lines = [line for line in lines if line.points]
    low, high = y_range or extent(lines)
    # A mark far to the right must not squeeze the curves.
    right = max(point.x for line in lines for point in line.points) or 1.0
    inside = [mark for mark in marks or [] if mark.x <= 1.5 * right]
    right = max([right, *(mark.x for mark in inside)])
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x_of(value: float) -> float:
        return round(_LEFT + width * value / right, 1)

    def y_of(value: float) -> float:
        return round(_TOP + height * (1 - (value - low) / (high - low)), 1)

    entries = {line.legend or line.name: line.kind for line in reversed(lines)}
    return rendered(
        "chart.html",
        title=title,
        frame={
            "width": _WIDTH,
            "height": _HEIGHT,
            "left": _LEFT,
            "right": _WIDTH - _RIGHT,
            "top": _TOP,
            "bottom": _TOP + height,
            "middle": _LEFT + width / 2,
        },
        legend=list(reversed(entries.items())),
        spoken=f"{title} against {x_label}. {_spoken(lines, digits)}",
        rows=[(y_of(tick), f"{tick:g}") for tick in _ticks(low, high)],
        columns=[(x_of(tick), f"{tick:g}") for tick in _ticks(0, right)],
        x_label=x_label,
        marks=[(x_of(mark.x), mark.name, mark.x > 0.6 * right) for mark in inside],
        bands=[(line.kind, _band(line, x_of, y_of)) for line in lines if _known(line)],
        drawn=[(line.kind, _path(line.points, x_of, y_of), _dots(line, x_of, y_of, digits)) for line in lines],
    )


def extent(lines: list[Line]) -> tuple[float, float]:
    """Return (low, high) of the vertical axis, with a margin."""
    reach = [(point.y, *bars(point.y, point.interval)) for line in lines for point in line.points]
    low, high = min(y - below for y, below, _ in reach), max(y + above for y, _, above in reach)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _path(points: list[Point], x_of: _Scale, y_of: _Scale) -> str:
    return " ".join(f"{x_of(point.x)},{y_of(point.y)}" for point in points)


def _dots(line: Line, x_of: _Scale, y_of: _Scale, digits: int) -> list[tuple[float, float, str]]:
    """Position and text of each point; none for a line of many points."""
    return [
        (x_of(point.x), y_of(point.y), f"{line.name}, {point.x:g}: {_value(point, digits)}")
        for point in line.points
        if len(line.points) <= 12
    ]


def _known(line: Line) -> list[tuple[float, Interval]]:
    """The intervals of a line as (x, interval); none if they are too few for an area."""
    known = [(point.x, point.interval) for point in line.points if point.interval is not None]
    return known if len(known) >= 2 else []


def _band(line: Line, x_of: _Scale, y_of: _Scale) -> str:
    """The outline of the area between the ends of the intervals."""
    known = _known(line)
    outline = [Point(x, one.high) for x, one in known] + [Point(x, one.low) for x, one in reversed(known)]
    return _path(outline, x_of, y_of)


def _spoken(lines: list[Line], digits: int) -> str:
    """The chart in words: start and end of each line."""
    ends = [(line.name, line.points[0], line.points[-1]) for line in lines]
    return " ".join(
        f"{name}: from {_value(first, digits)} at {first.x:g} to {_value(last, digits)} at {last.x:g}."
        for name, first, last in ends
    )


def _value(point: Point, digits: int) -> str:
    return told(point.y, point.interval, f"{{:.{digits}f}}")


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers in an interval."""
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 12) for index in range(first, math.floor(high / step + 1e-9) + 1)]
