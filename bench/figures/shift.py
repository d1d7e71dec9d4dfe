"""SSIM in distribution against SSIM out of distribution, as Figures 2, 4, 6 and 13 of the ICML 2021 paper.

Each comparison has a panel with a point and its intervals for each model, the line through the points, and y = x.
The figure is drawn from a study's record only, without JAX.
"""

from __future__ import annotations

import textwrap
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figures.frame import as_png, lighten
from bench.plan.intervals import bars, name_of

_COLOURS = {
    "linear": "#777777",
    "sparsity": "#2f7ebc",
    "low rank": "#6b8ba4",
    "un-trained": "#3b8f4c",
    "unet": "#b8791e",
    "varnet": "#c8382b",
    "irim": "#7b5aa6",
    "test-time training": "#c2539b",
    "variational network": "#7a2e1d",
    "unrolled denoiser": "#e07a2c",
    "cascade": "#2aa198",
    "generator": "#8c8c2b",
    "automap": "#1f3a5f",
    "diffusion": "#d4a017",
    "plug-and-play": "#5f9ea0",
}
_MARKERS = "osD^vP*X<>"
_GREY = "#4c566a"
_COLUMNS = 4


@as_png(title=9)
def draw(content: dict[str, Any]) -> Figure:
    """Draw the content of study.json as PNG."""
    comparisons = content["comparisons"]
    marks = _marks(comparisons)
    columns = min(_COLUMNS, len(comparisons))
    rows = -(-len(comparisons) // columns)
    # Below the panels is a legend of several columns; it needs a line for every so many names.
    lines = -(-len(marks) // (2 * columns))
    below = 0.35 + 0.2 * lines
    figure = Figure(figsize=(max(3.25 * columns + 0.4, 5.2), 3.35 * rows + 0.45 + below), dpi=110)
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel, comparison in zip(axes.flat, comparisons, strict=False):
        _panel(panel, comparison, marks)
    for panel in axes.flat[len(comparisons) :]:
        panel.set_visible(False)
    handles = [
        matplotlib.lines.Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=6, label=name)
        for name, (colour, marker) in marks.items()
    ]
    figure.legend(handles=handles, loc="lower center", ncol=2 * columns, frameon=False, columnspacing=1.2)
    figure.suptitle(
        f"Mean SSIM in distribution (across) and out of it (up){_named(comparisons)}", fontsize=11, y=0.995, va="top"
    )
    height = figure.get_figheight()
    figure.subplots_adjust(
        left=0.55 / figure.get_figwidth(), right=0.985, bottom=(below + 0.35) / height, top=1 - 0.85 / height,
        wspace=0.24, hspace=0.42,
    )  # fmt: skip
    return figure


def _marks(comparisons: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each variant: a group shares a colour, and each variant in it has another marker."""
    found: dict[str, str] = {}
    for comparison in comparisons:
        for point in comparison["results"]["points"]:
            found.setdefault(point["variant"], point["group"])
    marks, seen = {}, dict.fromkeys(found.values(), 0)
    for name, group in found.items():
        marks[name] = (_COLOURS.get(group, _GREY), _MARKERS[seen[group] % len(_MARKERS)])
        seen[group] += 1
    return marks


def _panel(axes: Axes, comparison: dict[str, Any], marks: dict[str, tuple[str, str]]) -> None:
    results = comparison["results"]
    points, line = results["points"], results["line"]
    for point in points:
        colour, marker = marks[point["variant"]]
        axes.errorbar(
            point["inside"], point["outside"], xerr=_bars(point, "inside"), yerr=_bars(point, "outside"),
            color=colour, marker=marker, markersize=5.5, linewidth=1, capsize=2, zorder=3,
        )  # fmt: skip
    sides = [_extent(points, side) for side in ("inside", "outside")]
    low, high = min(side[0] for side in sides), max(side[1] for side in sides)
    margin = 0.06 * (high - low)
    low, high = low - margin, high + margin
    axes.plot([low, high], [low, high], color=_GREY, linewidth=0.9, linestyle=":", zorder=1)
    if line is not None:
        x = np.array(sides[0])
        axes.plot(x, line["intercept"] + line["slope"] * x, color=_GREY, linewidth=1.3, zorder=2)
        words = f"slope {line['slope']:.2f} ± {line['slope_half']:.2f}, R² {line['r2']:.2f}"
        axes.annotate(words, (0.5, 1.02), xycoords="axes fraction", ha="center", va="bottom", color=_GREY)
    axes.annotate("y = x", (low, low), (20, 8), textcoords="offset points", ha="left", va="bottom", color=_GREY)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    if comparison["kind"] == "same model":
        title, labels = f"{comparison['axis']}", (comparison["inside"], comparison["outside"])
    else:
        title = f"{comparison['axis']}, tested on {comparison['outside']}"
        labels = (f"trained for {comparison['outside']}", f"trained for {comparison['inside']}")
    axes.set_title("\n".join(textwrap.wrap(title, 38)), pad=17, parse_math=False)
    axes.set_xlabel(labels[0], labelpad=2, parse_math=False)
    axes.set_ylabel(labels[1], labelpad=2, parse_math=False)
    lighten(axes)


def _named(comparisons: list[dict[str, Any]]) -> str:
    """The name of the bars, for the title."""
    points = [point for one in comparisons for point in one["results"]["points"]]
    found = [point[f"{side}_interval"] for point in points for side in ("inside", "outside")]
    kinds = {one["kind"] for one in found if one is not None}
    return f"; bars: {name_of(kinds)}" if kinds else ""


def _bars(point: dict[str, Any], side: str) -> list[list[float]]:
    below, above = bars(point[side], point[f"{side}_interval"])
    return [[below], [above]]


def _extent(points: list[dict[str, Any]], side: str) -> tuple[float, float]:
    """The lowest and the highest end of the intervals, widened if all are equal."""
    reach = [(point[side], *bars(point[side], point[f"{side}_interval"])) for point in points]
    low, high = min(y - below for y, below, _ in reach), max(y + above for y, _, above in reach)
    return (low, high) if high - low > 1e-3 else (low - 0.05, high + 0.05)
