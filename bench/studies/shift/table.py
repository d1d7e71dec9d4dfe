"""The table of a study in plain text."""

from __future__ import annotations

from typing import Any

from bench.plan.intervals import from_json, meaning, told

_HEADER = ["model", "in distribution", "out of it", "drop"]


def render(comparisons: list[dict[str, Any]]) -> str:
    """Format a block for each comparison, mean SSIM with its interval by model, and explain the intervals."""
    counts = {count for one in comparisons for count in one["results"]["volumes"]}
    return "\n\n".join([*(_block(one) for one in comparisons), meaning(counts)])


def _block(comparison: dict[str, Any]) -> str:
    results = comparison["results"]
    lines = [_HEADER]
    for point in results["points"]:
        cells = [_interval(point[name], point[f"{name}_interval"]) for name in ("inside", "outside", "drop")]
        lines.append([point["label"], *cells])
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADER))]
    rows = [
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    ]
    title = f"{comparison['name']} ({comparison['words']}; {results['n_inside']} and {results['n_outside']} images)"
    return "\n".join([title, *rows])


def _interval(value: float, interval: dict[str, Any] | None) -> str:
    return told(value, from_json(interval), "{:.3f}", brief=True)
