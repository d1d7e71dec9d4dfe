"""Low-frequency energy of a method's hardest images and of the others, as Figure 14 of the ICML 2021 paper.

Left: each image's share of energy in the central columns.  Right: energy against frequency along the vertical line
through the centre of k-space.  The figure is drawn from the record of bench.hardest only, without JAX.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figures.frame import as_png, lighten
from bench.plan.intervals import bars, name_of

_COLOURS = {"rest": "#2f7ebc", "subset": "#c8382b"}
_WORDS = {"rest": "the others", "subset": "hardest"}


@as_png()
def draw(record: dict[str, Any]) -> Figure:
    """Draw a record that has at least one group as PNG."""
    figure = Figure(figsize=(9.6, 4.2), dpi=110)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.35])
    _shares(left, record)
    _profiles(right, record)
    n, total = sum(one["chosen"] for one in record["cases"]), len(record["cases"])
    title = f"The {n} of {total} images with the lowest {record['metric'].upper()} of {record['method']}"
    figure.suptitle(title, x=0.5, y=0.985, fontsize=11, parse_math=False)
    figure.subplots_adjust(left=0.065, right=0.985, top=0.85, bottom=0.12, wspace=0.2)
    return figure


def _shares(axes: Axes, record: dict[str, Any]) -> None:
    """A dot for each image, spread sideways so that dots do not hide each other; then the mean and its interval."""
    for place, (name, group) in enumerate(_groups(record)):
        shares = sorted(one["share"] for one in record["cases"] if one["chosen"] == (name == "subset"))
        spread = np.random.RandomState(0).uniform(-0.22, 0.22, len(shares))
        axes.scatter(place + spread, shares, s=14, color=_COLOURS[name], alpha=0.45, linewidths=0)
        below, above = bars(group["share"], group["interval"])
        axes.errorbar(
            place + 0.34, group["share"], yerr=[[below], [above]], color=_COLOURS[name], marker="o", markersize=4.5,
            capsize=3, linewidth=1.8,
        )  # fmt: skip
    groups = _groups(record)
    axes.set_xticks(range(len(groups)), [f"{_WORDS[name]} ({group['n']})" for name, group in groups])
    axes.set_xlim(-0.5, len(groups) - 0.3)
    axes.set_title(
        f"energy in the central {100 * record['center_fraction']:.3g} % of columns{_named(record, 'bars')}", pad=5
    )
    lighten(axes, "y")


def _profiles(axes: Axes, record: dict[str, Any]) -> None:
    """The mean of each group with its interval, if known."""
    for name, group in _groups(record):
        mean = np.array(group["profile"])
        reach = [bars(value, one) for value, one in zip(mean, group["profile_interval"], strict=True)]
        below, above = np.array(reach).T
        frequencies = np.arange(mean.size)
        axes.plot(frequencies, mean, color=_COLOURS[name], linewidth=1.6, label=_WORDS[name])
        # An interval that reaches 0 has no end on a logarithmic axis.
        axes.fill_between(
            frequencies, np.maximum(mean - below, mean / 10), mean + above, color=_COLOURS[name], alpha=0.15
        )
    cross = record["crossing"]
    if cross is not None:
        axes.axvline(cross["frequency"], color="#4c566a", linewidth=0.9, linestyle=":")
        # Put the text on the side that has room.
        side, away = ("right", -4) if cross["frequency"] > 0.7 * axes.get_xlim()[1] else ("left", 4)
        axes.annotate(
            f"cross at {cross['frequency']}", (cross["frequency"], 0.97), (away, 0), ha=side, va="top",
            xycoords=("data", "axes fraction"), textcoords="offset points", color="#4c566a",
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.set_xlabel("frequency along the vertical line [cycles per field of view]")
    axes.set_title("energy of one sample / energy of k-space" + _named(record, "shaded"), pad=5)
    axes.legend(frameon=False, loc="lower left")
    lighten(axes)


def _named(record: dict[str, Any], what: str) -> str:
    """The name of the intervals, for a title."""
    kinds = {group["interval"]["kind"] for _, group in _groups(record) if group["interval"] is not None}
    return f" ({what}: {name_of(kinds)})" if kinds else ""


def _groups(record: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The groups of the record, in a fixed order."""
    return [(name, record["groups"][name]) for name in _COLOURS if name in record["groups"]]
