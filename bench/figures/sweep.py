"""Gain against each constant of the attack, beside the largest singular value: a row of panels for each world.

A dot is an ascent after a number of steps, its mean over images.  A line joins the ascents that differ in the constant
of the panel alone.  The figure is drawn from a study's records only (images.jsonl), without JAX.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bench.figures.frame import as_png, lighten
from bench.record.rows import lines_of

_COLOURS = ("#2f7ebc", "#c8382b", "#3b8f4c")
_CONSTANTS = {
    "step_factor": "step [times that of the study]",
    "penalty_factor": "penalty [times that of the study]",
    "decay": "momentum",
}
_Rows = list[dict[str, Any]]


@as_png()
def draw(folder: Path) -> Figure:
    """Draw the sweep of a study's folder as PNG."""
    lines = lines_of(folder / "images.jsonl")
    worlds = list(dict.fromkeys(row["world"] for row in lines if row.get("kind") == "sweep"))
    size = (3.0 * (1 + len(_CONSTANTS)) + 0.4, 2.9 * len(worlds) + 0.4)
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    grid = figure.subplots(len(worlds), 1 + len(_CONSTANTS), squeeze=False, sharey="row")
    for axes, world in zip(grid, worlds, strict=True):
        _row(axes, world, [row for row in lines if row.get("world") == world])
    return figure


def _row(panels: np.ndarray, world: str, rows: _Rows) -> None:
    swept = [row for row in rows if row["kind"] == "sweep" and row["gain"] is not None]
    points = _means(swept)
    largest = [
        row["singular_value"] for row in rows if row.get("singular_value") is not None and row["role"] == "tested"
    ]
    for axes in panels:
        axes.axhline(1, color="black", lw=0.6)
        if largest:
            axes.axhline(float(np.mean(largest)), color="black", lw=1, ls="--", label="largest singular value")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        lighten(axes)
    for colour, steps in zip(_COLOURS, sorted({point["steps"] for point in points}), strict=False):
        own = [point for point in points if point["steps"] == steps]
        panels[0].plot(
            [100 * point["norm"] for point in own], [point["gain"] for point in own], "o", color=colour, ms=3,
            label=f"after {steps} steps",
        )  # fmt: skip
        for axes, constant in zip(panels[1:], _CONSTANTS, strict=True):
            places = {value: place for place, value in enumerate(_values(constant, points))}
            axes.plot([places[p[constant]] for p in own], [p["gain"] for p in own], "o", color=colour, ms=3, alpha=0.35)
            line = sorted((p for p in own if _differs_in(constant, p, points)), key=lambda p: p[constant])
            axes.plot([places[p[constant]] for p in line], [p["gain"] for p in line], "o-", color=colour, ms=3)
    panels[0].set_xscale("log")
    panels[0].set_xlabel("norm of the perturbation [%]")
    panels[0].set_ylabel("gain")
    panels[0].set_title(world)
    panels[0].legend(frameon=False, fontsize=7)
    for axes, (constant, words) in zip(panels[1:], _CONSTANTS.items(), strict=True):
        axes.set_xlabel(words)
        values = _values(constant, points)
        axes.set_xticks(range(len(values)), [f"{value:g}" for value in values])


def _values(constant: str, points: _Rows) -> list[float]:
    """The values of a constant, which stand at equal distances on its axis."""
    return sorted({point[constant] for point in points})


def _means(rows: _Rows) -> _Rows:
    """The means over images of each ascent and number of steps."""
    names = (*_CONSTANTS, "steps")
    groups: dict[tuple[float, ...], _Rows] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return [
        dict(zip(names, at, strict=True)) | {s: float(np.mean([row[s] for row in own])) for s in ("norm", "gain")}
        for at, own in groups.items()
    ]


def _differs_in(constant: str, point: dict[str, Any], points: _Rows) -> bool:
    """Whether a point has all other constants of the study, whose momentum the first point has."""
    usual = {"step_factor": 1.0, "penalty_factor": 1.0, "decay": points[0]["decay"]}
    return all(point[name] == value for name, value in usual.items() if name != constant)
