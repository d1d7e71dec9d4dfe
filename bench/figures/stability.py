"""Figures of bench.stability, as Figures 1 to 4 of Antun et al. (PNAS 2020): a row of panels for each world.

The figures are drawn from a study's records only (images.jsonl, pictures.npz), without JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figures.frame import as_png
from bench.figures.overview import Found, show
from bench.record.rows import lines_of
from jaxcs.names import printable

_COLOURS = ("#c8382b", "#2f7ebc", "#4c566a", "#3b8f4c", "#8a56a8", "#b8791e", "#1f9d9d", "#777777")
_Rows = list[dict[str, Any]]
# Panels of a row: pictures with their titles, or a function that draws.
_Panel = tuple[str, np.ndarray] | Callable[[Axes], None]


@as_png(title=8.5)
def draw(folder: Path, study: str) -> Figure:
    """Draw one study of a folder as PNG.

    Args:
        folder: the folder.
        study: "perturbation", "structure" or "samples".
    """
    lines = lines_of(folder / "images.jsonl")
    rows = [row for row in lines if row.get("kind") in (study, "clean")]
    worlds = list(dict.fromkeys(row["world"] for row in rows if row["kind"] == study))
    found = Found.read(folder / "pictures.npz")
    panels = {"perturbation": _perturbation, "structure": _structure, "samples": _samples}[study]
    made = {world: panels(world, [row for row in rows if row["world"] == world], found) for world in worlds}
    columns = max(map(len, made.values()))
    size = (2.5 * columns + 0.6, 2.9 * len(made) + 0.4)
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    grid = figure.add_gridspec(len(made), columns)
    for row, (world, own) in enumerate(made.items()):
        peak = float(np.quantile(next(one[1] for one in own if isinstance(one, tuple)), 0.999))
        for column, panel in enumerate(own):
            axes = figure.add_subplot(grid[row, column])
            if isinstance(panel, tuple):
                show(axes, panel[1], peak, panel[0], "gray", None)
                if column == 0:
                    axes.set_ylabel(printable(world))
            else:
                panel(axes)
    return figure


def _perturbation(world: str, rows: _Rows, found: Found) -> list[_Panel]:
    """The truth, and under the strongest perturbation of the ascent the truth, the methods' images and the gains."""
    climbed = [row for row in rows if row["kind"] == "perturbation" and row["attack"].startswith("Algorithm")]
    steps = max(row["steps"] for row in climbed)
    name, other = _by_role(rows, "tested"), _by_role(rows, "comparator")
    key = f"{climbed[0]['attack']}|{steps}"

    def gains(axes: Axes) -> None:
        methods = list(dict.fromkeys(row["method"] for row in climbed))
        for method, colour in zip(methods, _COLOURS, strict=False):
            own = [row for row in climbed if row["method"] == method]
            sizes = sorted({row["steps"] for row in own})
            x = [100 * _mean(own, "norm", steps=one) for one in sizes]
            axes.plot(x, [_mean(own, "gain", steps=one) for one in sizes], "o-", color=colour, label=method, ms=3)
            axes.plot(x, [_mean(own, "gain_noise", steps=one) for one in sizes], ":", color=colour, lw=1)
        axes.axhline(1, color="black", lw=0.6)
        axes.set_xlabel("norm of the perturbation [%]")
        axes.set_title("gain (dotted: noise of the norm)")
        axes.legend(frameon=False, fontsize=6)

    return [
        ("truth", found[f"{world}|truth"]),
        (f"truth, perturbed ({steps} steps)", found[f"{world}|perturbed|{key}"]),
        (name, found[f"{world}|{name}|clean"]),
        (f"{name}, perturbed", found[f"{world}|{name}|{key}"]),
        (f"{other}, perturbed", found[f"{world}|{other}|{key}"]),
        gains,
    ]


def _structure(world: str, rows: _Rows, found: Found) -> list[_Panel]:
    """The fully sampled image with symbols, and the methods' images, each with the number of symbols read in it."""
    own = [row for row in rows if row["kind"] == "structure"]
    names = ("fully sampled", _by_role(own, "tested"), _by_role(own, "comparator"), _by_role(own, "control"))
    panels: list[_Panel] = []
    for name in dict.fromkeys(names):
        row = next(row for row in own if row["method"] == name)
        panels.append((f"{name}: {row['read']} of {row['glyphs']} read", found[f"{world}|{name}|text"]))
    return panels


def _samples(world: str, rows: _Rows, found: Found) -> list[_Panel]:
    """The tested method's images with fewest, trained and most samples, and the PSNR of all methods."""
    own = [row for row in rows if row["kind"] == "samples"]
    name = _by_role(own, "tested")
    rates = sorted({row["acceleration"] for row in own}, reverse=True)
    trained = next((row["acceleration"] for row in own if row["trained"]), rates[0])
    panels: list[_Panel] = []
    for rate in dict.fromkeys((rates[0], trained, rates[-1])):
        share = _mean(own, "share", acceleration=rate)
        panels.append((f"{name}, {100 * share:.0f} % of the samples", found[f"{world}|{name}|{rate:g}"]))

    def curves(axes: Axes) -> None:
        for method, colour in zip(dict.fromkeys(row["method"] for row in own), _COLOURS, strict=False):
            here = [row for row in own if row["method"] == method]
            x = [100 * _mean(here, "share", acceleration=rate) for rate in rates]
            axes.plot(
                x, [_mean(here, "psnr", acceleration=rate) for rate in rates], "o-", color=colour, label=method, ms=3
            )
        axes.axvline(100 * _mean(own, "share", acceleration=trained), color="black", lw=0.6, ls="--")
        axes.set_xlabel("samples [%] (dashed: trained)")
        axes.set_title("PSNR [dB]")
        axes.legend(frameon=False, fontsize=6)

    return [*panels, curves]


def _by_role(rows: _Rows, role: str) -> str:
    return str(next(row["method"] for row in rows if row["role"] == role))


def _mean(rows: _Rows, score: str, **wanted: Any) -> float:
    values = [row[score] for row in rows if all(row[name] == value for name, value in wanted.items())]
    return float(np.mean([value for value in values if value is not None]))
