"""SSIM against the angle, if an attack visited all angles of a rotation (Morshuis et al. 2022, Fig. 4b).

A panel for each method: each image is a thin line, and the mean is a thick line; a dot is the worst angle of an image.
The figure is drawn from a run's records only (searches.jsonl), without JAX.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from bench.figures.frame import as_png, lighten
from bench.record.rows import SearchRow, lines_of, search_of
from bench.record.run_record import read_run
from jaxcs.catalogue import CHANGES
from jaxcs.names import printable

_MEAN, _IMAGE = "#c8382b", "#2f7ebc"


@as_png()
def draw(folder: Path) -> Figure:
    """Draw a run folder as PNG, at the largest range of angles."""
    searches = [search for search in map(search_of, lines_of(folder / "searches.jsonl")) if search.ssim]
    largest = max(search.eps for search in searches)
    by_method: dict[str, list[SearchRow]] = {}
    for search in searches:
        if search.eps == largest:
            by_method.setdefault(search.source, []).append(search)
    threat = read_run(folder).config["threat"]
    unit = CHANGES[threat].unit if threat in CHANGES else ""
    figure = Figure(figsize=(3.6 * len(by_method) + 0.4, 3.3), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(by_method), squeeze=False, sharey=True)[0]
    for axes, (method, own) in zip(panels, by_method.items(), strict=True):
        curves = np.array([search.ssim for search in own], float)
        values = np.linspace(-largest, largest, curves.shape[1])
        axes.plot(values, curves.T, color=_IMAGE, alpha=0.4, linewidth=0.8)
        worst = np.nanargmin(curves, axis=1)
        axes.plot(values[worst], curves[np.arange(len(curves)), worst], "o", color=_IMAGE, markersize=3)
        axes.plot(values, np.mean(curves, axis=0), color=_MEAN, linewidth=1.8)
        axes.set_title(f"{printable(method)}, {len(own)} image{'s' * (len(own) > 1)}", parse_math=False)
        axes.set_xlabel(f"{threat} [{unit}]")
        lighten(axes)
    panels[0].set_ylabel("SSIM (thick: mean, dot: worst)")
    return figure
