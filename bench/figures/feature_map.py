"""Map of how well each method keeps a small feature, by place in the slice, as Figure 7 of the ICML 2021 paper.

Each method has a row: its image, and for each place of the feature its MSE, its kept contrast, and its detectability
relative to the whole scan.  The figure is drawn from a study's records only (images.jsonl, pictures.npz), without JAX.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bench.figures.frame import as_png
from bench.figures.overview import pictures, show
from bench.record.rows import lines_of
from jaxcs.names import printable

_PANELS = (
    ("mse", "MSE of the feature", "inferno"),
    ("kept", "contrast kept", "viridis"),
    ("detectability", "d' / d' of the whole scan", "viridis"),
)


@as_png()
def draw(folder: Path) -> Figure:
    """Draw a study's folder as PNG."""
    lines = lines_of(folder / "images.jsonl")
    rows = [row for row in lines if row.get("kind") == "feature"]
    ssim = {row["method"]: row["ssim"] for row in lines if row.get("kind") == "image"}
    config = json.loads((folder / "run.json").read_text(encoding="utf-8"))["config"]
    feature, stride = config["insertion"], config["stride"]
    names = list(dict.fromkeys(row["method"] for row in rows))
    found, case = pictures(folder)
    truth = found["truth"]
    peak = float(np.quantile(truth, 0.999))
    # All methods share a scale: a map on a scale of its own would make the best method look like the worst.
    largest = max((row["mse"] for row in rows if row.get("mse") is not None), default=1.0) or 1.0
    panels = [one for one in _PANELS if any(row.get(one[0]) is not None for row in rows)]
    columns, height = len(panels) + 2, 2.2 * truth.shape[0] / truth.shape[1]
    figure = Figure(figsize=(2.5 * columns, len(names) * height + 0.9), dpi=110)
    grid = figure.add_gridspec(len(names), columns, wspace=0.22, hspace=0.14)
    for index, name in enumerate(names):
        if index == 0:
            show(figure.add_subplot(grid[0, 0]), truth, peak, "truth", "gray", None)
        else:
            figure.add_subplot(grid[index, 0]).set_axis_off()
        title = f"{name}, SSIM {ssim[name]:.3f}"
        show(figure.add_subplot(grid[index, 1]), found[f"{name}|clean"], peak, title, "gray", None)
        own = [row for row in rows if row["method"] == name]
        for column, (score, words, colours) in enumerate(panels):
            axes = figure.add_subplot(grid[index, column + 2])
            high = largest if score == "mse" else 1.0
            _panel(figure, axes, score, words, colours, own, stride, truth, peak, high)
    figure.suptitle(
        f"{printable(case)}: {feature['shape']} of {feature['size']:g} pixels, contrast {feature['contrast']:g} "
        f"of the {feature['reference']}, every {stride} pixels",
        y=1 - 0.12 / figure.get_figheight(),
        fontsize=11,
        parse_math=False,
    )
    figure.subplots_adjust(left=0.01, right=0.97, top=1 - 0.62 / figure.get_figheight(), bottom=0.02)
    return figure


def _panel(
    figure: Figure,
    axes: Any,
    score: str,
    words: str,
    colours: str,
    rows: list[dict[str, Any]],
    stride: int,
    truth: np.ndarray,
    peak: float,
    high: float,
) -> None:
    """Draw a heat map over the dark truth; each square is a place of the feature.  high: end of its scale."""
    values = np.full((-(-truth.shape[0] // stride), -(-truth.shape[1] // stride)), np.nan)
    for row in rows:
        value = row.get(score)
        if value is not None and score == "detectability":
            value = value / row["detectability_whole"]
        if value is not None:
            values[row["row"] // stride, row["column"] // stride] = value
    show(axes, truth, 3 * peak, words, "gray", None)
    # The middle of a feature is half its size after its first pixel.
    shift = (rows[0]["size"] - 1) / 2 - stride / 2
    extent = (shift, shift + values.shape[1] * stride, shift + values.shape[0] * stride, shift)
    drawn = axes.imshow(values, cmap=colours, vmin=0, vmax=high, extent=extent, interpolation="nearest")
    axes.set_xlim(-0.5, truth.shape[1] - 0.5)
    axes.set_ylim(truth.shape[0] - 0.5, -0.5)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.045, pad=0.02, ticks=(0, high / 2, high))
    bar.ax.set_yticklabels([f"{value:.2g}" for value in (0, high / 2, high)])
