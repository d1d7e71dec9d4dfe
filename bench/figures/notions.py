"""One method under the three notions of robustness, as Figure 1 of the ICML 2021 paper.

Left: PSNR against the size of an attack, beside noise of equal norm.  Middle: SSIM in distribution and out of it, for
each shift.  Right: small features, the share of their contrast that is kept, or real findings, their MSE.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figures.frame import as_png, lighten
from bench.plan.intervals import bars
from jaxcs.names import printable

_CLEAN, _NOISE, _HARMED = "#4c566a", "#2f7ebc", "#c8382b"


@as_png()
def draw(content: dict[str, Any]) -> Figure:
    """Draw the numbers of `bench.studies.claims.notions` as PNG."""
    figure = Figure(figsize=(11.5, 3.9), dpi=110, layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    _attacks(left, content["attacks"])
    _shifts(middle, content["shifts"])
    _features(right, content["features"])
    for axes in (left, middle, right):
        lighten(axes)
    figure.suptitle(f"{printable(content['method'])} under three notions of robustness", parse_math=False)
    return figure


def _attacks(axes: Axes, rows: list[dict[str, Any]]) -> None:
    eps = [0.0, *(row["eps"] for row in rows)]
    for name, colour, label in (("noise", _NOISE, "noise of equal norm"), ("attacked", _HARMED, "attacked")):
        values = [rows[0]["clean"], *(row[name] for row in rows)]
        reach = [bars(rows[0]["clean"], rows[0]["clean_interval"])]
        reach += [bars(row[name], row[f"{name}_interval"]) for row in rows]
        axes.errorbar(eps, values, yerr=np.array(reach).T, color=colour, label=label, marker="o", ms=4, capsize=2)
    axes.axhline(rows[0]["clean"], color=_CLEAN, lw=0.8, ls=":")
    axes.set_xlabel("perturbation / data (epsilon)")
    axes.set_title("attack: PSNR [dB]")
    axes.legend(frameon=False)


def _shifts(axes: Axes, rows: list[dict[str, Any]]) -> None:
    places = np.arange(len(rows))[::-1]
    sides = (("inside", _CLEAN, "in distribution", 0.18), ("outside", _HARMED, "out of it", -0.18))
    for name, colour, label, move in sides:
        values = [row[name] for row in rows]
        reach = np.array([bars(row[name], row[f"{name}_interval"]) for row in rows]).T
        axes.barh(places + move, values, 0.34, xerr=reach, color=colour, alpha=0.85, label=label, capsize=1.5)
    axes.set_yticks(places, [printable(row["name"]) for row in rows], fontsize=7.5)
    axes.set_title("shift: SSIM, grey in distribution, red out of it")


def _features(axes: Axes, scores: dict[str, list[float]]) -> None:
    kept = scores.get("kept")
    values = kept or scores["mse"]
    axes.hist(values, bins=min(30, max(5, len(values) // 3)), color=_NOISE, alpha=0.85)
    mean = float(np.mean(values))
    axes.axvline(mean, color=_HARMED)
    axes.set_title("small features: contrast kept" if kept else "real findings: MSE")
    axes.set_xlabel(f"mean {mean:.2f} of {len(values)}" + (", 1 is all of the contrast" if kept else ""))
    axes.set_ylabel("number")
