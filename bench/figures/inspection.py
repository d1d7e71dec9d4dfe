"""One image of a run: what it hallucinates, up to which frequency its patches agree, and where it is sensitive.

The figure is drawn from the result of `bench.proof.inspection`, without JAX.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bench.figures.frame import as_png
from bench.figures.overview import show
from jaxcs.names import printable

_GAIN = 5
_STATES = {"clean": ("clean data", "#4c566a"), "noise": ("with noise", "#2f7ebc"), "attacked": ("attacked", "#c8382b")}


@as_png(title=9)
def draw(result: Any) -> Figure:
    """Draw an inspection as PNG.

    Args:
        result: see `bench.proof.inspection.Inspection`.
    """
    peak = float(np.quantile(result.truth, 0.999))
    figure = Figure(figsize=(11, 7.2), dpi=110)
    axes = figure.subplots(3, 5)
    for row, (state, (words, colour)) in zip(axes, _STATES.items(), strict=True):
        image, one = result.images[state], result.numbers["states"][state]
        show(row[1], image, peak, words, "gray", colour)
        show(row[2], np.abs(image - result.truth) * _GAIN, peak, f"error x{_GAIN}", "inferno", None)
        title = f"hallucinated x{_GAIN}: {one['hallucinated_energy']:.2g} of the energy"
        show(row[3], result.hallucinated[state] * _GAIN, peak, title, "inferno", None)
        title = f"sFRC cut-off, worst {one['least_cutoff']:.2f}"
        show(row[4], _spread(result, state), 1.0, title, "viridis", None)
    show(axes[0, 0], result.truth, peak, "truth", "gray", None)
    if result.sensitivity is not None:
        largest = float(result.sensitivity.max()) or 1.0
        show(axes[1, 0], result.sensitivity, largest, f"sensitivity, 0 to {largest:.2g}", "magma", None)
    else:
        axes[1, 0].set_visible(False)
    axes[2, 0].set_visible(False)
    numbers = result.numbers
    title = f"{numbers['method']} on {numbers['case']}, epsilon {numbers['eps']:g}"
    figure.suptitle(printable(title), x=0.5, y=0.985, fontsize=11, parse_math=False)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.92, bottom=0.01, wspace=0.04, hspace=0.12)
    return figure


def _spread(result: Any, state: str) -> np.ndarray:
    """The cut-off frequency of each patch at all of its pixels, on the canvas of the image; NaN stays empty."""
    spread = np.kron(result.cutoff[state], np.ones((result.patch, result.patch)))
    canvas = np.full(result.truth.shape, np.nan)
    canvas[: spread.shape[0], : spread.shape[1]] = spread
    return canvas
