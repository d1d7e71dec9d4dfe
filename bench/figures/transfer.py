"""Every method under every method's perturbations, as Figures 3 and 9 of the ICML 2021 paper.

Top: PSNR and SSIM against epsilon; each source has a panel, and each victim a line with its interval.  Bottom: one
image, reconstructed by each method from clean data and from data that its own attack perturbed at the shown epsilon.
The figure is drawn from a run's records only (summary.csv, pictures.npz), without JAX.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.figures.bars import named, reach_of
from bench.figures.frame import as_png
from bench.figures.overview import pictures, show
from bench.figures.side_by_side import COLOURS
from bench.record.records import shown_epsilon
from jaxcs.names import printable

_STYLES: tuple[tuple[Literal["-", "--"], str], ...] = (
    ("-", "under its own attack"),
    ("--", "under one made for another"),
)


@as_png()
def draw(folder: Path) -> Figure:
    """Draw a run folder as PNG."""
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sources, victims = (list(dict.fromkeys(row[name] for row in rows)) for name in ("source", "victim"))
    found, case = pictures(folder)
    eps = shown_epsilon({float(row["eps"]) for row in rows})
    columns = max(len(sources), 1)
    figure = Figure(figsize=(2.75 * columns + 0.6, 10.2), dpi=110)
    halves = figure.add_gridspec(2, 1, hspace=0.16)
    grid = halves[0].subgridspec(2, columns, hspace=0.12, wspace=0.08)
    images = halves[1].subgridspec(2, columns, hspace=0.12, wspace=0.08)
    for index, metric in enumerate(("psnr", "ssim")):
        _curves(figure, grid, index, [row for row in rows if row["metric"] == metric], sources, victims)
    for column, label in enumerate(sources):
        peak = float(np.quantile(found["truth"], 0.999))
        for row, (key, words) in enumerate(
            ((f"{label}|clean", "clean"), (f"{label}|{label}|{eps:g}", f"attacked, epsilon {eps:g}"))
        ):
            axes = figure.add_subplot(images[row, column])
            show(axes, found[key], peak, f"{label}, {words}", "gray", None)
    kinds = named(rows)
    bars = f" (bars: {kinds})" if kinds else ""
    many = max((int(row["n"]) for row in rows), default=0)
    means = f"curves: mean of {many} images{bars}" if many > 1 else "curves: one image"
    title = f"Every method under every method's perturbations\n{means}; pictures: {printable(case)}"
    figure.suptitle(title, y=0.985, fontsize=10.5, parse_math=False)
    lines = _legend(figure, victims)
    figure.subplots_adjust(left=0.075, right=0.985, top=0.905 - 0.018 * lines, bottom=0.02)
    return figure


def _legend(figure: Figure, victims: list[str]) -> int:
    """Name the lines above all panels, where the legend covers none of them; returns the number of its rows."""
    handles = [
        Line2D([], [], color=COLOURS[place % len(COLOURS)], marker="o", markersize=3, label=victim)
        for place, victim in enumerate(victims)
    ]
    for style, words in _STYLES:
        handles.append(Line2D([], [], color="black", linestyle=style, label=words))
    figure.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.53, 0.942), ncol=min(len(handles), 6), frameon=False,
        fontsize=8, handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip
    return -(-len(handles) // 6)


def _curves(
    figure: Figure, grid: Any, index: int, rows: list[dict[str, str]], sources: list[str], victims: list[str]
) -> None:
    """Draw a row of panels for one metric, on one scale."""
    first = None
    for column, source in enumerate(sources):
        axes = figure.add_subplot(grid[index, column], sharey=first)
        first = first or axes
        for place, victim in enumerate(victims):
            line = sorted(
                (row for row in rows if (row["source"], row["victim"]) == (source, victim)),
                key=lambda row: float(row["eps"]),
            )
            if not line:
                continue
            x = [0.0] * (float(line[0]["eps"]) > 0) + [float(row["eps"]) for row in line]
            y = [float(line[0]["clean"])] * (float(line[0]["eps"]) > 0) + [float(row["attacked"]) for row in line]
            reach = [(0.0, 0.0)] * (len(x) - len(line)) + [reach_of(row, "attacked") for row in line]
            axes.errorbar(
                x, y, yerr=np.array(reach).T, color=COLOURS[place % len(COLOURS)], marker="o", markersize=3,
                linewidth=1.6, capsize=2, linestyle="-" if source == victim else "--",
            )  # fmt: skip
        axes.set_title(f"made for {source}" if index == 0 else "", pad=4)
        if index == 1:
            axes.set_xlabel("epsilon", labelpad=1)
        else:
            axes.tick_params(labelbottom=False)
        axes.grid(alpha=0.25)
        if column == 0:
            axes.set_ylabel("PSNR [dB]" if index == 0 else "SSIM")
        else:
            axes.tick_params(labelleft=False)
