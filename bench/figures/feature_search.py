"""The feature that a method loses most easily, before and after reconstruction; each method has a row.

The figure is drawn from a study's records only (images.jsonl, pictures.npz), without JAX.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from bench.figures.frame import as_png
from bench.figures.overview import pictures, show
from bench.record.rows import lines_of
from jaxcs.names import printable


@as_png()
def draw(folder: Path) -> Figure:
    """Draw a study's folder as PNG."""
    lines = lines_of(folder / "images.jsonl")
    rows = [row for row in lines if row.get("kind") == "search"]
    found, case = pictures(folder)
    figure = Figure(figsize=(11, 2.35 * max(len(rows), 1) + 0.6), dpi=110)
    grid = figure.add_gridspec(max(len(rows), 1), 5, wspace=0.06, hspace=0.2)
    # One scale for all differences, so that rows can be compared.
    put_in = [found[f"{row['method']}|search {name}"] for row in rows for name in ("plain", "worst")]
    size = max((float(np.abs(one).max()) for one in put_in), default=1.0)
    for index, row in enumerate(rows):
        own = {
            name: found[f"{row['method']}|search {name}"]
            for name in ("truth", "plain", "plain found", "worst", "worst found")
        }
        peak = float(np.quantile(own["truth"], 0.999))
        show(figure.add_subplot(grid[index, 0]), own["truth"], peak, f"{row['method']}: truth there", "gray", None)
        words = {"plain": "plain, put in", "plain found": f"found: {row['kept_place']:.2f} kept"}
        words |= {"worst": "worst profile, put in", "worst found": f"found: {row['kept_worst']:.2f} kept"}
        for column, (name, title) in enumerate(words.items()):
            axes = figure.add_subplot(grid[index, column + 1])
            axes.imshow(own[name], cmap="RdBu_r", vmin=-size, vmax=size, interpolation="nearest")
            axes.set_title(title, pad=3)
            axes.set_xticks([])
            axes.set_yticks([])
    title = f"{printable(case)}: images with less images without the feature; red brighter, blue darker"
    figure.suptitle(title, fontsize=11, parse_math=False)
    figure.subplots_adjust(left=0.01, right=0.99, top=1 - 0.6 / figure.get_figheight(), bottom=0.02)
    return figure
