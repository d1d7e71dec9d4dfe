"""Comparison of methods on small features, as Figures 17 and 8 of the ICML 2021 paper.

Left: scores of features against their size, or scores of boxes.  Right: their MSE against SSIM of the image; for boxes,
a small point for each image, and the lines through these points and those of each group.  The figure is drawn from a
study's records only (run.json, summary.csv, images.jsonl), without JAX.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bench.figures.bars import named, reach_of
from bench.figures.frame import as_png, lighten
from bench.figures.side_by_side import COLOURS
from bench.findings.boxes import Points, box_points, families, together
from bench.plan.line import line
from bench.record.rows import lines_of

_SIZES = (("mse", "MSE of the feature, standardised"), ("kept", "contrast kept"))
_BOXES = (("mse", "MSE of the box, standardised"), ("box_ssim", "SSIM of the box"))


@as_png()
def draw(folder: Path) -> Figure:
    """Draw a study's folder as PNG."""
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    study = json.loads((folder / "run.json").read_text(encoding="utf-8"))["config"]["study"]
    names = list(dict.fromkeys(row["method"] for row in rows))
    figure = Figure(figsize=(11, 3.8), dpi=110)
    axes = figure.subplots(1, 3)
    for panel, (score, words) in zip(axes, _SIZES if study == "sizes" else _BOXES, strict=False):
        for at, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
            own = [row for row in rows if (row["method"], row["score"]) == (name, score)]
            x = [float(row["size"]) if row["size"] else at for row in own]
            y, reach = [float(row["mean"]) for row in own], [reach_of(row, "mean") for row in own]
            panel.errorbar(
                x,
                y,
                yerr=np.array(reach).reshape(-1, 2).T,
                color=colour,
                label=name,
                marker="o",
                markersize=4,
                capsize=2,
            )
        kinds = named(rows)
        panel.set_title(words + (f" ({kinds})" if kinds else ""), pad=4)
        if study == "sizes":
            panel.set_xlabel("size [pixels]")
            panel.set_xticks(sorted({float(row["size"]) for row in rows if row["size"]}))
        else:
            panel.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    if study == "sizes":
        axes[0].legend(frameon=False)
    _against_ssim(axes[2], rows, names)
    if study == "boxes":
        _each_image(axes[2], box_points(lines_of(folder / "images.jsonl")), names)
    for panel in axes:
        lighten(panel)
    figure.subplots_adjust(left=0.06, right=0.985, top=0.88, bottom=0.2, wspace=0.25)
    return figure


def _against_ssim(axes: Any, rows: list[dict[str, str]], names: list[str]) -> None:
    """Show whether a method that is better on the image is better on the feature."""

    def mean(name: str, score: str) -> float:
        own = [row for row in rows if (row["method"], row["score"]) == (name, score)]
        return float(np.average([float(row["mean"]) for row in own], weights=[int(row["n"]) for row in own]))

    for name, colour in zip(names, COLOURS, strict=False):
        x, y = mean(name, "ssim"), mean(name, "mse")
        axes.plot(x, y, "o", color=colour)
        axes.annotate(name, (x, y), (5, 4), textcoords="offset points", color=colour)
    axes.margins(0.25)
    axes.set_xlabel("SSIM of the image")
    axes.set_title("MSE against SSIM of the image", pad=4)


def _each_image(axes: Any, points: Points, names: list[str]) -> None:
    """Show the images of each method, and the line through all of them."""
    for name, colour in zip(names, COLOURS, strict=False):
        axes.plot(*points.get(name, ([], [])), ".", color=colour, alpha=0.5, markersize=4)
    for own in (families(points) if len(points) > 1 else {}).values():
        _line(axes, own, 0.8, ":")
    fitted = _line(axes, points, 1.2, "-")
    if fitted is not None:
        slope = f"slope {fitted['slope']:.2f} ± {fitted['slope_half']:.2f}, R² {fitted['r2']:.2f}"
        axes.set_title(f"MSE against SSIM of the image\n{slope} (dotted: group)", pad=4)


def _line(axes: Any, points: Points, width: float, style: str) -> dict[str, float] | None:
    """Draw the line through points, if there is one, and return it."""
    x, y = together(points)
    fitted = line(x, y)
    if fitted is not None:
        ends = np.array([min(x), max(x)])
        height = fitted["intercept"] + fitted["slope"] * ends
        axes.plot(ends, height, color="0.5", linewidth=width, linestyle=style, zorder=0)
    return fitted
