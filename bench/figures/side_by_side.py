"""Overview of a run of several methods: one image by each of them, clean and attacked; and PSNR against epsilon.

Each method is under its own attack.  All images have one scale, and so have all errors.  The figure is drawn from a
run's records only (pictures.npz, images.jsonl), without JAX.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from bench.figures.frame import as_png, lighten
from bench.figures.overview import legend_below, pictures, show
from bench.plan.scores import rounded
from bench.record.records import shown_epsilon
from bench.record.rows import Row, State, results
from jaxcs.names import printable

COLOURS = ("#2f7ebc", "#c8382b", "#3b8f4c", "#8a56a8", "#b8791e", "#4c566a", "#1f9d9d", "#a8475f", "#777777")
_PANEL, _CHART = 1.45, 3.3  # widths [inches]
_GAINS = (20, 10, 5, 2, 1)
_STYLES: tuple[tuple[State, str], ...] = (("noise", "--"), ("attacked", "-"))


@as_png(8, 8)
def draw(folder: Path) -> Figure:
    """Draw a run folder as PNG."""
    rows = [row for row in results(folder) if row.metric == "psnr" and row.source == row.victim]
    labels = list(dict.fromkeys(row.source for row in rows))
    found, case = pictures(folder)
    eps = shown_epsilon({row.eps for row in rows})
    scores = {row.victim: row for row in rows if row.case == case and row.eps == eps}
    columns = len(labels) + 1
    truth = found["truth"]
    panel = _PANEL * truth.shape[0] / truth.shape[1]
    # The legend stands below the chart, where it covers no line.
    lines = -(-len(labels) // 2)
    height = max(3 * (panel + 0.24) + 0.55, 2.6 + 0.2 * lines)
    figure = Figure(figsize=(_PANEL * columns + _CHART, height), dpi=110)
    ratios = [_PANEL] * columns + [0.55, _CHART - 0.75]
    grid = figure.add_gridspec(3, columns + 2, width_ratios=ratios, wspace=0.04, hspace=0.14)
    _pictures(figure, grid, found, labels, scores, eps)
    axes = figure.add_subplot(grid[:, -1])
    _curves(axes, rows, labels)
    title = f"{printable(case)}: each method under its own attack, epsilon {eps:g}"
    figure.suptitle(title, y=1 - 0.1 / height, fontsize=10, parse_math=False)
    figure.subplots_adjust(left=0.01, right=0.99, top=1 - 0.55 / height, bottom=(0.5 + 0.2 * lines) / height)
    legend_below(figure, axes, 2)
    return figure


def _pictures(
    figure: Figure, grid: GridSpec, found: dict[str, np.ndarray], labels: list[str], scores: dict[str, Row], eps: float
) -> None:
    """A column for each method after that of the truth: from clean data, attacked, and the error of the latter."""
    truth = found["truth"]
    peak = float(np.quantile(truth, 0.999))
    images = {label: found[f"{label}|{label}|{eps:g}"] for label in labels}
    errors = {label: np.abs(image - truth) for label, image in images.items()}
    # At most a twentieth of the errors is off their scale, which is one for all methods.
    large = float(np.quantile(np.stack([*errors.values()]), 0.95)) or peak
    gain = next((gain for gain in _GAINS if large * gain <= peak), _GAINS[-1])
    show(figure.add_subplot(grid[0, 0]), truth, peak, "truth", "gray", None)
    for column, label in enumerate(labels, start=1):
        colour, row = COLOURS[(column - 1) % len(COLOURS)], scores[label]
        titles = (f"{label}, {rounded('psnr', row.clean)} dB", f"attacked, {rounded('psnr', row.attacked)} dB")
        for place, (image, title) in enumerate(zip((found[f"{label}|clean"], images[label]), titles, strict=True)):
            show(figure.add_subplot(grid[place, column]), image, peak, title, "gray", colour)
        words = f"error x{gain}" if gain > 1 else "error"
        show(figure.add_subplot(grid[2, column]), errors[label] * gain, peak, words, "inferno", None)


def _curves(axes: Axes, rows: list[Row], labels: list[str]) -> None:
    """Mean PSNR over the images [dB]: solid under attack, dashed with noise."""
    for index, label in enumerate(labels):
        own = [row for row in rows if row.victim == label]
        eps = sorted({row.eps for row in own})
        clean = _mean([row for row in own if row.eps == eps[0]], "clean")
        for state, style in _STYLES:
            means = [_mean([row for row in own if row.eps == value], state) for value in eps]
            name = label if state == "attacked" else None
            colour = COLOURS[index % len(COLOURS)]
            axes.plot([0, *eps], [clean, *means], style, color=colour, label=name, marker="o", markersize=3)
    axes.set_xlabel("perturbation / data (epsilon)")
    images = len({row.case for row in rows})
    axes.set_title(f"PSNR [dB]{f', mean of {images}' * (images > 1)}; dashed: noise", pad=4)
    axes.set_xlim(left=0)
    lighten(axes)


def _mean(rows: list[Row], state: State) -> float:
    return float(np.mean([row.score(state) for row in rows]))
