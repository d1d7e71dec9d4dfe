"""Defences by clean accuracy and worst case, drawn from the record of bench.defend."""

from __future__ import annotations

import statistics
from typing import Any

from matplotlib.figure import Figure

from bench.figures.frame import as_png, lighten
from bench.figures.side_by_side import COLOURS
from bench.plan.intervals import bars
from jaxcs.names import printable


@as_png()
def draw(record: dict[str, Any]) -> Figure:
    """Draw a study's record as PNG: clean PSNR across, worst PSNR up, thin points for images."""
    figure = Figure(figsize=(5.6, 4.4), dpi=110)
    axes = figure.add_subplot()
    for index, (name, one) in enumerate(record["defences"].items()):
        colour = COLOURS[index % len(COLOURS)]
        clean, attacked = (list(one[state].values()) for state in ("clean", "attacked"))
        axes.plot(clean, attacked, ".", color=colour, alpha=0.3, markersize=4)
        x, y = statistics.fmean(clean), statistics.fmean(attacked)
        across, up = bars(x, one["clean_interval"]), bars(y, one["attacked_interval"])
        axes.errorbar(
            x, y, xerr=[[across[0]], [across[1]]], yerr=[[up[0]], [up[1]]], fmt="o", color=colour, capsize=2,
            label=printable(name),
        )  # fmt: skip
    axes.set_xlabel("PSNR from clean data [dB]")
    axes.set_ylabel(f"PSNR under the method's own attack, epsilon {record['eps']:g} [dB]")
    axes.set_title(f"{len(record['volumes'])} images; bars: 95 % or the range of volumes")
    axes.legend(frameon=False)
    lighten(axes)
    figure.tight_layout()
    return figure
