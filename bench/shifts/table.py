"""The table of a study, for people."""

from __future__ import annotations

from typing import Any

_HEADER = ["model", "in distribution", "out of it", "drop"]


def render(comparisons: list[dict[str, Any]]) -> str:
    """A block for each comparison: mean SSIM with 95 % intervals by model, and the line."""
    return "\n\n".join(_block(one) for one in comparisons)


def _block(comparison: dict[str, Any]) -> str:
    results = comparison["results"]
    lines = [_HEADER]
    for point in results["points"]:
        cells = [_interval(point[name], point[f"{name}_half"]) for name in ("inside", "outside", "drop")]
        lines.append([point["label"], *cells])
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADER))]
    rows = [
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    ]
    title = f"{comparison['name']} ({comparison['words']}; {results['n_inside']} and {results['n_outside']} images)"
    return "\n".join([title, *rows])


def _interval(value: float, half: float | None) -> str:
    return f"{value:.3f}" if half is None else f"{value:.3f} ± {half:.3f}"
