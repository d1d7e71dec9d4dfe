"""Accuracy and worst case against a setting of a method: clean and attacked PSNR, drawn from the file of bench.tune."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from bench.figures.frame import as_png, lighten
from bench.plan.intervals import bars, name_of

_CLEAN, _ATTACKED = "#2f7ebc", ("#b8791e", "#c8382b", "#8a56a8", "#4c566a", "#3b8f4c")


@as_png()
def draw(candidates: list[dict[str, Any]], worst_cases: list[list[dict[str, Any]]], title: str) -> Figure:
    """Draw candidates as PNG.

    Args:
        candidates: each has one setting, and its value is a number.
        worst_cases: for each epsilon, an entry for each candidate.
        title: title of the figure.
    """
    (name,) = candidates[0]["settings"]
    values = [float(one["settings"][name]) for one in candidates]
    order = sorted(range(len(values)), key=values.__getitem__)
    across = [values[index] for index in order]
    figure = Figure(figsize=(5.6, 3.8), dpi=110, layout="constrained")
    axes = figure.subplots()
    clean = [candidates[index]["psnr"] for index in order]
    axes.plot(across, clean, "o-", color=_CLEAN, markersize=4, label="clean")
    kinds = set()
    for place, entries in enumerate(worst_cases):
        sorted_entries = [entries[index] for index in order]
        attacked = [one["psnr"] for one in sorted_entries]
        reach = [bars(one["psnr"], one["psnr_interval"]) for one in sorted_entries]
        kinds |= {one["psnr_interval"]["kind"] for one in sorted_entries if one["psnr_interval"]}
        colour, label = _ATTACKED[place % len(_ATTACKED)], f"attacked, epsilon {entries[0]['eps']:g}"
        axes.errorbar(
            across, attacked, yerr=list(zip(*reach, strict=True)), fmt="s-", color=colour, markersize=4, capsize=2,
            elinewidth=0.8, label=label,
        )  # fmt: skip
    if across[0] > 0:
        axes.set_xscale("log")
    axes.set_xlabel(name, parse_math=False)
    axes.set_ylabel("PSNR [dB]")
    axes.set_title(title + (f" (bars: {name_of(kinds)})" if kinds else ""), parse_math=False)
    axes.legend(frameon=False)
    lighten(axes)
    return figure
