"""The frame of every figure: its fonts, its axes, and its bytes as PNG."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Literal, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_Given = ParamSpec("_Given")


def as_png(size: float = 9, title: float = 9.5) -> Callable[[Callable[_Given, Figure]], Callable[_Given, bytes]]:
    """Make a decorator for a function that draws a figure: the function then returns the figure as PNG.

    Args:
        size: size of the text [points].
        title: size of the titles of axes [points].
    """

    def decorated(draw: Callable[_Given, Figure]) -> Callable[_Given, bytes]:
        @functools.wraps(draw)
        def drawn(*args: _Given.args, **kwargs: _Given.kwargs) -> bytes:
            content = io.BytesIO()
            with matplotlib.rc_context({"font.size": size, "axes.titlesize": title, "font.family": "DejaVu Sans"}):
                draw(*args, **kwargs).savefig(content, format="png")
            return content.getvalue()

        return drawn

    return decorated


def lighten(axes: Axes, grid: Literal["both", "y"] = "both") -> None:
    """Give a chart a faint grid, and take its upper and right borders away."""
    axes.grid(alpha=0.25, axis=grid)
    axes.spines[["top", "right"]].set_visible(False)
