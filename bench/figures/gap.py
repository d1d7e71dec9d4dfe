"""Four networks on the target domain of a shift before and after test-time training, drawn from bench.ttt's record."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figures.frame import as_png, lighten

_COLOURS = {"source": "#c8382b", "target": "#2f7ebc"}
_LINES = {"self": "-", "sup": (0, (4, 2))}
_NAMES = {"sup": "supervised", "self": "jointly"}


@as_png()
def draw(record: dict[str, Any]) -> Figure:
    """Draw a study's record as PNG."""
    figure = Figure(figsize=(9.6, 4.2), dpi=110)
    for axes, kind in zip(figure.subplots(1, 2, sharey=True), _NAMES, strict=True):
        _panel(axes, record, kind)
    title = f"Test-time training, {record['shift']} shift, {record['network']}"
    figure.suptitle(title, x=0.5, y=0.985, fontsize=11, parse_math=False)
    figure.subplots_adjust(left=0.075, right=0.985, top=0.84, bottom=0.09, wspace=0.08)
    return figure


def _panel(axes: Axes, record: dict[str, Any], kind: str) -> None:
    """The networks trained in one way: means as bold lines, images as thin lines."""
    for domain, colour in _COLOURS.items():
        one = record["models"][f"{domain}-{kind}"]
        for pair in zip(one["images"]["before"], one["images"]["after"], strict=True):
            axes.plot([0, 1], pair, color=colour, linewidth=0.8, alpha=0.25)
        means = [one["before"], one["after"]]
        label = f"trained on the {domain}"
        axes.plot([0, 1], means, color=colour, linestyle=_LINES[kind], linewidth=2.4, marker="o", label=label)
        for place, value, side in ((0, means[0], "right"), (1, means[1], "left")):
            axes.annotate(
                f"{value:.3f}", (place, value), (-7 if place == 0 else 7, 0), ha=side, va="center",
                textcoords="offset points", color=colour,
            )  # fmt: skip
    axes.set_xticks([0, 1], ["before", "after test-time training"])
    axes.set_xlim(-0.3, 1.3)
    part = record["gaps"][kind]["closed"]["fraction"]
    told = "no gap to close" if part is None else f"{100 * part:.0f} % of the gap closed"
    axes.set_title(f"trained {_NAMES[kind]}: {told}", pad=5)
    if kind == "sup":
        axes.set_ylabel(f"{record['metric'].upper()} on {len(record['cases'])} images of the target")
    axes.legend(frameon=False, loc="lower right" if kind == "self" else "lower left")
    lighten(axes, "y")
