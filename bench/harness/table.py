"""The final table, for people."""

from __future__ import annotations

from typing import Any

_FORMATS = {"psnr": "{:.2f}", "ssim": "{:.3f}", "nmse": "{:.4f}"}


def render(summary: list[dict[str, Any]]) -> str:
    """Aligned text: a line for each victim, attack, epsilon and metric; with the source where they differ."""
    header = ["method", "attack", "eps", "metric", "clean", "noise", "attacked", "95 % CI", "images"]
    across = any(row["source"] != row["victim"] for row in summary)
    lines = [header]
    for row in summary:
        style = _FORMATS.get(row["metric"], "{:.4g}")
        interval = "-" if row["ci95"] is None else "±" + style.format(row["ci95"])
        values = [style.format(row[name]) for name in ("clean", "noise", "attacked")]
        lines.append(
            [row["victim"], _attack(row, across), f"{row['eps']:g}", row["metric"], *values, interval, str(row["n"])]
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i in (0, 1, 3) else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _attack(row: dict[str, Any], across: bool) -> str:
    return f"{row['attack']} on {row['source']}" if across else row["attack"]
